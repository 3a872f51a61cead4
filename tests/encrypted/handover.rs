//! A successor takes the encrypted listeners too.

use cutover::{config::load_settings, daemon::Daemon};
use tokio::io::AsyncReadExt;

use crate::{Pair, Stage, TLS, common::client::ask_over, quic, write_settings};

#[tokio::test]
async fn a_successor_answers_on_the_same_sockets() {
    let (folder, pair) = (tempfile::tempdir().expect("a scratch folder"), Pair::new());
    pair.save(folder.path());
    let listen = ["tls", "quic", "https"].map(|key| format!("{key} = [\"127.0.0.1:0\"]\n"));
    let listen = format!("{}handover = \"handover.sock\"\n", listen.concat());
    let settings = write_settings(folder.path(), &listen, TLS);
    let settings = load_settings(&settings).unwrap_or_else(|error| panic!("{error}"));
    let first = Daemon::start(settings.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    let stage = Stage { daemon: first, pair, folder };
    let (tls, quic, https) = (stage.tls(), stage.quic(), stage.https());
    let mut held = stage.shake(tls, b"dot", &stage.pair).await;
    assert_eq!(ask_over(&mut held, "ns1.zone.test", "A").await.answers, 1);
    let client = quic::Client::new(&stage.pair);
    let connection = client.connect(quic).await;
    assert_eq!(quic::ask(&connection, "ns1.zone.test", "A").await.answers, 1);

    let second = Daemon::start(settings).await.unwrap_or_else(|error| panic!("{error}"));
    let Stage { daemon: first, pair, folder } = stage;
    first.succeeded().await;
    first.stop().await;
    assert_eq!(held.read(&mut [0]).await.expect("a farewell"), 0);
    connection.closed().await;

    let stage = Stage { daemon: second, pair, folder };
    assert_eq!((stage.tls(), stage.quic(), stage.https()), (tls, quic, https));
    let mut stream = stage.shake(tls, b"dot", &stage.pair).await;
    assert_eq!(ask_over(&mut stream, "ns1.zone.test", "A").await.answers, 1);
    let connection = client.connect(quic).await;
    assert_eq!(quic::ask(&connection, "ns1.zone.test", "A").await.answers, 1);
    stage.shake(https, b"h2", &stage.pair).await;
}
