//! What goes wrong: whatever the successor does, the running daemon goes on.

use std::{
    fs,
    io::{Read, Write},
    net::UdpSocket,
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

use crate::{
    common::PATIENCE,
    load::Load,
    process::{Files, Process, RELEASE},
};

const GOES_ON: &str = "no successor has taken over: going on";

fn assert_fails(mut successor: Process, why: &str) {
    assert_eq!(successor.until_ended().code(), Some(1), "{}", successor.log());
    assert!(successor.log().contains(why), "{}", successor.log());
}

fn speak(files: &Files) -> UnixStream {
    let stream = UnixStream::connect(files.socket()).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream
}

/// What the daemon says until it closes; the descriptors beside it are lost.
fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        // It closed without reading all that was sent.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    said
}

#[test]
fn a_successor_that_cannot_answer_changes_nothing() {
    let files = Files::new();
    let (mut running, dns) = files.start();
    let load = Load::start(dns);
    // It does not even ask.
    files.write_settings("dns = 53");
    assert_fails(files.begin(), "error");
    assert!(!running.log().contains("a successor asks"), "{}", running.log());
    // It asks, and cannot have an address.
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("bound");
    files.write_settings(&format!("dns = [\"127.0.0.1:0\", \"{at}\"]"));
    assert_fails(files.begin(), &format!("cannot listen on {at}"));
    running.until_logged(GOES_ON);
    // It would have no release file, and the running daemon has one.
    files.write_settings("dns = [\"127.0.0.1:0\"]");
    files.write_release("version = 1\n");
    assert_fails(files.begin(), "the release file is not carried out");
    load.until_heard();
    load.end();
    assert!(!running.has_ended());

    files.write_release(RELEASE);
    let (_successor, same) = files.start();
    assert_eq!(same, dns);
    assert!(running.until_ended().success());
}

#[test]
fn what_is_malformed_closes_the_connection() {
    let files = Files::new();
    let (mut running, dns) = files.start();
    let load = Load::start(dns);
    let mut old = speak(&files);
    old.write_all(&[0xff, 1, 2, 3]).expect("sent");
    assert_eq!(rest(old)[..1], [1], "its version, and no sockets");
    running.until_logged("it speaks another version");
    // It takes the sockets, and says something else than that it answers.
    let mut confused = speak(&files);
    confused.write_all(&[1, 77]).expect("sent");
    let said = rest(confused);
    assert_eq!((said[0], said.last()), (1, Some(&0)), "not yours");
    running.until_logged("it did not say that it answers");
    let mut silent = speak(&files);
    silent.write_all(&[1]).expect("sent");
    silent.shutdown(std::net::Shutdown::Write).expect("shut");
    assert_eq!(rest(silent).last(), Some(&0), "not yours");
    running.until_logged("it ended before it answered");

    load.until_heard();
    let (_successor, same) = files.start();
    assert_eq!(same, dns);
    assert!(running.until_ended().success());
    load.until_heard();
    load.end();
}

#[test]
fn a_name_that_is_no_sockets_is_left_alone() {
    let files = Files::new();
    fs::write(files.socket(), "precious").expect("writable");
    assert_fails(files.begin(), "is not a socket");
    assert_eq!(fs::read_to_string(files.socket()).expect("there"), "precious");
}

#[test]
#[cfg(target_os = "linux")]
fn another_user_is_given_nothing() {
    use rustix::{
        process::{Uid, geteuid},
        thread::set_thread_uid,
    };
    if !geteuid().is_root() {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: only root can become another user");
        return;
    }
    let files = Files::new();
    let (mut running, _) = files.start();
    let path = files.socket();
    let nobody = || Uid::from_raw(65534);
    let as_nobody = |path: std::path::PathBuf| {
        let connecting = std::thread::spawn(move || {
            // Of this thread alone.
            set_thread_uid(nobody()).expect("allowed");
            UnixStream::connect(path)
        });
        connecting.join().expect("no panic")
    };
    let folder = |mode| fs::set_permissions(files.folder(), PermissionsExt::from_mode(mode));
    folder(0o755).expect("ours");
    let refused = as_nobody(path.clone()).expect_err("for its user alone");
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    // Even where the file is open to all.
    fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("ours");
    let mut stream = as_nobody(path).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let _ = stream.write_all(&[1]);
    assert!(rest(stream).is_empty());
    running.until_logged("user 65534 is not trusted");
}
