//! So many connections and no more, whatever they speak.

use cutover::dns::encrypted::CONNECTIONS_PER_NETWORK_MAX;
use tokio::io::AsyncReadExt;

use crate::{
    Stage,
    common::client::ask_over,
    quic::{Client, ask},
};

#[tokio::test]
async fn one_more_of_a_network_takes_the_place_of_the_longest_idle() {
    let stage = Stage::start().await;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS_PER_NETWORK_MAX {
        let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
        ask_over(&mut stream, "ns1.zone.test", "A").await;
        streams.push(stream);
    }
    // A connection of another transport counts like any other.
    let client = Client::new(&stage.pair);
    let connection = client.connect(stage.quic()).await;
    assert_eq!(ask(&connection, "ns1.zone.test", "A").await.rcode, "NOERROR");
    let ended = streams[0].read(&mut [0]).await;
    assert!(!matches!(ended, Ok(1..)), "the first one is closed, well or not: {ended:?}");
    let last = streams.last_mut().expect("many");
    assert_eq!(ask_over(last, "ns1.zone.test", "A").await.rcode, "NOERROR");
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
