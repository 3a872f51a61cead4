//! The bars of the main job, against the real daemon on loopback: how soon the first changed
//! answer comes after the file is saved, and 200 releases back and forth under a client that
//! never pauses. Prints; `cargo bench --bench bars`. With `-- rollback`: how soon a rollback by hand is
//! answered among a million services, which needs some 13 GB of memory. With `-- instant`: how near to its
//! instant a release moves the answers. With `-- probes`: what it costs to probe 10,000 endpoints. With
//! `-- watchers`: what ten watchers of the page cost.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "bars/instant.rs"]
mod instant;
#[path = "bars/probes.rs"]
mod probes;
#[path = "bars/rollback.rs"]
mod rollback;
#[path = "bars/watchers.rs"]
mod watchers;

use std::{net::IpAddr, time::Instant};

use common::{House, endpoints, release};
use cutover::config::Settings;
use mimalloc::MiMalloc;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const RELEASES: usize = 200;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let asked_for = |word: &str| std::env::args().any(|argument| argument == word);
    if asked_for("rollback") {
        runtime.block_on(rollback::rollbacks());
    } else if asked_for("instant") {
        runtime.block_on(instant::instants());
    } else if asked_for("probes") {
        probes::ten_thousand();
    } else if asked_for("watchers") {
        runtime.block_on(watchers::ten());
    } else {
        runtime.block_on(releases());
    }
}

async fn releases() {
    let (port, hosts, _servers) =
        endpoints::start(&["127.0.1.1", "127.0.1.2", "127.0.2.1", "127.0.2.2"]).await;
    let addresses: Vec<IpAddr> = hosts.iter().map(|host| host.address).collect();
    let (v1, v2) = addresses.split_at(2);
    let file = |live| release(live, v1, v2, port, "bake = \"0s\"");
    // A client that never pauses is what rate limiting is there for, which is measured elsewhere.
    let unlimited = |settings: &mut Settings| settings.rrl.enabled = false;
    let house = House::start_with("127.0.0.1", &file("v1"), unlimited).await;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;

    let mut questions = 0;
    let mut delays = Vec::with_capacity(RELEASES);
    let (mut before, mut after) = (("v1", v1), ("v2", v2));
    for _ in 0..RELEASES {
        house.save(&file(after.0));
        // Counted from here: how long this machine's disk takes to rename a file is its own affair.
        let saved = Instant::now();
        loop {
            let asked = house.client.ask("api.zone.test", "A").await;
            questions += 1;
            assert_eq!(asked.rcode, "NOERROR");
            if asked.addresses == after.1 {
                break;
            }
            assert_eq!(asked.addresses, before.1, "a mixed or an empty answer");
        }
        delays.push(saved.elapsed());
        (before, after) = (after, before);
    }
    delays.sort();
    let at = |share: f64| delays[((RELEASES - 1) as f64 * share) as usize];
    println!("{RELEASES} releases, {questions} questions without a pause: every one answered with");
    println!("NOERROR and the whole of one pool.");
    println!(
        "save by rename to first changed answer: median {:?}, 95 % {:?}, most {:?}",
        at(0.5),
        at(0.95),
        at(1.0)
    );
}
