//! What both kinds of batches must do. Each includes this file, so that it runs for both.
//!
//! Clients and server share one thread: loopback keeps what the one sends until the other asks.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};

use super::{ANSWERS_FROM_ASKED, Batch, prepare};
use crate::{
    dns::kernel::{Sent, WAIT},
    model::mapped,
};

/// Only a failing test waits as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Receives in a row that may bring nothing before the test fails.
const EMPTY_MAX: usize = 100;

/// `None`, said aloud, where the machine cannot.
pub(super) fn bind_v6(address: &str, only_v6: bool) -> Option<UdpSocket> {
    let bind = || {
        // Where IPv6 is turned off, `[::]` is there all the same.
        UdpSocket::bind("[::1]:0")?;
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
        socket.set_only_v6(only_v6)?;
        socket.bind(&address.parse::<SocketAddr>().expect("an address").into())?;
        io::Result::Ok(socket.into())
    };
    bind().map_err(|_| writeln!(io::stderr(), "skipped: this machine has no IPv6 loopback")).ok()
}

/// A socket each on one address and on all, of both families where this machine has both.
fn servers() -> Vec<UdpSocket> {
    let v4 = ["127.0.0.1:0", "0.0.0.0:0"].map(|at| UdpSocket::bind(at).ok());
    let v6 = ["[::1]:0", "[::]:0"].map(|at| bind_v6(at, true));
    let servers: Vec<_> = v4.into_iter().chain(v6).flatten().collect();
    servers.iter().for_each(|socket| prepare(socket).expect("prepared"));
    assert!(servers.len() >= 2, "IPv4 is everywhere");
    servers
}

/// A client that takes replies only from the address that it asks.
fn client(server: &UdpSocket) -> UdpSocket {
    let v4 = server.local_addr().expect("bound").is_ipv4();
    client_of(server, if v4 { "127.0.0.1" } else { "::1" })
}

fn client_of(server: &UdpSocket, asked: &str) -> UdpSocket {
    let asked: IpAddr = asked.parse().expect("an address");
    let any = if asked.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let client = UdpSocket::bind(any).expect("a free port");
    client
        .connect((asked, server.local_addr().expect("bound").port()))
        .expect("an address of ours");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client
}

fn reply(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let len = client.recv(&mut buffer).expect("a reply");
    buffer.truncate(len);
    buffer
}

/// Serves until so many datagrams were received; `answer` says how long the reply is.
fn serve(
    batch: &mut Batch,
    socket: &UdpSocket,
    count: usize,
    mut answer: impl FnMut(&mut Batch, usize) -> usize,
) -> Sent {
    let (mut handled, mut empty, mut total) = (0, 0, Sent::default());
    while handled < count && empty < EMPTY_MAX {
        let received = batch.receive(socket).expect("no fault");
        assert!(received <= Batch::DATAGRAMS_MAX);
        for index in 0..received {
            let len = answer(batch, index);
            batch.reply(index, len);
        }
        let Sent { sent, failed } = batch.send(socket);
        total = Sent { sent: total.sent + sent, failed: total.failed + failed };
        handled += received;
        empty = if received == 0 { empty + 1 } else { 0 };
    }
    assert_eq!(handled, count, "datagrams received");
    total
}

fn receive_one(batch: &mut Batch, socket: &UdpSocket) {
    let mut tries = (0..EMPTY_MAX).map(|_| batch.receive(socket).expect("no fault"));
    assert_eq!(tries.find(|received| *received > 0), Some(1));
}

fn received(batch: &Batch, index: usize) -> (Option<Vec<u8>>, (Ipv6Addr, u16)) {
    let (question, client) = batch.received().nth(index).expect("received");
    (question.map(<[u8]>::to_vec), client)
}

fn echo(batch: &mut Batch, index: usize) -> usize {
    let (question, _) = received(batch, index);
    let question = question.expect("a question that was kept whole");
    let slot = batch.slot(index);
    assert_eq!(question, slot.buffer[..slot.len]);
    let len = slot.len;
    assert_eq!(batch.buffer(index)[..len], question);
    len
}

