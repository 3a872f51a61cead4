//! So many connections and no more, whatever they speak.

use std::io::ErrorKind;

use cutover::dns::encrypted::CONNECTIONS_PER_NETWORK_MAX;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::{
    Stage,
    common::client::ask_over,
    quic::{Client, ask},
};

#[tokio::test]
async fn one_more_of_a_network_takes_the_place_of_the_longest_idle() {
    let stage = Stage::start().await;
    let mut first = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    ask_over(&mut first, "ns1.zone.test", "A").await;
    // Those who have not even begun to shake hands count like any other.
    let mut others = Vec::new();
    for number in 1..CONNECTIONS_PER_NETWORK_MAX {
        let server = if number % 2 == 0 { stage.tls() } else { stage.https() };
        others.push(TcpStream::connect(server).await.expect("connected"));
    }
    // And so does another transport.
    let client = Client::new(&stage.pair);
    let connection = client.connect(stage.quic()).await;
    assert_eq!(ask(&connection, "ns1.zone.test", "A").await.rcode, "NOERROR");
    let ended = first.read(&mut [0]).await;
    assert!(!matches!(ended, Ok(1..)), "closed, well or not: {ended:?}");
    for other in others {
        let read = other.try_read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::WouldBlock), "only one had to go");
    }
}

#[tokio::test]
async fn many_connections_by_quic_prove_their_address_and_are_served() {
    let stage = Stage::start().await;
    let client = Client::new(&stage.pair);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS_PER_NETWORK_MAX / 2 {
        let connection = client.connect(stage.quic()).await;
        assert_eq!(ask(&connection, "ns1.zone.test", "A").await.rcode, "NOERROR");
        connections.push(connection);
    }
    // Nobody had to go.
    for connection in &connections {
        assert_eq!(ask(connection, "ns1.zone.test", "A").await.rcode, "NOERROR");
    }
}

#[tokio::test]
async fn octets_without_sense_do_no_harm() {
    let stage = Stage::start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    for len in (0..1_400).step_by(7) {
        let mut octets: Vec<u8> = (0..len).map(|_| rand::random()).collect();
        if let Some(first) = octets.first_mut() {
            // Half of them begin like the first packet of a connection.
            *first = if len % 2 == 0 { 0xc0 } else { *first };
        }
        socket.send_to(&octets, stage.quic()).await.expect("sent");
        if len % 100 == 0 {
            for server in [stage.tls(), stage.https()] {
                let mut stream = TcpStream::connect(server).await.expect("connected");
                // It may be closed before all is sent.
                let _ = stream.write_all(&octets).await;
            }
        }
    }
    // HTTP/1.1 behind a good handshake, and a preface that is none.
    for request in ["GET /dns-query HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame"] {
        let mut stream = stage.shake(stage.https(), b"h2", &stage.pair).await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        // Whatever comes, it ends.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    assert_eq!(ask_over(&mut stream, "ns1.zone.test", "A").await.rcode, "NOERROR");
    let client = Client::new(&stage.pair);
    let connection = client.connect(stage.quic()).await;
    assert_eq!(ask(&connection, "ns1.zone.test", "A").await.rcode, "NOERROR");
}
