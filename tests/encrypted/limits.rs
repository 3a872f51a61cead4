//! So many connections and no more, whatever they speak.

use std::io::ErrorKind;

use cutover::dns::encrypted::CONNECTIONS_PER_NETWORK_MAX;
use tokio::{io::AsyncReadExt, net::TcpStream};

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
