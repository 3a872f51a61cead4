//! A real daemon against packets that nobody means well with, by UDP and TCP: each gets the right
//! reply or silence, none is much larger than what was asked, and none costs memory for good.
//!
//! Floods (response rate limiting), slow clients and connections without end are elsewhere.

#![cfg(target_os = "linux")]

mod cases;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/oracle.rs"]
mod oracle;
#[path = "../common/wire.rs"]
mod wire;

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    sync::RwLock,
    time::timeout,
};

use cases::{APEX, API, Case, Want, question};
use common::{House, client::framed};
use oracle::Server;

const PATIENCE: Duration = Duration::from_secs(30);
const SERVER: Server<'static> = Server { apex: APEX, nsid: None };
/// How many packets the memory is watched over; `CUTOVER_PACKETS` in the environment says otherwise.
const PACKETS: usize = 60_000;
/// Packets on their way at once.
const AT_ONCE: usize = 16;
/// How much the process may have grown, in octets. A third of this is what the daemon takes in its
/// first seconds, however many packets come; one leaked reply in four would be more.
const GROWTH_MAX: usize = 1 << 20;
const RELEASE: &str = r#"version = 1
[services.api]
live = "v1"
probe = "none"
[services.api.pools.v1]
endpoints = ["192.0.2.1", "192.0.2.2"]
"#;

/// Memory is measured while no other daemon of these tests has any.
static ALONE: RwLock<()> = RwLock::const_new(());

/// A daemon that answers whatever it is asked how often; with one worker, in the order of the
/// questions.
async fn house() -> House {
    House::start_with("127.0.0.1", RELEASE, |settings| {
        settings.rrl.enabled = false;
        settings.workers = Some(1);
    })
    .await
}

/// The same packet with another ID, as far as it has one.
fn with_id(packet: &[u8], id: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if let Some(place) = packet.first_chunk_mut() {
        *place = id.to_be_bytes();
    }
    packet
}

/// A good question: when it is answered, everything before it has been seen to.
fn sentinel(id: u16) -> Vec<u8> {
    with_id(&question(API, 1, 1), id)
}

fn id(octets: &[u8]) -> Option<u16> {
    octets.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// Looks at what has come of a packet.
#[track_caller]
fn check(case: &Case, packet: &[u8], is_udp: bool, reply: Option<&[u8]>) {
    let message = SERVER.check(packet, is_udp, reply);
    let seen = message.map_or(Want::Silence, |message| Want::Code(message.code()));
    assert_eq!(seen, case.want, "{}: {packet:02x?} got {reply:02x?}", case.what);
}

#[tokio::test]
async fn datagrams_get_the_right_reply_or_none() {
    let _beside = ALONE.read().await;
    let house = house().await;
    let socket = connected(&house).await;
    let cases = cases::all();
    assert!(cases.len() > 1_000, "{} cases", cases.len());
    let mut buffer = vec![0; 4096];
    for (index, case) in cases.iter().enumerate() {
        let sent_id = (2 * index) as u16;
        let packet = with_id(&case.packet, sent_id);
        socket.send(&packet).await.expect("sent");
        socket.send(&sentinel(sent_id + 1)).await.expect("sent");
        let mut reply = None;
        loop {
            let received = timeout(PATIENCE, socket.recv(&mut buffer)).await;
            let len = received.unwrap_or_else(|_| panic!("after {case:?}")).expect("received");
            if id(&buffer[..len]) == Some(sent_id + 1) {
                break;
            }
            assert_eq!(reply, None, "two replies to {case:?}");
            reply = Some(buffer[..len].to_vec());
        }
        check(case, &packet, true, reply.as_deref());
        if let Some(reply) = reply {
            assert!(reply.len() <= 3 * packet.len(), "{}: {} octets", case.what, reply.len());
        }
    }
}

#[tokio::test]
async fn messages_on_a_stream_get_the_right_reply_or_none() {
    let _beside = ALONE.read().await;
    let house = house().await;
    let mut stream = TcpStream::connect(house.daemon.dns()[0]).await.expect("connected");
    // What is too short for a header ends a stream.
    let cases = cases::all().into_iter().filter(|case| case.packet.len() >= 12);
    for (index, case) in cases.enumerate() {
        let sent_id = (2 * index) as u16;
        let packet = with_id(&case.packet, sent_id);
        let both = [framed(&packet), framed(&sentinel(sent_id + 1))].concat();
        stream.write_all(&both).await.expect("sent");
        let mut replies = Vec::new();
        while replies.last().is_none_or(|reply: &Vec<u8>| id(reply) != Some(sent_id + 1)) {
            replies.push(receive(&mut stream, &case).await);
        }
        assert!(replies.len() <= 2, "two replies to {case:?}");
        let reply = (replies.len() == 2).then(|| replies[0].as_slice());
        check(&case, &packet, false, reply);
    }
}

#[tokio::test]
async fn the_longest_message_is_answered_on_a_stream() {
    let _beside = ALONE.read().await;
    let house = house().await;
    let mut stream = TcpStream::connect(house.daemon.dns()[0]).await.expect("connected");
    let record = [0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 0];
    let mut packet = question(API, 1, 1);
    let count = (usize::from(u16::MAX) - packet.len()) / record.len();
    packet.extend(record.repeat(count));
    packet[10..12].copy_from_slice(&u16::try_from(count).expect("as counted").to_be_bytes());
    let case = Case { what: "the longest".to_owned(), packet, want: Want::Code(oracle::NOERROR) };
    stream.write_all(&framed(&case.packet)).await.expect("sent");
    let reply = receive(&mut stream, &case).await;
    check(&case, &case.packet, false, Some(&reply));
}

#[tokio::test]
async fn a_frame_without_room_for_a_header_ends_its_stream_and_no_other() {
    let _beside = ALONE.read().await;
    let house = house().await;
    let mut other = TcpStream::connect(house.daemon.dns()[0]).await.expect("connected");
    for len in 0..12 {
        let mut stream = TcpStream::connect(house.daemon.dns()[0]).await.expect("connected");
        let octets = [framed(&sentinel(7)), framed(&vec![0; len]), framed(&sentinel(8))].concat();
        stream.write_all(&octets).await.expect("sent");
        let mut replies = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut replies)).await;
        read.expect("an end").expect("no reset");
        let reply_len = usize::from(u16::from_be_bytes([replies[0], replies[1]]));
        assert_eq!((id(&replies[2..]), replies.len()), (Some(7), 2 + reply_len), "{len} octets");
    }
    other.write_all(&framed(&sentinel(9))).await.expect("sent");
    let case = Case { what: "a bystander".to_owned(), packet: Vec::new(), want: Want::Silence };
    assert_eq!(id(&receive(&mut other, &case).await), Some(9));
}

