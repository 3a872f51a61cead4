//! The `dns` probe: a question to the endpoint is answered with the expected RCODE and, if asked for, data.
//!
//! By UDP without EDNS, or by TCP. Recursion is not desired: the endpoint itself is asked.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::Name,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
};

use super::{
    Failure, Passed,
    tcp::{connect, is_ours},
};
use crate::model::DnsProbe;

/// The longest reply by UDP.
const REPLY_MAX: usize = 4096;

pub(super) async fn attempt(probe: &DnsProbe, address: IpAddr) -> Passed {
    let query = query(probe)?;
    let octets = query.to_vec().map_err(|error| Failure::Ours(error.to_string()))?;
    let to = SocketAddr::new(address, probe.port);
    let reply =
        if probe.tcp { by_tcp(to, &octets).await? } else { by_udp(to, &query, &octets).await? };
    judge(probe, &query, &reply).map(|()| None)
}

fn query(probe: &DnsProbe) -> Result<Message, Failure> {
    let mut name: Name = probe
        .name
        .to_string()
        .parse()
        .map_err(|error| Failure::Ours(format!("the question cannot be asked: {error}")))?;
    name.set_fqdn(true);
    let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    query.add_query(Query::query(name, probe.record_type));
    Ok(query)
}

async fn by_udp(to: SocketAddr, query: &Message, octets: &[u8]) -> Result<Message, Failure> {
    let failed = |error: io::Error| {
        let reason = format!("cannot ask {to} by UDP: {error}");
        if is_ours(&error) { Failure::Ours(reason) } else { Failure::Endpoint(reason) }
    };
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
    // A connected socket takes datagrams from the endpoint alone.
    socket.connect(to).await.map_err(failed)?;
    socket.send(octets).await.map_err(failed)?;
    let mut buffer = [0; REPLY_MAX];
    loop {
        let len = socket.recv(&mut buffer).await.map_err(failed)?;
        let reply = Message::from_vec(&buffer[..len]).map_err(unreadable)?;
        // One to a question of before may come late.
        if reply.metadata.id == query.metadata.id {
            return Ok(reply);
        }
    }
}

async fn by_tcp(to: SocketAddr, octets: &[u8]) -> Result<Message, Failure> {
    let failed = |error: io::Error| Failure::Endpoint(format!("{to} broke off: {error}"));
    let mut stream = connect(to).await?;
    let len = u16::try_from(octets.len()).map_err(|error| Failure::Ours(error.to_string()))?;
    stream.write_all(&[&len.to_be_bytes(), octets].concat()).await.map_err(failed)?;
    let len = stream.read_u16().await.map_err(failed)?;
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await.map_err(failed)?;
    Message::from_vec(&reply).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Endpoint(format!("its reply cannot be read: {error}"))
}

fn judge(probe: &DnsProbe, query: &Message, reply: &Message) -> Result<(), Failure> {
    let bad = |why: String| Err(Failure::Endpoint(why));
    let is_reply = reply.metadata.message_type == MessageType::Response;
    if !is_reply || reply.metadata.id != query.metadata.id {
        return bad("its reply is not to the question".to_owned());
    }
    let (code, wanted) = (reply.metadata.response_code, probe.rcode);
    if code != wanted {
        let [code, wanted] = [code, wanted].map(DnsProbe::word);
        return bad(format!("{code}, expected {wanted}"));
    }
    if reply.queries != query.queries {
        return bad("its reply is to another question".to_owned());
    }
    let Some(data) = &probe.data else { return Ok(()) };
    if reply.metadata.truncation {
        return bad("its reply is truncated: ask it with tcp = true".to_owned());
    }
    let records = reply.answers.iter().filter(|record| record.record_type() == probe.record_type);
    let found: Vec<String> = records.map(|record| record.data.to_string()).collect();
    match found.iter().any(|text| text == data) {
        true => Ok(()),
        false if found.is_empty() => bad(format!("no {} in its answer", probe.record_type)),
        false => bad(format!("{} in its answer, expected {data}", found.join(", "))),
    }
}
