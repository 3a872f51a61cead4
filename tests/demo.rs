//! The demo's story, played by the real binary.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    process::Command,
};

#[test]
fn the_story_plays_to_its_end_and_gives_the_ports_back() {
    // On an address of its own, so that no other test gets the port in the meantime.
    let free = || {
        let listener = TcpListener::bind("127.0.8.1:0").expect("a port");
        listener.local_addr().expect("bound")
    };
    let (dns, http): (SocketAddr, SocketAddr) = (free(), free());
    let played = Command::new(env!("CARGO_BIN_EXE_cutover"))
        .args(["demo", "--auto", "--dns", &dns.to_string(), "--http", &http.to_string()])
        .output()
        .expect("runs");
    let story = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{story}{}", String::from_utf8_lossy(&played.stderr));
    let steps: Vec<&str> = story.lines().map(|line| line.split_at(11).1).collect();
    assert_eq!(
        steps,
        [
            "steady: every answer is v1",
            "v2 is deployed: its probes pass, it has no traffic",
            "the file is edited: live = \"v2\"",
            "released: every answer is v2",
            "v2 breaks: its health check fails",
            "rolled back: every answer is v1",
            "failed and latched: the file still asks for v2",
            "the file asks for v1 again: steady",
        ]
    );
    UdpSocket::bind(dns).expect("the UDP port is free again");
    TcpListener::bind(dns).expect("the TCP port is free again");
    TcpListener::bind(http).expect("the HTTP port is free again");
}

#[test]
fn a_taken_port_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("bound").to_string();
    let ended = Command::new(env!("CARGO_BIN_EXE_cutover"))
        .args(["demo", "--auto", "--dns", &at, "--http", "127.0.0.1:0"])
        .output()
        .expect("runs");
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&format!("cannot listen on {at}")), "{said}");
}
