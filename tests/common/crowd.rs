//! A release file with many services, some of which are being released.

use std::{
    fmt::Write,
    net::IpAddr,
    time::{Duration, Instant},
};

use cutover::{admin::status::Status, config::Settings};

use tokio::task::JoinHandle;

use super::{Client, House, PATIENCE, pools::Pools};

/// How many of them are released at once.
pub const RELEASED: usize = 8;

/// A daemon in which all services are up, and the first ones are at the first step of a release.
pub async fn start(services: usize, pools: &Pools) -> House {
    let unlimited = |settings: &mut Settings| settings.rrl.enabled = false;
    let house = House::start_with("127.0.0.1", &file(1, "v1", pools.port), unlimited).await;
    house.save(&file(services, "v1", pools.port));
    let healthy = |status: &Status| status.services.values().all(|it| it.health == "healthy");
    until(&house, |status| status.services.len() == services && healthy(status)).await;
    house.save(&file(services, "v2", pools.port));
    let judged = |status: &Status| {
        status.services.values().filter(|service| service.phase == "Judging").count()
    };
    until(&house, |status| judged(status) == RELEASED).await;
    house
}

/// Has clients of many networks ask for those that are released, until it is aborted.
pub fn ask(house: &House) -> JoinHandle<()> {
    let server = house.daemon.dns()[0];
    tokio::spawn(async move {
        loop {
            for number in 0..RELEASED {
                let client = Client::from(server, IpAddr::from([127, 9, rand::random(), 1]));
                client.ask(&format!("s{number:04}.zone.test"), "A").await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// Asks seldom, and does not mind when it is too busy to say: the status of so many takes a while.
async fn until(house: &House, seen: impl Fn(&Status) -> bool) {
    let begun = Instant::now();
    loop {
        if house.daemon.inquiry().status().await.is_some_and(|status| seen(&status)) {
            return;
        }
        assert!(begun.elapsed() < 3 * PATIENCE, "not seen");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// So many services with two endpoints each, probed on `port`; the first ones are answered with `live`, the
/// others with v1.
pub fn file(services: usize, live: &str, port: u16) -> String {
    let mut text = "version = 1\n".to_owned();
    for number in 0..services {
        let live = if number < RELEASED { live } else { "v1" };
        write!(
            text,
            "[services.s{number:04}]\nlive = \"{live}\"\nttl = \"5s\"\n\
             pools.v1.endpoints = [\"127.0.1.1\", \"127.0.1.2\"]\n\
             pools.v2.endpoints = [\"127.0.2.1\", \"127.0.2.2\"]\n\
             probe = {{ tcp = {{ port = {port} }}, interval = \"10s\", rise = 1 }}\n\
             release = {{ ramp = [{{ share = \"20%\", bake = \"1h\" }}], bake = \"1h\" }}\n"
        )
        .expect("a text grows");
    }
    text
}
