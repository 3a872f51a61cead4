//! More connections than there may be: who has to go, and who is served all the same.

use std::time::Instant;

use super::{
    super::{conversation::READ_LEN_MAX, line::RATION},
    *,
};

/// On one thread: what it has answered it has also noted, before it takes the next connection.
fn crowded(total: usize, per_network: usize) -> (Tcp, SocketAddr) {
    start(Limits { total, per_network, ..WIDE }, 1)
}

#[test]
fn the_longest_idle_one_of_the_network_makes_room() {
    let (tcp, server) = crowded(100, 3);
    let mut elsewhere = Client::connect_from([127, 0, 1, 1], server);
    assert!(elsewhere.is_served());
    let mut near = [1, 2, 3, 4].map(|host| {
        let mut client = Client::connect_from([127, 0, 0, host], server);
        assert!(client.is_served());
        client
    });
    assert!(near[0].is_closed_well(), "the first of 127.0.0.0/24");
    assert!(near[1..].iter_mut().all(Client::is_served));
    assert!(elsewhere.is_served(), "another /24, though idle for longer");
    until_closed(&tcp, Cause::Limit, 1);
    assert_eq!(tcp.count().snapshot().open, 4);
}

#[test]
fn the_longest_idle_one_of_all_makes_room() {
    let (tcp, server) = crowded(3, 2);
    let mut all = [0, 1, 2, 3].map(|network| {
        let mut client = Client::connect_from([127, 0, network, 1], server);
        assert!(client.is_served());
        client
    });
    assert!(all[0].is_closed_well());
    assert!(all[1..].iter_mut().all(Client::is_served));
    until_closed(&tcp, Cause::Limit, 1);
}

#[test]
fn who_is_in_the_middle_of_a_message_goes_last() {
    let (tcp, server) = crowded(2, 2);
    let mut halfway = Client::connect(server);
    let whole = framed(&message(ECHO, 1));
    // In one piece: when the first is answered, the half has been read.
    halfway.send(&[&whole[..], &whole[..9]].concat());
    assert_eq!(halfway.receive(), message(ECHO, 1));
    let mut idle = Client::connect(server);
    assert!(idle.is_served());
    let mut next = Client::connect(server);
    assert!(next.is_served());
    assert!(idle.is_closed_well(), "idle for less time than the other is halfway");
    halfway.send(&whole[9..]);
    assert_eq!(halfway.receive(), message(ECHO, 1));
    until_closed(&tcp, Cause::Limit, 1);
}

#[test]
fn new_clients_are_served_though_all_others_are_halfway() {
    let (tcp, server) = crowded(4, 4);
    let half = &framed(&message(ECHO, 1))[..9];
    let mut attackers = Vec::new();
    for _ in 0..20 {
        let mut attacker = Client::connect(server);
        attacker.send(half);
        attackers.push(attacker);
        assert!(Client::connect(server).is_served());
    }
    let snapshot = tcp.count().snapshot();
    assert_eq!(snapshot.accepted, 40);
    assert!(snapshot.open <= 4, "{snapshot:?}");
}

#[test]
fn threads_share_the_limit() {
    let (tcp, server) = start(Limits { total: 8, per_network: 8, ..WIDE }, 4);
    let mut clients: Vec<_> = (0..64).map(|_| Client::connect(server)).collect();
    until_closed(&tcp, Cause::Limit, 56);
    let served = clients.iter_mut().filter_map(|client| client.is_served().then_some(()));
    assert_eq!(served.count(), 8);
    assert_eq!(tcp.count().snapshot().open, 8);
}

#[test]
fn greedy_clients_have_few_turns_while_there_are_many_connections() {
    let (_tcp, server) = crowded(1, 1);
    let asked = framed(&message(ECHO, 1)).repeat(2000);
    let mut greedy = Client::connect(server);
    let begin = Instant::now();
    let mut sending = greedy.0.try_clone().expect("a descriptor");
    std::thread::scope(|scope| {
        scope.spawn(move || sending.write_all(&asked).expect("sent"));
        (0..2000).for_each(|_| assert_eq!(greedy.receive(), message(ECHO, 1)));
    });
    // Nobody can have read more than this at once, and only the first turn comes at once.
    let turns = 2000 * (2 + MESSAGE_LEN) / READ_LEN_MAX;
    let least = RATION * (turns as u32 - 1);
    assert!(begin.elapsed() >= least, "{:?} for {turns} turns", begin.elapsed());
}