/// Each of these addresses is asked, and must be the one that the reply comes from.
pub(super) fn echoes_from_asked(socket: &UdpSocket, asked: &[&str]) {
    let clients: Vec<_> = asked.iter().map(|asked| client_of(socket, asked)).collect();
    for (client, asked) in clients.iter().zip(asked) {
        client.send(asked.as_bytes()).expect("sent");
    }
    let mut seen = Vec::new();
    let sent = serve(&mut Batch::new(), socket, asked.len(), |batch, index| {
        seen.push(received(batch, index).1);
        echo(batch, index)
    });
    assert_eq!(sent, Sent { sent: asked.len(), failed: 0 });
    for (client, asked) in clients.iter().zip(asked) {
        assert_eq!(reply(client), asked.as_bytes());
        let address = client.local_addr().expect("bound");
        let known = (mapped(address.ip()), address.port());
        assert!(seen.contains(&known), "{address} among {seen:?}");
    }
}

#[test]
fn every_datagram_is_echoed_to_its_client() {
    for socket in servers() {
        let mut batch = Batch::new();
        for count in [1, 32, 100] {
            let clients: Vec<_> = (0..count.min(7)).map(|_| client(&socket)).collect();
            let content = |number: usize| format!("{number} of {count}").repeat(1 + number % 3);
            for number in 0..count {
                let from = &clients[number % clients.len()];
                from.send(content(number).as_bytes()).expect("sent");
            }
            let sent = serve(&mut batch, &socket, count, echo);
            assert_eq!(sent, Sent { sent: count, failed: 0 });
            for number in 0..count {
                let octets = reply(&clients[number % clients.len()]);
                assert_eq!(String::from_utf8(octets).as_deref(), Ok(content(number).as_str()));
            }
        }
    }
}

#[test]
fn replies_come_from_the_address_that_was_asked() {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
    prepare(&socket).expect("prepared");
    let asked = ["127.0.0.1", "127.0.0.2", "127.9.9.9", "127.0.0.2"];
    echoes_from_asked(&socket, if ANSWERS_FROM_ASKED { &asked } else { &asked[..1] });
    if let Some(socket) = bind_v6("[::]:0", true) {
        prepare(&socket).expect("prepared");
        echoes_from_asked(&socket, &["::1"]);
    }
}

#[test]
fn one_socket_for_both_families_answers_both_and_sees_ipv4_clients_as_such() {
    let Some(socket) = bind_v6("[::]:0", false) else { return };
    prepare(&socket).expect("prepared");
    let asked = ["127.0.0.1", "::1", "127.0.0.2", "127.9.9.9"];
    echoes_from_asked(&socket, if ANSWERS_FROM_ASKED { &asked } else { &asked[..2] });
    let Some(socket) = bind_v6("[::ffff:127.0.0.3]:0", false) else { return };
    prepare(&socket).expect("prepared");
    echoes_from_asked(&socket, &["127.0.0.3"]);
}

#[test]
fn questions_longer_than_a_slot_are_cut_and_marked() {
    const MAX: usize = Batch::QUERY_MAX;
    for socket in servers() {
        let client = client(&socket);
        let mut seen = Vec::new();
        let sizes = [MAX, MAX + 1, 12, 60_000, MAX - 1];
        let mut batch = Batch::new();
        for size in sizes {
            client.send(&vec![7; size]).expect("sent");
            serve(&mut batch, &socket, 1, |batch, index| {
                assert_eq!(batch.buffer(index).len(), MAX);
                let slot = batch.slot(index);
                assert_eq!(slot.buffer.len(), MAX);
                assert!(slot.buffer[..slot.len].iter().all(|octet| *octet == 7));
                let len = slot.len;
                seen.push((len, received(batch, index).0.is_none()));
                0
            });
        }
        let whole = [(MAX, false), (MAX, true), (12, false), (MAX, true), (MAX - 1, false)];
        assert_eq!(seen, whole);
    }
}

#[test]
fn a_reply_is_written_over_the_question_and_may_be_longer() {
    for socket in servers() {
        let clients = [client(&socket), client(&socket)];
        let sizes = [1232, Batch::QUERY_MAX];
        for client in &clients {
            client.send(b"?").expect("sent");
        }
        let mut answered = 0;
        let sent = serve(&mut Batch::new(), &socket, 2, |batch, index| {
            let slot = batch.slot(index);
            let first = slot.client == clients[0].local_addr().expect("bound");
            let size = sizes[usize::from(!first)];
            slot.buffer[1..size].fill(b'!');
            answered += 1;
            size
        });
        assert_eq!((answered, sent), (2, Sent { sent: 2, failed: 0 }));
        for (client, size) in clients.iter().zip(sizes) {
            let reply = reply(client);
            assert_eq!((reply.len(), reply[0]), (size, b'?'));
            assert!(reply[1..].iter().all(|octet| *octet == b'!'));
        }
    }
}

