//! DNS over QUIC.

use std::{net::SocketAddr, sync::Arc};

use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadToEndError,
    crypto::rustls::QuicClientConfig,
};

use crate::{
    Pair, QUESTIONS, SERVER_NAME, Stage, assert_answered, assert_counted,
    common::client::{Asked, framed, query, read},
    trusting,
};

/// A client that trusts `pair`; its connections end with it.
pub(crate) struct Client(Endpoint);

impl Client {
    pub(crate) fn new(pair: &Pair) -> Self {
        Self::on("127.0.0.1:0", pair)
    }

    pub(crate) fn on(local: &str, pair: &Pair) -> Self {
        let local = local.parse().expect("an address");
        let mut endpoint = Endpoint::client(local).expect("a free port");
        let tls = QuicClientConfig::try_from(trusting(&[pair], b"doq")).expect("TLS 1.3");
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(tls)));
        Self(endpoint)
    }

    pub(crate) async fn connect(&self, server: SocketAddr) -> Connection {
        let connecting = self.0.connect(server, SERVER_NAME).expect("a good address");
        connecting.await.expect("the certificate is trusted")
    }
}

pub(crate) async fn ask(connection: &Connection, name: &str, kind: &str) -> Asked {
    let mut query = query(name, kind);
    query[..2].fill(0);
    let reply = exchange(connection, &framed(&query)).await.expect("a reply");
    let (len, reply) = reply.split_first_chunk().expect("a length");
    assert_eq!(usize::from(u16::from_be_bytes(*len)), reply.len(), "one message and no more");
    read(&query, reply.to_vec())
}

async fn exchange(connection: &Connection, octets: &[u8]) -> Result<Vec<u8>, ReadToEndError> {
    let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
    send.write_all(octets).await.expect("sent");
    // The server may have had enough of it already.
    let _ = send.finish();
    receive.read_to_end(1 << 17).await
}

#[tokio::test]
async fn each_question_has_a_stream() {
    let stage = Stage::start().await;
    let client = Client::new(&stage.pair);
    let connection = client.connect(stage.quic()).await;
    let asked = QUESTIONS.map(|(name, kind)| {
        let connection = connection.clone();
        tokio::spawn(async move { ask(&connection, name, kind).await })
    });
    let mut answered = Vec::new();
    for asked in asked {
        answered.push(asked.await.expect("answered"));
    }
    assert_answered(&answered);
    assert_counted(&stage.metrics().await, "quic");
    // More than may be open at a time, one after the other.
    for _ in 0..100 {
        assert_eq!(ask(&connection, "ns1.zone.test", "A").await.answers, 1);
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection() {
    let stage = Stage::start().await;
    let client = Client::new(&stage.pair);
    let mut good = query("ns1.zone.test", "A");
    good[..2].fill(0);
    let mut with_id = good.clone();
    with_id[1] = 1;
    let cases = [framed(&with_id), framed(&good)[..20].to_vec(), [framed(&good), vec![0]].concat()];
    for octets in cases {
        let connection = client.connect(stage.quic()).await;
        exchange(&connection, &octets).await.expect_err("no reply");
        let ConnectionError::ApplicationClosed(close) = connection.closed().await else {
            panic!("not closed by the server")
        };
        assert_eq!(close.error_code, 2_u32.into(), "DOQ_PROTOCOL_ERROR");
    }
}

#[tokio::test]
async fn a_stream_that_goes_wrong_does_not_end_the_others() {
    let stage = Stage::start().await;
    let client = Client::new(&stage.pair);
    let connection = client.connect(stage.quic()).await;
    exchange(&connection, &framed(&[0; 5_000])).await.expect_err("longer than any question");
    let mut response = query("ns1.zone.test", "A");
    response[..2].fill(0);
    response[2] |= 0x80;
    exchange(&connection, &framed(&response)).await.expect_err("not a question");
    assert_eq!(ask(&connection, "ns1.zone.test", "A").await.rcode, "NOERROR");
}

#[tokio::test]
async fn a_farewell_is_not_an_error() {
    let stage = Stage::start().await;
    let client = Client::new(&stage.pair);
    let connection = client.connect(stage.quic()).await;
    ask(&connection, "ns1.zone.test", "A").await;
    stage.daemon.stop().await;
    let ConnectionError::ApplicationClosed(close) = connection.closed().await else {
        panic!("not closed by the server")
    };
    assert_eq!(close.error_code, 0_u32.into(), "DOQ_NO_ERROR");
}
