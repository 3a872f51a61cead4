//! Pools that point to a name: what they are answered with, and how they follow it.

use std::collections::BTreeSet;

use super::*;
use crate::model::{DnsName, Family, Resolution, Target, TargetKind};

const LB: &str = "lb.example.net";

fn name(text: &str) -> DnsName {
    text.parse().expect("a name")
}

fn resolution(hosts: &[u8], ttl: u64) -> Resolution {
    let addresses: BTreeSet<IpAddr> = hosts.iter().map(|&host| address(host)).collect();
    Resolution { addresses, ttl: Ttl::new(secs(ttl)).expect("a TTL") }
}

impl Wanted {
    fn pointing(mut self, pool: &str, kind: TargetKind, to: &str) -> Self {
        let target = Target { kind, name: name(to), port: None };
        let pool = Pool::pointing(pool_name(pool), target);
        self.0.pools.insert(pool.name.clone(), Arc::new(pool));
        self
    }

    /// As the conductor hands it on: what has been looked up is filled in.
    fn knowing(mut self, pool: &str, found: &Resolution) -> Self {
        let known = self.0.pools.get_mut(&pool_name(pool)).expect("a pool");
        *known = Arc::new(known.resolved(found));
        self
    }
}

impl Sim {
    fn look_up(&mut self, to: &str, found: &Resolution) {
        self.handle(Event::Resolved(name(to), found.clone()));
        self.retarget();
        self.handle(Event::Observed);
    }

    fn part(&self) -> super::super::Answered {
        let answering = self.cutover.answering(&self.health);
        let [part] = answering.parts.as_slice() else { panic!("one pool answers: {answering:?}") };
        part.clone()
    }

    fn ttl(&self) -> u32 {
        self.cutover.answering(&self.health).ttl.secs()
    }

    fn is_by_name(&self) -> bool {
        self.part().cname.is_some()
    }
}

fn alias(live: &str) -> Wanted {
    file(live).pointing("v2", TargetKind::Alias, LB)
}

fn cname(live: &str) -> Wanted {
    file(live).pointing("v2", TargetKind::Cname, LB)
}

#[test]
fn a_release_to_an_alias_waits_until_it_is_found_and_proven() {
    let mut sim = Sim::proven(alias("v1"));
    sim.save(alias("v2"));
    assert_eq!(sim.phase(), "Probing");
    let closed = |sim: &Sim| sim.cutover.gate_closed(sim.now, &sim.health).expect("closed");
    let said = "v2 points to lb.example.net, which is not known: nobody has answered yet";
    assert!(closed(&sim).contains(said), "{}", closed(&sim));
    sim.health.lookups.note(&name(LB), Some("there is no such name".to_owned()));
    assert!(closed(&sim).contains("not known: there is no such name"), "{}", closed(&sim));
    sim.look_up(LB, &resolution(&[3, 4], 20));
    assert_eq!(sim.phase(), "Probing", "it has not passed");
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
    assert_eq!(sim.ttl(), 20, "for as long as others say it is so, at most");
}

#[test]
fn what_is_never_found_fails_at_the_deadline_and_moves_nobody() {
    let mut sim = Sim::proven(alias("v1"));
    sim.save(alias("v2"));
    sim.run_to(601);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v1");
    sim.look_up(LB, &resolution(&[3, 4], 20));
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Failed", "finding it is no edit: nobody has asked for another try");
}

#[test]
fn what_was_found_meanwhile_is_no_edit() {
    let asked = |hosts: &[u8], ttl| alias("v2").knowing("v2", &resolution(hosts, ttl));
    let mut sim = Sim::proven(alias("v1"));
    sim.save(asked(&[3, 4], 60));
    sim.run_to(601);
    assert_eq!(sim.phase(), "Failed");
    sim.told.clear();
    // Saved again, or read again by another daemon that knows it by another TTL.
    for wanted in [asked(&[3, 4], 1), asked(&[5], 60)] {
        assert_eq!(sim.plan(&wanted), None);
        sim.save(wanted.clone());
        assert_eq!((sim.phase(), sim.edges()), ("Failed", Vec::new()));
        assert_eq!(**sim.cutover.spec(), wanted.0, "what was found is known all the same");
    }
    // To point elsewhere is one.
    sim.save(asked(&[5], 60).pointing("v2", TargetKind::Alias, "other.example.net"));
    assert_eq!(sim.edges(), [("Failed", "Probing")]);
}

#[test]
fn an_alias_that_answers_goes_on_with_what_is_proven_until_the_new_addresses_are() {
    let found = resolution(&[1, 2], 30);
    let mut sim =
        Sim::adopt(file("v1").pointing("v1", TargetKind::Alias, LB).knowing("v1", &found));
    sim.up(&[1, 2]);
    for is_frozen in [false, true] {
        sim.set_frozen(is_frozen);
        let (old, new): (&[u8], &[u8]) =
            if is_frozen { (&[3, 4], &[5, 6]) } else { (&[1, 2], &[3, 4]) };
        sim.look_up(LB, &resolution(new, 25));
        sim.assert_answers("v1", old, Basis::Live);
        sim.up(new);
        sim.assert_answers("v1", new, Basis::Live);
        assert_eq!((sim.phase(), sim.ttl()), ("Steady", 25));
    }
    assert!(sim.told.is_empty(), "nobody has edited anything: {:?}", sim.told);
}

