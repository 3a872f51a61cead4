//! What goes well: one daemon after the other, with clients that notice nothing.

use std::{fs, os::unix::fs::PermissionsExt, thread, time::Duration};

use crate::{
    load::{Held, Load},
    process::{Files, Process},
};

#[test]
fn three_successors_under_load_lose_nothing() {
    let files = Files::new();
    let (mut running, dns) = files.start();
    let load = Load::start(dns);
    for _ in 0..3 {
        load.until_heard();
        let held: Vec<Held> = (0..8).map(|_| Held::new(dns)).collect();
        let (successor, same) = files.start();
        assert_eq!(same, dns);
        // Connections end before the process does.
        held.into_iter().for_each(Held::assert_ends_well);
        assert!(running.until_ended().success());
        assert!(running.log().contains("a successor answers: ending"), "{}", running.log());
        running = successor;
    }
    load.until_heard();
    assert!(load.end() >= 3, "busy connections were told goodbye by each");
    running.signal("TERM");
    assert!(running.until_ended().success());
}

#[test]
fn of_two_successors_at_once_one_follows_the_other() {
    let files = Files::new();
    let (mut first, dns) = files.start();
    let load = Load::start(dns);
    load.until_heard();
    let mut others = [files.begin(), files.begin()];
    assert!(first.until_ended().success());
    for other in &mut others {
        assert_eq!(other.until_answers(), dns);
    }
    while !others.iter_mut().any(Process::has_ended) {
        thread::sleep(Duration::from_millis(5));
    }
    load.until_heard();
    let [one, other] = &mut others;
    let (ended, running) = if one.has_ended() { (one, other) } else { (other, one) };
    assert!(ended.until_ended().success());
    assert!(!running.has_ended());
    load.end();
}

#[test]
fn addresses_that_are_new_are_bound_and_those_that_are_gone_are_left() {
    let files = Files::new();
    files.write_settings("dns = [\"127.0.0.1:0\", \"127.0.0.2:0\"]");
    let (mut first, kept) = files.start();
    let line = first.until_logged(": answering zone=");
    let gone = line.split("127.0.0.2:").nth(1).and_then(|rest| rest.split(']').next());
    let gone = format!("127.0.0.2:{}", gone.expect("a port"));
    let load = Load::start(kept);
    load.until_heard();
    files.write_settings("dns = [\"127.0.0.1:0\", \"127.0.0.3:0\"]");
    let (mut second, same) = files.start();
    assert_eq!(same, kept);
    assert!(first.until_ended().success());
    load.until_heard();
    load.end();
    let line = second.until_logged(": answering zone=");
    assert!(line.contains("127.0.0.3:") && !line.contains("127.0.0.2:"), "{line}");
    std::net::UdpSocket::bind(&gone).expect("nobody has it any more");
    std::net::TcpListener::bind(&gone).expect("nobody has it any more");
}

#[test]
fn a_daemon_that_was_killed_leaves_nothing_in_the_way() {
    let files = Files::new();
    let (mut killed, _) = files.start();
    killed.signal("KILL");
    assert!(!killed.until_ended().success());
    assert!(files.socket().exists(), "what it has left behind");
    let (mut next, dns) = files.start();
    let mode = fs::metadata(files.socket()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (_last, same) = files.start();
    assert_eq!(same, dns, "it was handed over, and not bound");
    assert!(next.until_ended().success());
    let names = fs::read_dir(files.folder()).expect("there").count();
    assert_eq!(names, 4, "the settings, the release file, the state and one socket");
}

#[test]
fn metrics_and_status_move_too() {
    let files = Files::new();
    let (mut first, _) = files.start();
    let http = |process: &mut Process| {
        let line = process.until_logged(": answering zone=");
        line.split("http=").nth(1).expect("an address").to_owned()
    };
    let before = http(&mut first);
    let (mut second, _) = files.start();
    assert_eq!(http(&mut second), before);
    assert!(first.until_ended().success());
    std::net::TcpStream::connect(before).expect("it goes on");
}
