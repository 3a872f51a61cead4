//! Asks through real sockets, with the codec of the `domain` crate.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use domain::{
    base::{Message, MessageBuilder, Name, Rtype},
    rdata::{A, Aaaa},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one server.
pub struct Client {
    server: SocketAddr,
    from: IpAddr,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub rcode: String,
    pub truncated: bool,
    /// Octets of the whole message.
    pub len: usize,
    pub authoritative: bool,
    /// Sorted.
    pub addresses: Vec<IpAddr>,
    pub answers: usize,
    pub authorities: usize,
    pub ttl: Option<u32>,
}

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        let from =
            if server.is_ipv4() { [127, 0, 0, 1].into() } else { Ipv6Addr::LOCALHOST.into() };
        Self::from(server, from)
    }

    /// One that asks from this address.
    pub fn from(server: SocketAddr, from: IpAddr) -> Self {
        Self { server, from }
    }

    /// Asks by UDP; a question without a reply is a failure of the test.
    pub async fn ask(&self, name: &str, kind: &str) -> Asked {
        let query = query(name, kind);
        let socket = UdpSocket::bind((self.from, 0)).await.expect("a socket");
        socket.connect(self.server).await.expect("connected");
        socket.send(&query).await.expect("sent");
        let mut reply = vec![0; 4096];
        let received = timeout(PATIENCE, socket.recv(&mut reply)).await;
        let len = received.expect("an answer in time").expect("received");
        reply.truncate(len);
        read(&query, reply)
    }

    /// Asks by TCP.
    pub async fn ask_by_tcp(&self, name: &str, kind: &str) -> Asked {
        let mut stream = TcpStream::connect(self.server).await.expect("connected");
        ask_over(&mut stream, name, kind).await
    }
}

/// Asks over a stream.
pub async fn ask_over(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    name: &str,
    kind: &str,
) -> Asked {
    let query = query(name, kind);
    stream.write_all(&framed(&query)).await.expect("sent");
    let len = timeout(PATIENCE, stream.read_u16()).await.expect("in time").expect("read");
    let mut reply = vec![0; usize::from(len)];
    stream.read_exact(&mut reply).await.expect("read");
    read(&query, reply)
}

/// A message behind its length.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("short");
    [&len.to_be_bytes(), message].concat()
}

/// A question in wire form.
pub fn query(name: &str, kind: &str) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(rand::random());
    let mut question = builder.question();
    let name = Name::<Vec<u8>>::from_str(name).expect("a name");
    question.push((name, Rtype::from_str(kind).expect("a type"))).expect("room");
    question.finish()
}

/// What a reply says; it must be one to `query`.
pub fn read(query: &[u8], reply: Vec<u8>) -> Asked {
    let query = Message::from_octets(query).expect("our own query");
    let reply = Message::from_octets(reply).expect("a message");
    assert!(reply.is_answer(query.for_slice()), "not an answer to this question");
    let counts = reply.header_counts();
    let answers = || reply.answer().expect("an answer section");
    let v4 =
        answers().limit_to::<A>().map(|record| IpAddr::V4(record.expect("whole").data().addr()));
    let v6 =
        answers().limit_to::<Aaaa>().map(|record| IpAddr::V6(record.expect("whole").data().addr()));
    let mut addresses: Vec<IpAddr> = v4.chain(v6).collect();
    addresses.sort_unstable();
    let ttls = answers().map(|record| record.expect("whole").ttl().as_secs());
    Asked {
        rcode: reply.header().rcode().to_string(),
        truncated: reply.header().tc(),
        len: reply.as_slice().len(),
        authoritative: reply.header().aa(),
        addresses,
        answers: counts.ancount().into(),
        authorities: counts.nscount().into(),
        ttl: ttls.min(),
    }
}
