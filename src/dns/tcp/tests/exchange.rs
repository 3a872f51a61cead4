//! Messages and replies on one connection, and the clients that are slow at it.

use super::{super::STUCK_MAX, *};

#[test]
fn a_thousand_messages_in_one_write_are_answered_in_order() {
    let (_tcp, server) = start(WIDE, 2);
    let mut client = Client::connect(server);
    let all: Vec<u8> = (0..1000).flat_map(|number| framed(&message(ECHO, number))).collect();
    client.send(&all);
    let replies: Vec<_> = (0..1000).map(|_| client.receive()).collect();
    let wanted: Vec<_> = (0..1000).map(|number| message(ECHO, number).to_vec()).collect();
    assert!(replies == wanted);
}

#[test]
fn octets_may_come_one_at_a_time() {
    let (_tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    let two = [framed(&message(ECHO, 1)), framed(&message(ECHO, 2))].concat();
    for octet in two {
        client.send(&[octet]);
    }
    assert_eq!(client.receive(), message(ECHO, 1));
    assert_eq!(client.receive(), message(ECHO, 2));
}

#[test]
fn the_longest_message_may_come_in_pieces() {
    let (_tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    let longest = vec![ECHO; usize::from(u16::MAX)];
    let next = framed(&message(ECHO, 3));
    let all = [framed(&longest), next].concat();
    for piece in all.chunks(3000) {
        client.send(piece);
    }
    assert!(client.receive() == longest);
    assert_eq!(client.receive(), message(ECHO, 3));
    // And all at once.
    client.send(&all);
    assert!(client.receive() == longest);
    assert_eq!(client.receive(), message(ECHO, 3));
}

#[test]
fn replies_that_are_larger_than_all_buffers_arrive_whole() {
    const COUNT: u16 = 500;
    let (_tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    let mut writer = Client(client.0.try_clone().expect("a descriptor"));
    let writing = std::thread::spawn(move || {
        for number in 0..COUNT {
            writer.send(&framed(&message(BIG, number)));
        }
        writer.send(&framed(&message(ECHO, COUNT)));
    });
    for _ in 0..COUNT {
        assert!(client.receive() == vec![BIG; BIG_LEN]);
    }
    assert_eq!(client.receive(), message(ECHO, COUNT));
    writing.join().expect("written");
}

#[test]
fn messages_without_a_reply_leave_the_others_alone() {
    let (_tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    let odd = [SILENCE, PANIC, EMPTY, TOO_LONG].map(|kind| framed(&message(kind, 0))).concat();
    client.send(&[odd, framed(&message(ECHO, 9))].concat());
    assert_eq!(client.receive(), message(ECHO, 9));
    assert!(client.is_served());
}

#[test]
fn replies_that_could_not_be_sent_go_to_nobody_else() {
    let stub = Arc::new(Stub::default());
    let gate = stub.clone();
    let (tcp, server) = start_stub(stub, WIDE, 1);
    let open = gate.gate.lock().expect("nobody has panicked");
    let mut gone = Client::connect(server);
    gone.send(&framed(&message(WAIT, 1)));
    let mut other = Client::connect(server);
    other.send(&framed(&message(ECHO, 2)));
    // Resets the connection under the reply that is being made.
    SockRef::from(&gone.0).set_linger(Some(Duration::ZERO)).expect("an option");
    drop(gone);
    drop(open);
    assert_eq!(other.receive(), message(ECHO, 2));
    assert!(other.is_served());
    until_closed(&tcp, Cause::Client, 1);
}

#[test]
fn a_client_that_sends_its_last_and_waits_gets_every_reply() {
    let (tcp, server) = start(WIDE, 1);
    let mut client = Client::connect(server);
    let all: Vec<u8> = (0..100).flat_map(|_| framed(&message(BIG, 0))).collect();
    client.send(&all);
    client.0.shutdown(std::net::Shutdown::Write).expect("half closed");
    for _ in 0..100 {
        assert!(client.receive() == vec![BIG; BIG_LEN]);
    }
    assert!(client.is_closed_well());
    until_closed(&tcp, Cause::Client, 1);
}

#[test]
fn a_frame_that_no_message_fits_into_ends_the_connection_after_the_replies_before_it() {
    let (tcp, server) = start(WIDE, 1);
    for (count, prefix) in [[0, 0], [0, 11]].into_iter().enumerate() {
        let mut client = Client::connect(server);
        let more = [0; 5000];
        client.send(&[&framed(&message(ECHO, 4)), &prefix[..], &more].concat());
        assert_eq!(client.receive(), message(ECHO, 4));
        assert!(client.is_closed_well());
        drop(client);
        until_closed(&tcp, Cause::Frame, count as u64 + 1);
    }
}

#[test]
fn half_a_message_and_then_silence_is_closed() {
    let (tcp, server) = start(Limits { message: SHORT, ..WIDE }, 1);
    let mut client = Client::connect(server);
    assert!(client.is_served());
    client.send(&framed(&message(ECHO, 1))[..10]);
    assert!(client.is_closed_well());
    until_closed(&tcp, Cause::Slow, 1);
}

#[test]
fn a_message_that_trickles_is_closed_though_octets_come() {
    let (tcp, server) = start(Limits { message: SHORT, ..WIDE }, 1);
    let mut client = Client::connect(server);
    client.send(&[255, 255]);
    while client.0.write_all(&[0]).is_ok() {
        std::thread::sleep(SHORT / 100);
    }
    until_closed(&tcp, Cause::Slow, 1);
}

#[test]
fn silence_is_closed_before_the_first_message_and_after_the_last() {
    let (tcp, server) = start(Limits { idle: SHORT, ..WIDE }, 1);
    let [mut new, mut old] = [Client::connect(server), Client::connect(server)];
    assert!(old.is_served());
    assert!(new.is_closed_well() && old.is_closed_well());
    until_closed(&tcp, Cause::Idle, 2);
}

#[test]
fn messages_without_a_reply_keep_no_connection_alive() {
    let (tcp, server) = start(Limits { idle: SHORT, ..WIDE }, 1);
    let mut client = Client::connect(server);
    while client.0.write_all(&framed(&message(SILENCE, 0))).is_ok() {
        std::thread::sleep(SHORT / 100);
    }
    until_closed(&tcp, Cause::Idle, 1);
}

#[test]
fn a_client_that_never_reads_is_closed_and_nobody_else_waits() {
    let stub = Arc::<Stub>::default();
    let (tcp, server) = start_stub(stub.clone(), Limits { idle: SHORT, ..WIDE }, 1);
    let mut greedy = Client::connect(server);
    let mut other = Client::connect(server);
    assert!(other.is_served());
    assert_eq!(*stub.delay_max.lock().expect("a time"), Duration::ZERO);
    let many: Vec<u8> = (0..100).flat_map(|_| framed(&message(BIG, 0))).collect();
    while greedy.0.write_all(&many).is_ok() {
        assert!(other.is_served());
    }
    until_closed(&tcp, Cause::Slow, 1);
    assert!(Client::connect(server).is_served());
    assert_eq!(*stub.delay_max.lock().expect("a time"), STUCK_MAX, "for the replies that it left");
}

#[test]
fn dropping_it_gives_the_port_back() {
    let (tcp, server) = start(WIDE, 2);
    let mut client = Client::connect(server);
    assert!(client.is_served());
    drop(tcp);
    assert!(client.is_closed_well());
    let again = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    again.set_reuse_address(true).expect("an option");
    again.bind(&server.into()).expect("the port is free again");
    again.listen(1).expect("nobody else listens");
}