#[test]
fn without_a_probe_an_alias_is_whatever_was_found_last() {
    let unprobed = || alias("v2").probe(ProbeSetting::Off);
    let mut sim = Sim::adopt(unprobed());
    assert_eq!(sim.part().lost, Family::ALL, "nobody knows what it has, so nothing is denied");
    sim.look_up(LB, &resolution(&[3], 30));
    sim.assert_answers("v2", &[3], Basis::Live);
    assert_eq!(sim.part().lost, []);
    sim.look_up(LB, &resolution(&[4, 5], 30));
    sim.assert_answers("v2", &[4, 5], Basis::Live);
}

#[test]
fn an_alias_that_the_file_has_dropped_is_followed_as_long_as_it_answers() {
    let found = resolution(&[1, 2], 30);
    let first = file("v1").pointing("v1", TargetKind::Alias, LB).knowing("v1", &found);
    let mut sim = Sim::adopt(first);
    sim.up(&[1, 2]);
    sim.save(file("v2").without("v1"));
    assert_eq!(sim.phase(), "Probing");
    sim.look_up(LB, &resolution(&[5, 6], 30));
    sim.assert_live("v1");
    sim.up(&[5, 6]);
    sim.assert_answers("v1", &[5, 6], Basis::Live);
    sim.restart();
    sim.assert_answers("v1", &[5, 6], Basis::Live);
}

#[test]
fn an_alias_that_the_file_lets_point_elsewhere_follows_its_name_until_that_is_proven() {
    let first = file("v1").pointing("v1", TargetKind::Alias, LB);
    let mut sim = Sim::adopt(first.clone().knowing("v1", &resolution(&[1, 2], 30)));
    sim.up(&[1, 2]);
    let other = "other.example.net";
    sim.save(first.pointing("v1", TargetKind::Alias, other));
    let latest = resolution(&[5, 6], 30);
    assert!(!sim.cutover.follows(&name(LB), &latest));
    sim.look_up(LB, &latest);
    assert!(sim.cutover.follows(&name(LB), &latest));
    sim.assert_live("v1");
    sim.up(&[5, 6]);
    sim.assert_answers("v1", &[5, 6], Basis::Live);
    sim.restart();
    sim.look_up(LB, &resolution(&[7, 8], 30));
    sim.up(&[7, 8]);
    sim.assert_answers("v1", &[7, 8], Basis::Live);
    sim.look_up(other, &resolution(&[3, 4], 30));
    sim.assert_answers("v1", &[7, 8], Basis::Live);
    sim.up(&[3, 4]);
    sim.assert_answers("v1", &[3, 4], Basis::Live);
    assert!(!sim.cutover.addresses().contains(&address(7)), "nothing is held that is not needed");
    assert_eq!((sim.phase(), sim.edges()), ("Steady", Vec::new()));
}

#[test]
fn a_name_is_answered_at_once_where_there_is_nothing_else_and_only_while_it_is_up_where_that_is_asked_for()
 {
    let mut sim = Sim::adopt(cname("v2"));
    assert!(sim.is_by_name(), "it may well lead somewhere");
    sim.look_up(LB, &resolution(&[3, 4], 30));
    sim.up(&[3, 4]);
    assert_eq!((sim.is_by_name(), sim.ttl()), (true, 60), "addresses are kept by their own TTL");
    sim.down(&[3, 4]);
    assert_eq!(sim.part().pool, pool_name("v2"));
    sim.save(cname("v2").policy(FailPolicy::Closed).knowing("v2", &resolution(&[3, 4], 30)));
    assert_eq!((sim.is_by_name(), sim.part().lost), (false, Family::ALL.to_vec()));
}

#[test]
fn between_names_and_addresses_a_ramp_is_one_swap_and_the_way_back_too() {
    let ramp =
        |live| cname(live).ramp(&[(10, 60), (50, 60)]).knowing("v2", &resolution(&[3, 4], 9));
    let mut sim = Sim::proven(ramp("v1"));
    sim.up(&[3, 4]);
    sim.save(ramp("v2"));
    assert_eq!((sim.phase(), sim.is_by_name()), ("Baking", true));
    sim.assert_shares(&[("v2", 100)]);
    let why = &sim.told[0].why;
    assert!(
        why.contains("all clients at once, for names and addresses cannot share them"),
        "{why}"
    );
    sim.down(&[3, 4]);
    assert_eq!((sim.phase(), sim.is_by_name()), ("RollingBack", false));
    sim.assert_live("v1");
}

