//! Ending well: every message that has come is answered, and nobody is reset.

use std::{future::Future, pin::pin, task::Poll};

use super::{
    super::{DRAIN_PATIENCE, Queue},
    *,
};

/// Ends `tcp` well; `meanwhile` runs when the order is given, on a thread of its own.
fn drain(tcp: Tcp, meanwhile: impl FnOnce() + Send + 'static) {
    drain_leaving(tcp, Queue::Take, meanwhile);
}

fn drain_leaving(tcp: Tcp, queue: Queue, meanwhile: impl FnOnce() + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut ending = pin!(tcp.drain(DRAIN_PATIENCE, queue));
        let mut meanwhile = Some(meanwhile);
        let mut clients = None;
        std::future::poll_fn(|context| {
            let polled = ending.as_mut().poll(context);
            if let Some(meanwhile) = meanwhile.take() {
                clients = Some(std::thread::spawn(meanwhile));
            }
            polled
        })
        .await;
        clients.expect("polled").join().expect("the clients are content");
    });
}

#[test]
fn idle_and_new_connections_see_the_end_and_no_reset() {
    let (tcp, server) = start(WIDE, 2);
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(server)).collect();
    assert!(clients[..10].iter_mut().all(Client::is_served));
    drain(tcp, move || assert!(clients.iter_mut().all(Client::is_closed_well)));
    let refused = TcpStream::connect(server).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn what_has_come_is_answered_even_if_its_connection_was_not_taken_yet() {
    let stub = Arc::new(Stub::default());
    let gate = stub.clone();
    let (tcp, server) = start_stub(stub, WIDE, 1);
    let open = gate.gate.lock().expect("nobody has panicked");
    // The only thread waits in the reply to the first; the others wait in the listener.
    let mut first = Client::connect(server);
    first.send(&framed(&message(WAIT, 1)));
    let mut others: Vec<_> = (0..20).map(|_| Client::connect(server)).collect();
    for other in &mut others {
        other.send(&[framed(&message(ECHO, 2)), framed(&message(BIG, 3))].concat());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async move {
        let mut ending = pin!(tcp.drain(DRAIN_PATIENCE, Queue::Take));
        let is_over =
            std::future::poll_fn(|context| Poll::Ready(ending.as_mut().poll(context).is_ready()));
        assert!(!is_over.await);
        drop(open);
        let clients = std::thread::spawn(move || {
            assert_eq!(first.receive(), message(WAIT, 1));
            for other in &mut others {
                assert_eq!(other.receive(), message(ECHO, 2));
                assert!(other.receive() == vec![BIG; BIG_LEN]);
            }
            others.push(first);
            assert!(others.iter_mut().all(Client::is_closed_well));
        });
        ending.await;
        clients.join().expect("the clients are content");
    });
}

#[test]
fn a_busy_client_is_answered_until_it_is_told_goodbye() {
    let (tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    assert!(client.is_served());
    drain(tcp, move || {
        let mut answered = 0;
        let end = loop {
            client.send(&framed(&message(ECHO, answered)));
            let mut len = [0; 2];
            if let Err(error) = client.0.read_exact(&mut len) {
                break error;
            }
            let mut reply = [0; MESSAGE_LEN];
            client.0.read_exact(&mut reply).expect("never half a reply");
            assert_eq!(reply, message(ECHO, answered));
            answered = answered.wrapping_add(1);
        };
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "closed, not reset");
        assert!(answered > 0);
    });
}

#[test]
fn a_message_that_is_on_its_way_is_waited_for() {
    let (tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    let whole = framed(&message(ECHO, 1));
    client.send(&[&whole[..], &whole[..9]].concat());
    assert_eq!(client.receive(), message(ECHO, 1));
    drain(tcp, move || {
        client.send(&whole[9..]);
        assert_eq!(client.receive(), message(ECHO, 1));
        assert!(client.is_closed_well());
    });
}

#[test]
fn those_who_wait_are_left_to_others_who_have_the_same_listener() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    let server = listener.local_addr().expect("an address");
    let other = listener.try_clone().expect("a descriptor");
    let tcp = Tcp::start_with(WIDE, &[listener], Arc::<Stub>::default(), 1).expect("threads");
    let mut taken = Client::connect(server);
    assert!(taken.is_served());
    let (send, waiting) = std::sync::mpsc::channel();
    drain_leaving(tcp, Queue::Leave, move || {
        send.send(Client::connect(server)).expect("it is received");
        assert!(taken.is_closed_well());
    });
    let mut waiting = waiting.recv().expect("it has connected");
    let (mut stream, _) = other.accept().expect("still in the queue");
    stream.write_all(&framed(&message(ECHO, 2))).expect("sent");
    assert_eq!(waiting.receive(), message(ECHO, 2));
}

#[test]
fn clients_that_never_close_do_not_hold_the_end_up() {
    let (tcp, server) = start(WIDE, 1);
    let count = tcp.count().clone();
    let mut client = Client::connect(server);
    assert!(client.is_served());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(tcp.drain(SHORT, Queue::Take));
    assert_eq!(count.snapshot().closed[Cause::Drain as usize], (Cause::Drain, 1));
    assert!(client.is_closed_well());
}