#[tokio::test]
async fn memory_stays_as_it_is() {
    let _alone = ALONE.write().await;
    let wanted = std::env::var("CUTOVER_PACKETS").ok();
    let count = wanted.map_or(PACKETS, |count| count.parse().expect("a number of packets"));
    let house = house().await;
    let socket = connected(&house).await;
    let cases: Vec<Case> = cases::all();
    let mut stream = TcpStream::connect(house.daemon.dns()[0]).await.expect("connected");
    // What is made once is made before the first look.
    flood(&socket, &mut stream, &cases, 2 * cases.len()).await;
    let before = resident_octets();
    flood(&socket, &mut stream, &cases, count).await;
    let growth = resident_octets().saturating_sub(before);
    assert!(growth <= GROWTH_MAX, "{growth} octets more after {count} packets");
}

/// Sends packets around the cases, most by UDP and some by TCP, and waits until all are seen to.
async fn flood(socket: &UdpSocket, stream: &mut TcpStream, cases: &[Case], count: usize) {
    let mut buffer = vec![0; 4096];
    let mut sent = 0;
    for round in 0.. {
        if sent >= count {
            break;
        }
        let mut framed_octets = Vec::new();
        for _ in 0..AT_ONCE {
            let packet = &cases[sent % cases.len()].packet;
            socket.send(&with_id(packet, 1)).await.expect("sent");
            if packet.len() >= 12 {
                framed_octets.extend(framed(&with_id(packet, 1)));
            }
            sent += 1;
        }
        socket.send(&sentinel(2)).await.expect("sent");
        loop {
            let received = timeout(PATIENCE, socket.recv(&mut buffer)).await;
            let len = received.expect("a reply").expect("received");
            if id(&buffer[..len]) == Some(2) {
                break;
            }
        }
        if round % 8 == 0 {
            framed_octets.extend(framed(&sentinel(2)));
            stream.write_all(&framed_octets).await.expect("sent");
            while id(&receive(stream, &cases[0]).await) != Some(2) {}
        }
    }
}

async fn connected(house: &House) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    socket.connect(house.daemon.dns()[0]).await.expect("connected");
    socket
}

async fn receive(stream: &mut TcpStream, case: &Case) -> Vec<u8> {
    let received = timeout(PATIENCE, stream.read_u16()).await;
    let len = received.unwrap_or_else(|_| panic!("after {case:?}"));
    let mut reply = vec![0; len.unwrap_or_else(|error| panic!("{error} after {case:?}")).into()];
    stream.read_exact(&mut reply).await.expect("a whole message");
    reply
}

/// How much memory this process has.
fn resident_octets() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}
