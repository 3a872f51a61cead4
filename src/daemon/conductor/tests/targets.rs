//! Pools that point to names: what is known of these, and for how long.

use super::*;
use crate::model::{Resolution, Ttl};

const LB: &str = "lb.example.net";

/// A service whose live pool is this.
fn service(name: &str, pool: &str) -> String {
    format!(
        "[services.{name}]\nlive = \"v1\"\nprobe = \"none\"\nttl = \"60s\"\n\
         release.bake = \"0s\"\npools.v1.{pool}\n"
    )
}

fn file(services: &[String]) -> String {
    format!("version = 1\n{}", services.concat())
}

fn target(text: &str) -> DnsName {
    text.parse().expect("a name")
}

impl Scene {
    /// A name was looked up, which nothing has been done about yet.
    fn look_up(&mut self, text: &str, host: u8, ttl: u32) {
        let addresses = [std::net::Ipv4Addr::new(192, 0, 2, host).into()].into();
        let resolution = Resolution { addresses, ttl: Ttl::from_secs_const(ttl) };
        let looked = Looked { name: target(text), result: Ok(resolution) };
        self.conductor.note_looked(self.conductor.now(), looked);
    }

    fn is_followed(&self, text: &str) -> bool {
        self.conductor.targets.of(&target(text)).is_some()
    }
}

#[tokio::test]
async fn of_a_name_its_ttl_is_known_again_where_any_pool_has_kept_it() {
    let mut scene = Scene::start().await;
    let by_name = service("api", &format!("cname = \"{LB}\""));
    let by_address = service("web", &format!("alias = \"{LB}\""));
    scene.read(&file(&[by_name, by_address])).await;
    scene.look_up(LB, 7, 60);
    scene.settle().await;
    let mut targets = Targets::new(watch::channel(BTreeSet::new()).0);
    targets.follow(&mut scene.conductor.services);
    let known = targets.of(&target(LB)).and_then(|known| known.resolution.as_ref());
    assert_eq!(known.map(|known| (known.addresses.len(), known.ttl.secs())), Some((1, 60)));
}

#[tokio::test]
async fn what_was_looked_up_is_not_forgotten_with_taking_over() {
    let mut scene = Scene::start().await;
    scene.read(&file(&[service("api", &format!("alias = \"{LB}\""))])).await;
    // It is not ours to keep it yet.
    scene.look_up(LB, 7, 60);
    scene.conductor.take_over();
    let service = &scene.conductor.services[&name("api")];
    assert!(!service.cutover.pools().any(|pool| pool.is_unresolved()));
    scene.settle().await;
    assert_eq!(scene.host("api.zone.test"), Some(7));
}

#[tokio::test]
async fn a_name_is_followed_for_as_long_as_a_pool_points_there() {
    let mut scene = Scene::start().await;
    let [one, other] = [LB, "other.example.net"];
    let web = service("web", &format!("alias = \"{other}\""));
    scene.read(&file(&[service("api", &format!("alias = \"{one}\"")), web.clone()])).await;
    scene.look_up(one, 7, 60);
    // The pool is left, and the file drops it: it is followed until no cache can hold it.
    let next = service("api", "endpoints = [\"192.0.2.9\"]").replace("v1", "v2");
    scene.read(&file(&[next.clone(), web])).await;
    assert_eq!((scene.phase("api"), scene.is_followed(one)), ("Draining", true));
    scene.conductor.meet_deadlines();
    let later = scene.conductor.now() + std::time::Duration::from_secs(3_600);
    scene.conductor.observe(later, name("api"));
    scene.settle().await;
    assert_eq!((scene.phase("api"), scene.is_followed(one)), ("Steady", false));
    // A service that is to go, and cannot, is followed as before.
    scene.accept(&format!("removed = [\"web\"]\n{}", file(std::slice::from_ref(&next))));
    scene.write_late().await;
    assert!(scene.conductor.services.contains_key(&name("web")) && scene.is_followed(other));
    scene.try_again().await;
    assert!(!scene.is_followed(other));
    // One that a person has forgotten is not.
    let web = service("web", &format!("alias = \"{other}\""));
    scene.read(&file(&[next.clone(), web])).await;
    scene.read(&file(&[next])).await;
    assert!(scene.is_followed(other), "it is held on to");
    scene.conductor.remove(&name("web"));
    scene.settle().await;
    assert!(!scene.is_followed(other));
}
