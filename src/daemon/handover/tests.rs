//! The talk between the two, each half against the other and against one that misbehaves.

use std::{
    net::UdpSocket,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

use super::{successor::Succession, wire::Header, *};
use crate::{daemon::place::Draft, dns::Purpose, model::CookieSecrets};

fn scratch() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("handover.sock");
    (folder, path)
}

/// Of a daemon whose conductor has ended.
fn offer(sockets: Vec<(Purpose, OwnedFd)>, secrets: Option<CookieSecrets>) -> Offer {
    Offer { sockets, secrets, events: mpsc::channel(1).0 }
}

fn listen(path: &Path) -> UnixListener {
    Draft::new(path).and_then(Draft::publish).expect("a socket")
}

async fn sought(path: &Path) -> Succession {
    seek(path).await.expect("no fault").expect("a predecessor")
}

/// A successor of a predecessor that is played by the test.
async fn played(path: &Path) -> (Succession, UnixStream) {
    let listener = listen(path);
    let play = async {
        let (mut stream, _) = listener.accept().await.expect("a successor");
        stream.write_all(&[wire::VERSION]).await.expect("sent");
        Header { sockets: 0, secret: None }.send(&mut stream).await.expect("sent");
        stream
    };
    tokio::join!(sought(path), play)
}

#[tokio::test]
async fn the_successor_gets_the_sockets_and_the_secret_and_the_predecessor_ends() {
    let (_folder, path) = scratch();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    let secrets = CookieSecrets::random([7; 16]);
    let offer = offer(vec![(Purpose::Dns, socket.into())], Some(secrets.clone()));
    let standing = tokio::spawn(offer.stand(listen(&path)));
    // One that fails before.
    drop(sought(&path).await);
    let mut succession = sought(&path).await;
    assert!(!standing.is_finished());
    assert_eq!(succession.sockets.take_datagrams(Purpose::Dns, address).len(), 1);
    assert!(succession.secrets == Some(secrets));
    succession.answers().await.expect("the sockets are ours");
    standing.await.expect("it has ended");
    assert!(seek(&path).await.expect("no fault").is_none(), "nobody is behind the socket");
}

#[tokio::test]
async fn the_successor_goes_on_unless_it_is_told_that_the_sockets_are_not_its_own() {
    let (_folder, path) = scratch();
    let (succession, mut stream) = played(&path).await;
    // Before the successor has said that it answers, and gone when it does.
    stream.write_all(&[wire::MINE]).await.expect("sent");
    drop(stream);
    assert!(matches!(succession.answers().await, Err(HandoverError::Refused)));

    let (succession, stream) = played(&path).await;
    drop(stream);
    succession.answers().await.expect("nobody else is left to answer");

    let (succession, mut stream) = played(&path).await;
    stream.write_all(&[9]).await.expect("sent");
    assert!(matches!(succession.answers().await, Err(HandoverError::Talk(_))));
}

#[tokio::test]
async fn another_version_is_told_apart() {
    let (_folder, path) = scratch();
    let listener = listen(&path);
    let play = async {
        let (mut stream, _) = listener.accept().await.expect("a successor");
        assert_eq!(stream.read_u8().await.expect("its version"), wire::VERSION);
        stream.write_all(&[wire::VERSION + 1]).await.expect("sent");
    };
    let (sought, ()) = tokio::join!(seek(&path), play);
    let version = matches!(sought, Err(HandoverError::Version(other)) if other != wire::VERSION);
    assert!(version, "{sought:?}");
}

#[tokio::test]
async fn one_who_stands_in_line_is_served_by_whoever_comes_next() {
    let (_folder, path) = scratch();
    let listener = listen(&path);
    let waiting = tokio::spawn({
        let path = path.clone();
        async move { sought(&path).await }
    });
    // It has connected, and the one it waits for is succeeded by another.
    listener.accept().await.expect("it stands in line");
    drop(listener);
    let offer = offer(Vec::new(), None);
    let standing = tokio::spawn(offer.stand(listen(&path)));
    waiting.await.expect("no panic").answers().await.expect("the next one is succeeded");
    standing.await.expect("it has ended");
}

#[tokio::test]
async fn a_draft_that_gets_no_name_leaves_nothing_behind() {
    let (folder, path) = scratch();
    drop(Draft::new(&path).expect("a socket"));
    assert_eq!(folder.path().read_dir().expect("there").count(), 0);
}
