//! One question to one server.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::{interval, timeout},
};

use crate::delegation::{Answer, Reply, Silence};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A datagram may be lost: then the question is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// What passes everywhere without fragments.
const PAYLOAD: u16 = 1_232;
const REPLY_MAX: usize = 4_096;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Of which name.
    pub name: Name,
    /// For which records.
    pub kind: RecordType,
    /// Whether the server is to ask others: resolvers are told so, name servers are not.
    pub recursion: bool,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By UDP alone.
    Udp,
    /// By TCP alone.
    Tcp,
    /// By UDP, and by TCP if the answer does not fit.
    Either,
}

/// Asks one server; takes at most three seconds, twice that where it asks again by TCP.
pub async fn ask(server: SocketAddr, question: &Question, by: By) -> Answer {
    let id = rand::random();
    let octets = message(question, id).to_vec();
    let octets = octets.map_err(|error| Silence::Unreachable(error.to_string()))?;
    let is_reply = |message: &Message| is_reply(message, question, id);
    if by == By::Tcp {
        return in_time(by_tcp(server, &octets, is_reply)).await;
    }
    let reply = in_time(by_udp(server, &octets, is_reply)).await?;
    if by == By::Either && reply.truncated {
        let whole = in_time(by_tcp(server, &octets, is_reply)).await?;
        return Ok(Reply { truncated: true, ..whole });
    }
    Ok(reply)
}

fn message(question: &Question, id: u16) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = question.recursion;
    message.add_query(Query::query(question.name.clone(), question.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.set_edns(edns);
    message
}

/// Those that refuse at once may leave the question out.
fn is_reply(message: &Message, question: &Question, id: u16) -> bool {
    let is_same = |query: &Query| query.name == question.name && query.query_type == question.kind;
    message.metadata.id == id
        && message.metadata.message_type == MessageType::Response
        && message.queries.iter().all(is_same)
}

async fn in_time(asked: impl Future<Output = Answer>) -> Answer {
    timeout(PATIENCE, asked).await.unwrap_or(Err(Silence::Timeout(PATIENCE)))
}

async fn by_udp(server: SocketAddr, octets: &[u8], is_reply: impl Fn(&Message) -> bool) -> Answer {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(unreachable)?;
    // A connected socket takes datagrams from the server alone.
    socket.connect(server).await.map_err(unreachable)?;
    let mut buffer = [0; REPLY_MAX];
    let mut again = interval(AGAIN);
    loop {
        let len = tokio::select! {
            _ = again.tick() => {
                socket.send(octets).await.map_err(unreachable)?;
                continue;
            }
            received = socket.recv(&mut buffer) => received.map_err(unreachable)?,
        };
        // One that was forged, or is late, is no reason to wait no longer.
        let message = Message::from_vec(&buffer[..len]);
        if let Some(message) = message.ok().filter(&is_reply) {
            let truncated = message.metadata.truncation;
            return Ok(Reply { message, octets: len, truncated });
        }
    }
}

async fn by_tcp(server: SocketAddr, octets: &[u8], is_reply: impl Fn(&Message) -> bool) -> Answer {
    let len =
        u16::try_from(octets.len()).map_err(|error| Silence::Unreadable(error.to_string()))?;
    let mut stream = TcpStream::connect(server).await.map_err(unreachable)?;
    stream.write_all(&[&len.to_be_bytes(), octets].concat()).await.map_err(unreachable)?;
    let len = stream.read_u16().await.map_err(unreachable)?;
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await.map_err(unreachable)?;
    let message =
        Message::from_vec(&reply).map_err(|error| Silence::Unreadable(error.to_string()))?;
    match is_reply(&message) {
        true => Ok(Reply { message, octets: reply.len(), truncated: false }),
        false => Err(Silence::Unreadable("it belongs to another one".to_owned())),
    }
}

fn unreachable(error: io::Error) -> Silence {
    Silence::Unreachable(match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there (connection refused)".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection without an answer".to_owned(),
        _ => error.to_string(),
    })
}
