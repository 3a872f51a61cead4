//! Whole releases: the real daemon, real endpoints, real questions.

mod common;

use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, SystemTime},
};

use common::{House, endpoints, pools::Pools, release};
use cutover::admin::{status::Status, tree::tree};

struct Scene {
    house: House,
    pools: Pools,
    more: &'static str,
}

impl Scene {
    /// v1 live with two hosts, v2 with two more, all healthy.
    async fn open(more: &'static str) -> Self {
        let pools = Pools::start().await;
        let house = House::start(&pools.file("v1", more)).await;
        Self { house, pools, more }
    }

    fn save(&self, live: &str) {
        self.house.save(&self.pools.file(live, self.more));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_another_live_pool_moves_the_answers_after_its_probes_pass() {
    let scene = Scene::open("bake = \"0s\"").await;
    let house = &scene.house;
    house.until_answered(&[], &scene.pools.v1).await;
    scene.save("v2");
    house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    house.until_phase("Steady").await;
    let api = house.api().await;
    assert_eq!(api.serving, [("v2".to_owned(), 100)].into());
    assert!(api.pools["v2"].endpoints.iter().all(|endpoint| endpoint.verdict == "up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stay_while_the_new_pool_is_down_and_the_deadline_fails_the_release() {
    let scene = Scene::open("deadline = \"2s\"").await;
    let house = &scene.house;
    scene.pools.hosts[3].set_healthy(false);
    house
        .until("v2 is half down", |status| {
            status.services["api"].pools["v2"].endpoints[1].verdict == "down"
        })
        .await;
    scene.save("v2");
    house.until_phase("Probing").await;
    while house.api().await.phase == "Probing" {
        assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
        common::pause().await;
    }
    let api = house.api().await;
    assert_eq!(api.phase, "Failed");
    let reason = api.release.and_then(|release| release.reason).expect("a reason");
    assert!(reason.contains("only 1 of 2 endpoints of v2 are up"), "{reason}");
    // Latched: the pool healing and the same content read again change nothing.
    scene.pools.hosts[3].set_healthy(true);
    house.until_pool_is("v2", "up").await;
    house.daemon.reload();
    house.until("the file is read again", |status| status.file.accepted).await;
    assert_eq!(house.api().await.phase, "Failed");
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_failing_in_the_bake_rolls_back_by_itself() {
    let scene = Scene::open("bake = \"1h\"").await;
    let house = &scene.house;
    house.until_pool_is("v1", "up").await;
    scene.save("v2");
    house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    scene.pools.hosts[2].set_healthy(false);
    house.until("rolled back", |status| status.services["api"].phase != "Baking").await;
    // In one swap: from here on only v1, never v2 with a host less.
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
    house.until_phase("Failed").await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn editing_the_file_back_rolls_back() {
    let scene = Scene::open("bake = \"1h\"").await;
    let house = &scene.house;
    house.until_pool_is("v1", "up").await;
    scene.save("v2");
    house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    scene.save("v1");
    house.until_answered(&scene.pools.v2, &scene.pools.v1).await;
    house.until_phase("Steady").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pool_is_probed_whether_or_not_it_has_traffic() {
    let scene = Scene::open("").await;
    scene.house.until_pool_is("v1", "up").await;
    scene.house.until_pool_is("v2", "up").await;
    assert!(scene.pools.hosts.iter().all(|host| host.asked() >= 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_releases_back_and_forth_give_only_whole_answers() {
    const RELEASES: usize = 10;
    let scene = Scene::open("bake = \"0s\"").await;
    let house = &scene.house;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
    let mut before = &scene.pools.v1;
    for turn in 0..RELEASES {
        let (live, after) =
            if turn % 2 == 0 { ("v2", &scene.pools.v2) } else { ("v1", &scene.pools.v1) };
        scene.save(live);
        // Asserts NOERROR and a whole answer of one pool for each question on the way.
        house.until_answered(before, after).await;
        before = after;
    }
    assert!(house.status().await.generation > RELEASES as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_endpoints_are_probed_and_answered_over_ipv6() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: this machine has no IPv6 loopback");
        return;
    }
    let (port, hosts, _servers) = endpoints::start(&["::1"]).await;
    let v1 = [hosts[0].address];
    let house = House::start_on("::1", &release("v1", &v1, &v1, port, "")).await;
    house.until_pool_is("v1", "up").await;
    let asked = house.client.ask("api.zone.test", "AAAA").await;
    assert_eq!((asked.addresses.as_slice(), asked.ttl), (&v1[..], Some(1)));
    assert_eq!(house.client.ask_by_tcp("api.zone.test", "AAAA").await, asked);
    let none = house.client.ask("api.zone.test", "A").await;
    assert_eq!((none.rcode.as_str(), none.answers, none.authorities), ("NOERROR", 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_service_goes_on_and_a_removed_one_ends() {
    let scene = Scene::open("").await;
    let house = &scene.house;
    let other = "version = 1\n[services.web]\nlive = \"a\"\npools.a.endpoints = [\"192.0.2.9\"]\n";
    house.save(other);
    let status = house.until("the other file", |s| s.services.contains_key("web")).await;
    assert!(status.services["api"].orphaned);
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
    house.save(&format!("removed = [\"api\"]\n{other}"));
    house.until("api is gone", |status| !status.services.contains_key("api")).await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.rcode, "NXDOMAIN");
    assert_eq!(house.client.ask("web.zone.test", "A").await.answers, 1);
}

/// Whoever sees only the status must not take the one for the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_another_service_has_now_is_shown() {
    let scene = Scene::open("").await;
    let house = &scene.house;
    let other = "version = 1\n[services.shop]\nname = \"api\"\nlive = \"a\"\n\
                 pools.a.endpoints = [\"192.0.2.9\"]\n";
    house.save(other);
    let is_taken = |status: &Status| {
        status.services["api"].taken.get("api.zone.test").is_some_and(|other| other == "shop")
    };
    let status = house.until("api's name is shop's", is_taken).await;
    let mut shown = status.clone();
    assert!(tree(&shown).contains("api.zone.test IS ANSWERED AS A NAME OF shop"));
    let of_endpoints = (0..5).map(|number| (format!("{number}.api.zone.test"), "shop".to_owned()));
    shown.services.get_mut("api").expect("api").taken = of_endpoints.collect();
    assert_eq!(
        tree(&shown).matches("IS ANSWERED").count(),
        3 + shown.services["shop"].taken.len().min(3)
    );
    assert!(tree(&shown).contains("and 2 more of its names"));
    // What is below that name is api's still, as what it tells of its releases.
    let beside = BTreeMap::from([("_release.api.zone.test".to_owned(), "api".to_owned())]);
    assert_eq!((status.services["api"].orphaned, &status.services["shop"].taken), (true, &beside));
    let of_shop = house.client.ask("api.zone.test", "A").await.addresses;
    assert_eq!(of_shop.len(), 1);
    // The file before is restored: the name is api's again.
    scene.save("v1");
    house.until_answered(&of_shop, &scene.pools.v1).await;
    let status = house.status().await;
    assert!(status.services["shop"].orphaned && status.services["api"].taken.is_empty());
    house.save(other);
    house.until("api's name is shop's again", is_taken).await;
    house.save(&format!("removed = [\"api\"]\n{other}"));
    house.until("api is gone", |status| !status.services.contains_key("api")).await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.answers, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_probe_in_the_edit_that_releases_is_its_gate() {
    let scene = Scene::open("deadline = \"1s\"").await;
    let house = &scene.house;
    house.until_pool_is("v2", "up").await;
    // Nobody listens there: the new pool never passes the probe that the file has now.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("bound").port();
    house.save(&release("v2", &scene.pools.v1, &scene.pools.v2, port, scene.more));
    while house.api().await.phase != "Failed" {
        // The old pool fails it too, host by host, and is answered as if it were up.
        let asked = house.client.ask("api.zone.test", "A").await.addresses;
        assert!(!asked.is_empty() && asked.iter().all(|a| scene.pools.v1.contains(a)), "{asked:?}");
        common::pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_are_exchanged_are_shown_as_joining_and_leaving() {
    let scene = Scene::open("").await;
    let house = &scene.house;
    house.until_pool_is("v1", "up").await;
    scene.pools.hosts[2].set_healthy(false);
    house.until("down", |s| s.services["api"].pools["v2"].endpoints[0].verdict == "down").await;
    // v1 loses its second host and gets the one that is down.
    let exchanged = [scene.pools.v1[0], scene.pools.v2[0]];
    house.save(&release("v1", &exchanged, &scene.pools.v2, scene.pools.port, scene.more));
    house.until("the edit", |status| !status.services["api"].pools["v1"].in_file).await;
    let shown: Vec<_> = house.api().await.pools["v1"]
        .endpoints
        .iter()
        .map(|e| (e.address.clone(), e.answered, e.change.clone()))
        .collect();
    let [one, two, three] =
        [scene.pools.v1[0], scene.pools.v1[1], scene.pools.v2[0]].map(|a| a.to_string());
    let (leaving, joining) = (Some("leaving".to_owned()), Some("joining".to_owned()));
    assert_eq!(shown, [(one, true, None), (two, true, leaving), (three, false, joining)]);
    scene.pools.hosts[2].set_healthy(true);
    house.until_answered(&scene.pools.v1, &exchanged).await;
}

/// The pool that was left: its horizon is the last answer that named it and one TTL, and a second
/// for the clocks of caches.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_drained_when_the_last_answer_that_named_it_has_expired() {
    let scene = Scene::open("bake = \"0s\"\npin_allowance = \"1s\"").await;
    let house = &scene.house;
    house.until_pool_is("v2", "up").await;
    scene.save("v2");
    let mut last_old = SystemTime::now();
    loop {
        let asked_at = SystemTime::now();
        if house.client.ask("api.zone.test", "A").await.addresses == scene.pools.v2 {
            break;
        }
        last_old = asked_at;
        common::pause().await;
    }
    let left = house.api().await.pools.remove("v1").expect("known");
    assert!(!left.drained && !left.off, "{left:?}");
    let horizon = left.horizon.expect("it was answered");
    let horizon = humantime::parse_rfc3339(&horizon).expect("an instant");
    assert!(horizon >= last_old + Duration::from_secs(2), "{horizon:?} is too early");
    house.until("v1 is drained", |status| status.services["api"].pools["v1"].drained).await;
    assert!(SystemTime::now() >= last_old + Duration::from_secs(2), "drained too early");
    house.until_phase("Steady").await;
    let drained = house.api().await.pools.remove("v1").expect("known");
    assert!(!drained.off, "browsers may still hold it: {drained:?}");
    house.until("v1 can be switched off", |status| status.services["api"].pools["v1"].off).await;
    assert!(SystemTime::now() >= last_old + Duration::from_secs(3), "off too early");
}

/// Nobody asked: no cache holds it, and nothing is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_nobody_asked_for_has_no_later_horizon() {
    let scene = Scene::open("bake = \"0s\"\npin_allowance = \"0s\"").await;
    let house = &scene.house;
    house.until_pool_is("v2", "up").await;
    // What was answered before the start is out of caches.
    let past = house.until("the past is over", |status| status.services["api"].pools["v2"].off);
    let past = past.await.services["api"].pools["v2"].horizon.clone();
    scene.save("v2");
    let left = house.until("v1 is drained", |status| status.services["api"].pools["v1"].off).await;
    let api = &left.services["api"];
    assert_eq!(api.serving, [("v2".to_owned(), 100)].into());
    assert_eq!(api.pools["v1"].horizon, past);
}

/// A file without it, and then one with it again: what caches hold of it has not changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_the_file_drops_and_names_again_is_still_known_to_be_in_caches() {
    let scene = Scene::open("bake = \"0s\"\npin_allowance = \"1h\"").await;
    let house = &scene.house;
    house.until_answered(&[], &scene.pools.v1).await;
    scene.save("v2");
    house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    house.until_phase("Steady").await;
    let left = house.api().await.pools.remove("v1").expect("it was answered");
    let fewer = release("v2", &scene.pools.v1, &scene.pools.v2[..1], scene.pools.port, scene.more);
    house.save(&fewer.replace("pools.v1", "pools.v0"));
    house.until_answered(&scene.pools.v2, &scene.pools.v2[..1]).await;
    assert!(!house.api().await.pools.contains_key("v1"));
    scene.save("v2");
    let again = house.until("v1 is back", |s| s.services["api"].pools.contains_key("v1")).await;
    assert_eq!(again.services["api"].pools["v1"].horizon, left.horizon);
}
