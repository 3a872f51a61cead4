//! A server that loses questions, forges replies, cuts them short, or is not there.

use std::net::SocketAddr;

use hickory_proto::{
    op::{Message, MessageType},
    rr::{Name, RData, Record, RecordType, rdata},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

use super::{By, Question, ask};
use crate::delegation::Silence;

fn question() -> Question {
    let name = Name::from_ascii("svc.example.test.").expect("a name");
    Question { name, kind: RecordType::A, recursion: false }
}

/// Both on one port, which may be taken for one of them.
async fn sockets() -> (UdpSocket, TcpListener, SocketAddr) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = tcp.local_addr().expect("bound");
        if let Ok(udp) = UdpSocket::bind(at).await {
            return (udp, tcp, at);
        }
    }
}

fn reply(octets: &[u8], edit: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::from_vec(octets).expect("a question");
    message.metadata.message_type = MessageType::Response;
    edit(&mut message);
    message.to_vec().expect("a message")
}

fn answered(message: &mut Message) {
    let address = RData::A(rdata::A::new(192, 0, 2, 1));
    message.add_answer(Record::from_rdata(question().name, 60, address));
}

#[tokio::test]
async fn what_is_forged_is_passed_over_and_what_is_cut_short_is_asked_for_by_tcp() {
    let (udp, tcp, at) = sockets().await;
    let by_udp = async {
        let mut buffer = [0; 512];
        let (len, from) = udp.recv_from(&mut buffer).await.expect("a question");
        let asked = &buffer[..len];
        let other_id = reply(asked, |it| it.metadata.id = it.metadata.id.wrapping_add(1));
        let other_name = reply(asked, |it| it.queries[0].name = Name::root());
        let cut = reply(asked, |it| it.metadata.truncation = true);
        for octets in [&b"no message"[..], asked, &other_id, &other_name, &cut] {
            udp.send_to(octets, from).await.expect("sent");
        }
    };
    let by_tcp = async {
        let (mut stream, _) = tcp.accept().await.expect("a connection");
        let mut asked = vec![0; usize::from(stream.read_u16().await.expect("a length"))];
        stream.read_exact(&mut asked).await.expect("a question");
        let whole = reply(&asked, answered);
        let len = u16::try_from(whole.len()).expect("short").to_be_bytes();
        stream.write_all(&[&len[..], &whole].concat()).await.expect("sent");
    };
    let question = question();
    let (asked, (), ()) = tokio::join!(ask(at, &question, By::Either), by_udp, by_tcp);
    let asked = asked.expect("a reply");
    assert!(asked.truncated);
    assert_eq!(asked.message.answers.len(), 1);
}

#[tokio::test]
async fn a_question_that_is_lost_is_asked_again() {
    let (udp, _tcp, at) = sockets().await;
    let server = async {
        let mut buffer = [0; 512];
        udp.recv_from(&mut buffer).await.expect("the first");
        let (len, from) = udp.recv_from(&mut buffer).await.expect("the second");
        udp.send_to(&reply(&buffer[..len], answered), from).await.expect("sent");
    };
    let question = question();
    let (asked, ()) = tokio::join!(ask(at, &question, By::Udp), server);
    assert!(asked.is_ok_and(|reply| !reply.truncated && reply.octets > 12));
}

#[tokio::test]
async fn who_is_not_there_or_hangs_up_is_said_to_be() {
    let (udp, tcp, at) = sockets().await;
    let question = question();
    let hang_up = async { drop(tcp.accept().await) };
    let (asked, ()) = tokio::join!(ask(at, &question, By::Tcp), hang_up);
    assert!(matches!(asked, Err(Silence::Unreachable(_))), "{asked:?}");
    drop((udp, tcp));
    for by in [By::Udp, By::Tcp] {
        let said = ask(at, &question, by).await.expect_err("nobody").to_string();
        assert_eq!(said, "nobody listens there (connection refused)");
    }
}
