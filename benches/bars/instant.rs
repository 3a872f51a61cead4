//! How long after the instant of a release the last old answer is given, and the first new one.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cutover::model::Timestamp;

use crate::common::{House, endpoints, release};

const RELEASES: usize = 20;
const AHEAD: Duration = Duration::from_secs(2);

fn now() -> Timestamp {
    Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

fn micros_after(instant: Timestamp, at: Timestamp) -> i64 {
    let (at, instant) = (at.unix_micros().cast_signed(), instant.unix_micros().cast_signed());
    at - instant
}

pub(crate) async fn instants() {
    let (port, hosts, _servers) = endpoints::start(&["127.0.1.1", "127.0.2.1"]).await;
    let [v1, v2] = [0, 1].map(|host: usize| vec![hosts[host].address]);
    let file = |live: &str, more: &str| release(live, &v1, &v2, port, more);
    let house = House::start(&file("v1", "")).await;
    house.until_pool_is("v2", "up").await;
    let (mut last_old, mut first_new) = (Vec::new(), Vec::new());
    for nth in 0..RELEASES {
        let (live, before, after) = if nth % 2 == 0 { ("v2", &v1, &v2) } else { ("v1", &v2, &v1) };
        let instant = (now() + AHEAD).rounded_up();
        house.save(&file(live, &format!("at = {instant}\nbake = \"0s\"")));
        house.until_phase("Waiting").await;
        let answered =
            async || -> Vec<IpAddr> { house.client.ask("api.zone.test", "A").await.addresses };
        // Before an answer is sent and after it is there: the most unfavourable of both.
        let mut old = now();
        let new = loop {
            let addresses = answered().await;
            let at = now();
            if addresses == *after {
                break at;
            }
            assert_eq!(addresses, *before);
            old = at;
        };
        last_old.push(micros_after(instant, old));
        first_new.push(micros_after(instant, new));
        house.until_phase("Steady").await;
    }
    println!("microseconds from the instant of a release, in {RELEASES} releases:");
    println!("to the last old answer received {last_old:?}");
    println!("to the first new answer received {first_new:?}");
}
