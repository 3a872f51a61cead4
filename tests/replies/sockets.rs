//! The same answers through real sockets on loopback: our own, and hickory-server's with our
//! handler.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use cutover::{
    dns::{Clock, Counters, Listener, Plane, Responder, Serving, client, handler::Handler},
    model::{CookieSecrets, RrlSettings},
};
use domain::base::{Rtype, iana::Rcode};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::oneshot,
};

use crate::{Change, ID, Query, Seen, name, query, query_absolute, seen, table};

/// Longer than anything takes; the tests wait for replies, not for this.
const PATIENCE: Duration = Duration::from_secs(30);

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn plane() -> Arc<Plane> {
    Arc::new(Plane {
        store: Arc::new(ArcSwap::from_pointee(table())),
        responder: Responder::new(CookieSecrets::random([7; 16]), None),
        rrl: RrlSettings::default(),
        counters: Counters::register(&prometheus::Registry::new()).expect("new names"),
        clock: Clock::start(),
    })
}

/// Our sockets on one free port.
fn ours(plane: &Arc<Plane>) -> (SocketAddr, Serving) {
    let listeners = Listener::bind(any_port(), 2).expect("a free port");
    let address = listeners[0].local_addr().expect("an address");
    assert_eq!(listeners[1].local_addr().expect("an address"), address, "UDP and TCP alike");
    (address, Serving::start(listeners.into(), 2, plane).expect("threads"))
}

/// hickory-server's listener with our handler; it stops when this is dropped.
async fn hickorys() -> (SocketAddr, hickory_server::Server<Handler>) {
    let listener = TcpListener::bind(any_port()).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut server = hickory_server::Server::new(Handler::new(plane()));
    server.register_listener(listener, PATIENCE, 32);
    (address, server)
}

async fn send(stream: &mut TcpStream, packet: &[u8]) {
    let len = u16::try_from(packet.len()).expect("a short packet");
    let framed = [&len.to_be_bytes(), packet].concat();
    stream.write_all(&framed).await.expect("sent");
}

async fn receive(stream: &mut TcpStream) -> Seen {
    let len = stream.read_u16().await.expect("a length");
    let mut octets = vec![0; usize::from(len)];
    stream.read_exact(&mut octets).await.expect("a message");
    seen(&octets)
}

async fn ask(stream: &mut TcpStream, asked: &Query) -> Seen {
    send(stream, &asked.packet()).await;
    receive(stream).await
}

#[tokio::test]
async fn hickorys_listener_gives_our_answers() {
    let (address, _server) = hickorys().await;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let reply = ask(&mut stream, &query_absolute("aPi.SVC.example.test", Rtype::A).edns(512)).await;
    assert_eq!((reply.header.id(), reply.code()), (ID, Rcode::NOERROR));
    assert!(reply.header.aa() && reply.opt.is_some());
    let owners: Vec<_> = reply.answer.iter().map(|(owner, ..)| owner.as_str()).collect();
    assert_eq!(owners, ["aPi.SVC.example.test"; 2]);
    ask(&mut stream, &query("nothing", Rtype::A)).await.assert_negative(Rcode::NXDOMAIN);
    ask(&mut stream, &query("api", Rtype::AAAA)).await.assert_negative(Rcode::NOERROR);
    assert_eq!(ask(&mut stream, &query("n100", Rtype::A)).await.answer.len(), 100);
    let outside = ask(&mut stream, &query_absolute("example.test", Rtype::A)).await;
    assert_eq!(outside.code(), Rcode::REFUSED);
    let root = ask(&mut stream, &query_absolute(".", Rtype::NS)).await;
    assert_eq!(root.code(), Rcode::REFUSED);
}

#[tokio::test]
async fn hickorys_listener_refuses_what_we_refuse() {
    let (address, _server) = hickorys().await;
    let mut stream = TcpStream::connect(address).await.expect("connected");
    assert_eq!(ask(&mut stream, &query("@", Rtype::AXFR)).await.code(), Rcode::REFUSED);
    // STATUS, NOTIFY, UPDATE.
    for opcode in [2, 4, 5] {
        let mut packet = query("api", Rtype::SOA).packet();
        packet[2] = opcode << 3;
        send(&mut stream, &packet).await;
        let reply = receive(&mut stream).await;
        assert_eq!(reply.code(), Rcode::NOTIMP, "opcode {opcode}");
        assert!(!reply.header.aa());
        assert_eq!((reply.answer.len(), reply.authority.len()), (0, 0));
    }
}

#[tokio::test]
async fn our_stream_takes_one_message_after_the_other() {
    let (address, _tasks) = ours(&plane());
    let mut stream = TcpStream::connect(address).await.expect("connected");
    // Both are sent before the first reply is read.
    send(&mut stream, &query("n100", Rtype::A).packet()).await;
    send(&mut stream, &query("api", Rtype::A).packet()).await;
    assert_eq!(receive(&mut stream).await.answer.len(), 100);
    assert_eq!(receive(&mut stream).await.answer.len(), 2);
}

#[tokio::test]
async fn our_datagrams_show_a_new_table_at_once() {
    let plane = plane();
    let (address, _tasks) = ours(&plane);
    let before = client::ask(address, &name("api"), RecordType::A, PATIENCE).await;
    let before = before.expect("a reply");
    assert_eq!((before.code, before.ttl), (ResponseCode::NoError, Some(60)));
    assert_eq!(before.addresses, [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]);
    let removed = Change { set: Vec::new(), removed: vec![name("api")] };
    plane.store.store(Arc::new(plane.store.load().with(removed, 0)));
    let after = client::ask(address, &name("api"), RecordType::A, PATIENCE).await;
    assert_eq!(after.expect("a reply").code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn datagrams_are_answered_until_everything_else_has_ended() {
    let plane = plane();
    let (address, serving) = ours(&plane);
    let (end, ended) = oneshot::channel::<()>();
    let mut stream = TcpStream::connect(address).await.expect("connected");
    ask(&mut stream, &query("api", Rtype::A)).await;
    let ending = tokio::spawn(serving.drain(async { ended.await.expect("it is sent") }));
    // Its end shows that connections are being ended.
    assert_eq!(stream.read(&mut [0]).await.expect("no reset"), 0);
    drop(stream);
    let reply = client::ask(address, &name("api"), RecordType::A, PATIENCE).await;
    assert_eq!(reply.expect("a reply").addresses.len(), 2);
    end.send(()).expect("it is waited for");
    ending.await.expect("no panic");
    UdpSocket::bind(address).await.expect("nobody has it any more");
}

#[tokio::test]
async fn our_datagrams_go_on_after_one_that_is_dropped() {
    let (address, _tasks) = ours(&plane());
    let socket = UdpSocket::bind(any_port()).await.expect("a free port");
    socket.connect(address).await.expect("connected");
    socket.send(&[0; 11]).await.expect("sent");
    socket.send(&query("api", Rtype::A).packet()).await.expect("sent");
    let mut buffer = [0; 1500];
    let len = socket.recv(&mut buffer).await.expect("a reply");
    assert_eq!(seen(&buffer[..len]).answer.len(), 2);
}
