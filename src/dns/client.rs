//! Asks one question over UDP: the daemon of itself, and the demo of the daemon.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{RData, RecordType},
};
use tokio::{net::UdpSocket, time::timeout};

use super::UDP_REPLY_MAX;
use crate::{model::DnsName, table::to_hickory};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No reply came in time.
    #[error("no reply from {0} within {1:?}")]
    Timeout(SocketAddr, Duration),
    /// The socket failed.
    #[error("cannot ask {0}: {1}")]
    Io(SocketAddr, io::Error),
    /// The reply was not one, or not to this question.
    #[error("{0} sent a reply that cannot be read: {1}")]
    Malformed(SocketAddr, String),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The RCODE.
    pub code: ResponseCode,
    /// The addresses of the answer section, sorted.
    pub addresses: Vec<IpAddr>,
    /// The least TTL of the answer section, in seconds.
    pub ttl: Option<u32>,
}

/// Asks `server` once.
pub async fn ask(
    server: SocketAddr,
    name: &DnsName,
    kind: RecordType,
    patience: Duration,
) -> Result<Answered, AskError> {
    let answered = exchange(server, name, kind);
    timeout(patience, answered).await.map_err(|_| AskError::Timeout(server, patience))?
}

async fn exchange(
    server: SocketAddr,
    name: &DnsName,
    kind: RecordType,
) -> Result<Answered, AskError> {
    let io = |error| AskError::Io(server, error);
    let malformed = |error: String| AskError::Malformed(server, error);
    let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    query.add_query(Query::query(to_hickory(name), kind));
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).await.map_err(io)?;
    // A connected socket takes datagrams from this server alone.
    socket.connect(server).await.map_err(io)?;
    let octets = query.to_vec().map_err(|error| malformed(error.to_string()))?;
    socket.send(&octets).await.map_err(io)?;
    let mut buffer = [0; UDP_REPLY_MAX as usize];
    let len = socket.recv(&mut buffer).await.map_err(io)?;
    let reply = Message::from_vec(&buffer[..len]).map_err(|error| malformed(error.to_string()))?;
    if reply.metadata.id != query.metadata.id || reply.queries != query.queries {
        return Err(malformed("it belongs to another question".to_owned()));
    }
    Ok(answered(&reply))
}

fn answered(reply: &Message) -> Answered {
    let mut addresses: Vec<IpAddr> = reply
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0.into()),
            RData::AAAA(address) => Some(address.0.into()),
            _ => None,
        })
        .collect();
    addresses.sort_unstable();
    let ttl = reply.answers.iter().map(|record| record.ttl).min();
    Answered { code: reply.metadata.response_code, addresses, ttl }
}