#[test]
fn without_a_length_there_is_no_reply() {
    for socket in servers() {
        let client = client(&socket);
        for question in [b"quiet".as_slice(), b"", b"aloud", b"quiet"] {
            client.send(question).expect("sent");
        }
        let sent = serve(&mut Batch::new(), &socket, 4, |batch, index| {
            let slot = batch.slot(index);
            if slot.buffer.starts_with(b"aloud") { slot.len } else { 0 }
        });
        assert_eq!(sent, Sent { sent: 1, failed: 0 });
        assert_eq!(reply(&client), b"aloud");
    }
}

#[test]
fn what_was_not_sent_is_forgotten_and_nothing_is_sent_twice() {
    for socket in servers() {
        let client = client(&socket);
        let mut batch = Batch::new();
        client.send(b"forgotten").expect("sent");
        receive_one(&mut batch, &socket);
        batch.reply(0, 9);
        client.send(b"answered").expect("sent");
        let sent = serve(&mut batch, &socket, 1, echo);
        assert_eq!(sent, Sent { sent: 1, failed: 0 });
        assert_eq!(batch.send(&socket), Sent::default());
        assert_eq!(reply(&client), b"answered");
    }
}

#[test]
fn a_reply_that_cannot_be_sent_does_not_hold_up_the_others() {
    for socket in servers() {
        for astray in [vec![0], vec![3], vec![7], vec![0, 1, 4, 7], (0..8).collect()] {
            let client = client(&socket);
            for number in 0..8 {
                client.send(&[number]).expect("sent");
            }
            let sent = serve(&mut Batch::new(), &socket, 8, |batch, index| {
                let number = batch.slot(index).buffer[0];
                if astray.contains(&number) {
                    batch.misdirect(index);
                    assert_eq!(received(batch, index).1.1, 0);
                }
                1
            });
            assert_eq!(sent, Sent { sent: 8 - astray.len(), failed: astray.len() });
            for number in (0..8).filter(|number| !astray.contains(number)) {
                assert_eq!(reply(&client), [number]);
            }
        }
    }
}

#[test]
fn a_wait_without_datagrams_ends_with_none() {
    for socket in servers() {
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&socket).expect("no fault"), 0);
        assert_eq!(batch.send(&socket), Sent::default());
        assert_eq!(batch.receive(&socket).expect("no fault"), 0);
    }
}

#[test]
fn a_socket_that_did_not_wait_does_so_once_it_is_prepared() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_nonblocking(true).expect("set");
    let room = SockRef::from(&socket).recv_buffer_size().expect("known");
    prepare(&socket).expect("prepared");
    let options = SockRef::from(&socket);
    assert!(!options.nonblocking().expect("known"));
    assert!(options.recv_buffer_size().expect("known") >= room);
    assert_eq!(socket.read_timeout().expect("known"), Some(WAIT));
}

#[test]
fn a_batch_goes_from_thread_to_thread() {
    for socket in servers() {
        let clients = [client(&socket), client(&socket)];
        let mut batch = Box::new(Batch::new());
        clients[0].send(b"first").expect("sent");
        receive_one(&mut batch, &socket);
        let len = batch.slot(0).len;
        let (mut batch, socket) = thread::spawn(move || {
            // On the other stack: its address changes, that of its memory must not.
            let mut batch = *batch;
            batch.reply(0, len);
            assert_eq!(batch.send(&socket), Sent { sent: 1, failed: 0 });
            (batch, socket)
        })
        .join()
        .expect("no panic");
        assert_eq!(reply(&clients[0]), b"first");
        clients[1].send(b"second").expect("sent");
        assert_eq!(serve(&mut batch, &socket, 1, echo), Sent { sent: 1, failed: 0 });
        assert_eq!(reply(&clients[1]), b"second");
    }
}

#[test]
#[should_panic(expected = "invariant: only received datagrams are looked at")]
fn a_slot_that_was_not_filled_is_out_of_reach() {
    let mut batch = Batch::new();
    batch.slot(0);
}

#[test]
#[should_panic(expected = "invariant: a reply is written into its slot")]
fn a_reply_longer_than_its_slot_is_out_of_reach() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    prepare(&socket).expect("prepared");
    let client = client(&socket);
    client.send(b"?").expect("sent");
    serve(&mut Batch::new(), &socket, 1, |_, _| Batch::QUERY_MAX + 1);
}