#[test]
fn between_names_a_ramp_is_a_ramp() {
    let ramp = |live| {
        let file = file(live).pointing("v1", TargetKind::Cname, "old.example.net");
        let file = file.pointing("v2", TargetKind::Cname, LB).ramp(&[(10, 60)]);
        file.knowing("v1", &resolution(&[1, 2], 9)).knowing("v2", &resolution(&[3, 4], 9))
    };
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    assert_eq!(sim.phase(), "Settling");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}

#[test]
fn a_split_of_names_and_addresses_is_never_answered() {
    let both = file("v1:50+v2:50");
    let mut sim = Sim::proven(both.clone());
    let found = resolution(&[3, 4], 9);
    let one = both.pointing("v2", TargetKind::Cname, LB).knowing("v2", &found);
    sim.save(one.clone());
    sim.assert_shares(&[("v1", 100)]);
    sim.save(one.pointing("v1", TargetKind::Cname, LB).knowing("v1", &found));
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    let answering = sim.cutover.answering(&sim.health);
    assert!(answering.parts.iter().all(|part| part.cname.is_some()));
}

#[test]
fn a_name_that_leads_somewhere_is_answered_to_those_whose_own_leads_nowhere() {
    let both = file("v1:50+v2:50").policy(FailPolicy::Closed);
    let both = both.pointing("v1", TargetKind::Cname, "old.example.net");
    let both = both.knowing("v1", &resolution(&[1, 101], 9));
    let mut sim = Sim::adopt(
        both.clone().pointing("v2", TargetKind::Cname, LB).knowing("v2", &resolution(&[3, 103], 9)),
    );
    sim.up(&[1, 101, 3, 103]);
    sim.down(&[1, 101, 103]);
    assert_eq!(sim.answers().2, Basis::Closed);
    assert_eq!((sim.part().pool, sim.is_by_name()), (pool_name("v2"), true));
    sim.down(&[3]);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    let parts = sim.cutover.answering(&sim.health).parts;
    assert!(parts.iter().all(|part| part.cname.is_none() && part.lost == Family::ALL));
    // Addresses go before a name, unless they are lost.
    let mut sim = Sim::adopt(both.pool("v2", &[3, 103]));
    sim.up(&[1, 101, 3, 103]);
    sim.down(&[1, 101, 103]);
    assert_eq!((sim.part().pool, sim.part().lost), (pool_name("v2"), vec![Family::V6]));
    sim.down(&[3]);
    sim.up(&[1]);
    assert_eq!((sim.part().pool, sim.is_by_name()), (pool_name("v1"), true));
}

#[test]
fn whom_a_ramp_has_moved_to_a_name_keeps_it_when_the_one_before_is_lost() {
    let ramp = |live| {
        let file = file(live).policy(FailPolicy::Closed).ramp(&[(10, 60)]);
        let file = file.pointing("v1", TargetKind::Cname, "old.example.net");
        let file = file.pointing("v2", TargetKind::Cname, LB);
        file.knowing("v1", &resolution(&[1, 2], 9)).knowing("v2", &resolution(&[3, 4], 9))
    };
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    sim.down(&[1, 2]);
    assert_eq!((sim.part().lost, sim.is_by_name()), (Family::ALL.to_vec(), false));
    let moved = sim.cutover.answering(&sim.health).moved.expect("some are moved");
    assert!(moved.parts[0].cname.is_some());
}

#[test]
fn a_name_stands_in_for_addresses_of_every_family() {
    let first = file("v1").pool("v1", &[1, 101]).pointing("v2", TargetKind::Cname, LB);
    let first = first.knowing("v2", &resolution(&[3], 9));
    let mut sim = Sim::adopt(first.clone());
    sim.up(&[1, 101, 3]);
    let mut second = first;
    second.0.live = split("v2");
    sim.save(second);
    sim.run_to(1_000);
    assert_eq!((sim.phase(), sim.is_by_name()), ("Steady", true));
    sim.down(&[3]);
    assert_eq!(sim.answers(), ("v1".to_owned(), vec![1, 101], Basis::Previous));
}

#[test]
fn for_a_name_that_is_not_known_nothing_stands_in_that_is_down() {
    let mut sim = Sim::proven(alias("v1"));
    sim.save(alias("v2"));
    sim.ask(Verb::Promote, true).expect("forced");
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
    sim.down(&[1, 2]);
    assert_eq!((sim.answers().2, sim.part().lost), (Basis::Open, Family::ALL.to_vec()));
    sim.up(&[1]);
    sim.assert_answers("v1", &[1], Basis::Previous);
}

#[test]
fn it_is_foretold_as_if_every_name_were_found() {
    let mut sim = Sim::proven(alias("v1"));
    sim.run_to(5);
    let plan = sim.plan(&alias("v2").bake(30)).expect("a release");
    let phases: Vec<_> = plan.steps.iter().map(|step| step.phase).collect();
    assert_eq!(phases, ["Probing", "Shifting", "Baking", "Draining", "Steady"]);
    let gate = plan.rules.iter().find(|rule| rule.name == "health").expect("a gate");
    assert!(!gate.holds && gate.why.contains("not known"), "{gate:?}");
}
