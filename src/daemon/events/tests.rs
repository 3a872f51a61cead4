//! The outbox and its queue, without a store, a clock or a hook: what is told, under which numbers, and
//! what is kept of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::FutureExt;
use prometheus::Registry;

use super::{Outbox, counters::Counters, go_on, queue::PENDING_MAX};
use crate::{
    cutover::Transition,
    model::{DnsName, Label, ServiceName, Timestamp, TransitionEvent},
    store::{FoundEvents, Outgoing},
};

/// An outbox with what a store would hold.
struct Scene {
    outbox: Outbox,
    queue: Arc<super::Queue>,
    file: Option<FoundEvents>,
    registry: Registry,
}

fn hooks(names: &[&str]) -> Vec<Label> {
    names.iter().map(|name| name.parse().expect("a name")).collect()
}

fn zone() -> DnsName {
    "zone.test".parse().expect("a name")
}

fn service(name: &str) -> ServiceName {
    name.parse().expect("a name")
}

fn at(secs: u64) -> Timestamp {
    Timestamp::default() + Duration::from_secs(secs)
}

impl Scene {
    fn start(names: &[&str], file: Option<FoundEvents>) -> Self {
        let registry = Registry::new();
        let counters = Counters::register(&registry, &hooks(names)).expect("new");
        let (queue, numbering) = go_on(hooks(names), file.clone(), counters);
        let outbox = Outbox::new(queue.clone(), numbering, zone());
        outbox.set_open(true);
        Self { outbox, queue, file, registry }
    }

    /// As after a crash.
    fn again(self, names: &[&str]) -> Self {
        Self::start(names, self.file)
    }

    fn told(&mut self, name: &str, to: &'static str) {
        let why = format!("{to}, because");
        let transition = Transition { from: "Steady", to, why, release: Some(1) };
        self.outbox.note(at(1), (&zone(), &service(name)), &[transition]);
    }

    /// As `store::events` does it.
    fn write(&mut self, outgoing: &Outgoing) {
        let Outgoing { instance, next, events, is_whole, first, positions } = outgoing.clone();
        let before = self.file.take().map(|found| found.events).unwrap_or_default();
        let stays = |event: &Arc<TransitionEvent>| !is_whole && event.sequence >= first;
        let events = before.into_iter().filter(stays).chain(events).collect();
        self.file = Some(FoundEvents { instance, next, events, positions, wrong: Vec::new() });
    }

    fn keep(&mut self, is_due: bool) {
        let outgoing = self.outbox.batch(at(1), is_due, false);
        outgoing.iter().for_each(|outgoing| self.write(outgoing));
        self.outbox.kept(outgoing.as_ref());
    }

    fn fail(&mut self, put_back: &[&str]) {
        let _ = self.outbox.batch(at(1), false, false);
        let put_back: BTreeSet<_> = put_back.iter().map(|name| service(name)).collect();
        self.outbox.not_kept(&put_back);
    }

    /// What this hook is told next.
    fn next(&self, hook: &str) -> Option<Arc<TransitionEvent>> {
        let hook = hook.parse().expect("a name");
        self.queue.next(&hook).now_or_never()
    }

    /// Everything that this hook is told: number and phase.
    fn taken(&self, hook: &str) -> Vec<(u64, String)> {
        let name = hook.parse().expect("a name");
        let mut taken = Vec::new();
        while let Some(event) = self.next(hook) {
            self.queue.delivered(&name, event.sequence);
            taken.push((event.sequence, event.to.clone()));
        }
        taken
    }

    /// The ids of what those who listen have been told.
    fn listened(&self) -> Vec<String> {
        self.outbox.told().ids()
    }

    fn counted(&self, what: &str, hook: &str) -> f64 {
        let families = self.registry.gather();
        let name = format!("cutover_events_{what}_total");
        let family = families.iter().find(|family| family.name() == name).expect("registered");
        let of = |metric: &&prometheus::proto::Metric| metric.get_label()[0].value() == hook;
        let metric = family.get_metric().iter().find(of).expect("from the start");
        metric.get_counter().get_value()
    }
}

fn event(number: u64, to: &str) -> (u64, String) {
    (number, to.to_owned())
}

#[test]
fn without_a_hook_nothing_is_kept_and_those_who_listen_are_told_under_a_name_of_their_own() {
    let mut scene = Scene::start(&["a"], None);
    scene.told("api", "Probing");
    scene.keep(true);
    let kept = scene.file.clone().expect("kept");
    let mut scene = scene.again(&[]);
    scene.told("api", "Shifting");
    // That hooks are gone is written, and nothing of what is told.
    scene.keep(true);
    let file = scene.file.clone().expect("kept");
    assert_eq!((file.instance, file.next, file.events.len()), (kept.instance, kept.next, 0));
    scene.told("api", "Baking");
    assert!(scene.outbox.batch(at(1), false, true).is_none(), "nobody needs it");
    scene.outbox.kept(None);
    assert_eq!(scene.listened(), [""; 0], "it is not published");
    scene.outbox.publish();
    let first = scene.listened();
    assert_eq!(first.len(), 2);
    assert!(first[0].ends_with("-1") && first[1].ends_with("-2"), "{first:?}");
    assert!(!first[0].starts_with(&kept.instance.to_string()), "{first:?}");
    scene.told("web", "Probing");
    scene.fail(&["web"]);
    scene.told("api", "Steady");
    scene.fail(&["web"]);
    scene.outbox.publish();
    let all = scene.listened();
    assert!(all.len() == 3 && all[2].ends_with("-3"), "what was put back is not told: {all:?}");
}

#[test]
fn what_is_kept_is_told_once_it_is_published_in_order_and_without_a_gap() {
    let mut scene = Scene::start(&["a", "b"], None);
    scene.told("api", "Probing");
    scene.told("web", "Probing");
    scene.keep(true);
    assert!(scene.next("a").is_none(), "it is not published");
    scene.told("api", "Shifting");
    scene.keep(false);
    scene.outbox.publish();
    let all = [event(1, "Probing"), event(2, "Probing"), event(3, "Shifting")];
    assert_eq!(scene.taken("a"), all);
    assert_eq!(scene.outbox.report()["b"].pending, 3);
    scene.outbox.set_open(false);
    assert!(scene.next("b").is_none(), "another daemon tells them");
    scene.outbox.set_open(true);
    assert_eq!(scene.taken("b"), all);
    assert_eq!(scene.counted("delivered", "b"), 3.0);
    assert!(scene.queue.events().is_empty());
}

#[test]
fn what_is_put_back_has_never_happened() {
    let mut scene = Scene::start(&["a"], None);
    scene.told("api", "Probing");
    scene.fail(&["api"]);
    scene.outbox.publish();
    assert_eq!(scene.taken("a"), []);
    scene.told("api", "Probing");
    scene.keep(true);
    scene.outbox.publish();
    assert_eq!(scene.taken("a"), [event(1, "Probing")]);
}

#[test]
fn what_goes_back_although_it_cannot_be_kept_is_told_under_numbers_that_nobody_gives_again() {
    let mut scene = Scene::start(&["a"], None);
    scene.told("api", "Baking");
    scene.keep(true);
    scene.outbox.publish();
    let first = scene.next("a").expect("told");
    let file = scene.file.clone();
    scene.told("api", "RollingBack");
    scene.told("web", "Shifting");
    scene.fail(&["web"]);
    // Later in the same round.
    scene.told("api", "Failed");
    scene.fail(&["api"]);
    scene.outbox.publish();
    let events = scene.queue.events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!((events[1].sequence, events[1].to.as_str()), (2, "RollingBack"));
    assert_ne!(events[1].instance, first.instance);
    // After a crash here the same number means something else, and is called otherwise.
    assert_eq!(scene.file, file);
    let mut other = Scene::start(&["a"], file);
    other.told("api", "Draining");
    other.keep(true);
    other.outbox.publish();
    let again = other.queue.events();
    assert_eq!((again[1].sequence, again[1].instance), (2, first.instance));
    assert_ne!(again[1].id(), events[1].id());
    // Without one it is kept as soon as that is possible, and the numbers go on.
    scene.told("api", "Failed");
    scene.keep(false);
    scene.outbox.publish();
    let kept = scene.file.clone().expect("kept").events;
    assert_eq!(kept, scene.queue.events());
    let all = [event(1, "Baking"), event(2, "RollingBack"), event(3, "Failed")];
    assert_eq!(scene.again(&["a"]).taken("a"), all);
}

#[test]
fn a_write_that_came_late_is_undone_by_the_next_one() {
    let mut scene = Scene::start(&["a"], None);
    scene.told("api", "Probing");
    let late = scene.outbox.batch(at(1), true, false).expect("something");
    scene.outbox.not_kept(&BTreeSet::from([service("api")]));
    scene.write(&late);
    scene.told("api", "Waiting");
    scene.keep(false);
    let kept = &scene.file.as_ref().expect("kept").events;
    assert_eq!(kept.iter().map(|event| event.to.as_str()).collect::<Vec<_>>(), ["Waiting"]);
}

#[test]
fn while_another_daemon_decides_nothing_is_told_and_nothing_is_forgotten() {
    let mut scene = Scene::start(&["a"], None);
    scene.told("api", "Settling");
    scene.told("web", "Probing");
    let _ = scene.outbox.batch(at(1), false, false);
    scene.outbox.not_ours(&BTreeSet::from([service("web")]));
    scene.outbox.publish();
    assert_eq!(scene.taken("a"), []);
    scene.keep(true);
    scene.outbox.publish();
    assert_eq!(scene.taken("a"), [event(1, "Settling")]);
}

#[test]
fn what_a_restart_has_told_is_not_put_back() {
    for is_ours in [false, true] {
        let mut scene = Scene::start(&["a"], None);
        let why = "restarted".to_owned();
        let told = Transition { from: "Probing", to: "Waiting", why, release: Some(1) };
        scene.outbox.note_certain(at(1), (&zone(), &service("api")), &told);
        scene.told("api", "Shifting");
        scene.told("web", "Probing");
        let _ = scene.outbox.batch(at(1), false, false);
        let put_back = BTreeSet::from([service("api")]);
        match is_ours {
            true => scene.outbox.not_kept(&put_back),
            false => scene.outbox.not_ours(&put_back),
        }
        scene.keep(true);
        scene.outbox.publish();
        assert_eq!(scene.taken("a"), [event(1, "Waiting"), event(2, "Probing")]);
    }
}

#[test]
fn a_restart_goes_on_with_what_was_not_taken_and_with_the_numbers() {
    let mut scene = Scene::start(&["a", "b"], None);
    for to in ["Probing", "Shifting", "Baking"] {
        scene.told("api", to);
        scene.keep(true);
        scene.outbox.publish();
    }
    scene.queue.delivered(&hooks(&["a"])[0], 1);
    assert!(scene.outbox.next_deadline().is_none());
    scene.outbox.note_moved(at(0));
    assert!(scene.outbox.batch(at(1), false, false).is_none(), "a little later");
    let late = scene.outbox.batch(at(30), false, false).expect("it is time");
    scene.write(&late);
    scene.outbox.kept(Some(&late));
    // `b` is gone, and `c` is new: it is told what happens from now on.
    let mut scene = scene.again(&["a", "c"]);
    scene.told("api", "Steady");
    scene.keep(true);
    scene.outbox.publish();
    let rest = [event(2, "Shifting"), event(3, "Baking"), event(4, "Steady")];
    assert_eq!(scene.taken("a"), rest);
    assert_eq!(scene.taken("c"), [event(4, "Steady")]);
    scene.told("api", "Probing");
    scene.keep(false);
    assert_eq!(scene.file.as_ref().expect("kept").events.len(), 1, "the others are taken");
    // No hook is left: nothing is told or kept, but how far the numbers have come.
    let mut scene = scene.again(&[]);
    scene.told("api", "Shifting");
    scene.keep(true);
    let file = scene.file.clone().expect("kept");
    assert_eq!((file.events.len(), file.positions.len(), file.next), (0, 0, 6));
}

#[test]
fn how_far_hooks_have_come_is_kept_with_other_things_and_seldom_alone() {
    let mut scene = Scene::start(&["a"], None);
    (0..3).for_each(|_| scene.told("api", "Probing"));
    scene.keep(true);
    scene.outbox.publish();
    let a = &hooks(&["a"])[0];
    let keeps = |scene: &mut Scene, secs, has_others| {
        scene.outbox.note_moved(at(0));
        scene.outbox.batch(at(secs), false, has_others).is_some()
    };
    assert!(!keeps(&mut scene, 1, true), "nothing is new");
    scene.queue.delivered(a, 1);
    assert!(!keeps(&mut scene, 29, false));
    assert!(keeps(&mut scene, 1, true), "with other things");
    scene.queue.delivered(a, 2);
    assert!(!keeps(&mut scene, 29, false));
    scene.outbox.give_way(at(40));
    assert!(!keeps(&mut scene, 39, false), "a step is about to come");
    assert_eq!(scene.outbox.next_deadline(), Some(at(40)));
    scene.outbox.give_way(at(90));
    assert!(keeps(&mut scene, 60, false), "but not for ever");
    scene.queue.give_up(a, 3);
    assert!(keeps(&mut scene, 0, false), "at once");
    assert!(!keeps(&mut scene, 90, false) && scene.outbox.next_deadline().is_none());
}

#[test]
fn without_hooks_there_is_nothing_to_keep() {
    let mut scene = Scene::start(&[], None);
    scene.told("api", "Probing");
    scene.keep(true);
    scene.fail(&[]);
    scene.keep(true);
    assert_eq!(scene.file, None);
}

#[test]
fn the_oldest_of_too_many_are_dropped_counted_and_missed() {
    let mut scene = Scene::start(&["fast", "slow"], None);
    let tell = |scene: &mut Scene, count: usize| {
        (0..count).for_each(|_| scene.told("api", "Probing"));
        scene.keep(true);
        scene.outbox.publish();
    };
    tell(&mut scene, 3);
    assert_eq!(scene.taken("fast").len(), 3);
    tell(&mut scene, PENDING_MAX);
    assert_eq!((scene.counted("dropped", "fast"), scene.counted("dropped", "slow")), (0.0, 3.0));
    assert_eq!(scene.next("slow").map(|event| event.sequence), Some(4));
    tell(&mut scene, 2);
    assert_eq!((scene.counted("dropped", "fast"), scene.counted("dropped", "slow")), (2.0, 5.0));
    assert_eq!(scene.outbox.report()["slow"].pending, PENDING_MAX);
    tell(&mut scene, 1);
    let kept = scene.file.as_ref().expect("kept");
    assert!(kept.events.len() <= PENDING_MAX + 1, "{}", kept.events.len());
    assert_eq!(kept.positions.len(), 2);
}

#[test]
fn trouble_is_news_once_and_over_with_the_next_event_that_is_taken() {
    let mut scene = Scene::start(&["a"], None);
    scene.told("api", "Probing");
    scene.told("api", "Shifting");
    scene.keep(true);
    scene.outbox.publish();
    let a = &hooks(&["a"])[0];
    assert!(scene.queue.failed(a, at(5), "status 500"));
    assert!(!scene.queue.failed(a, at(6), "status 500"));
    assert!(scene.queue.failed(a, at(7), "status 502"));
    let report = scene.outbox.report().remove("a").expect("there");
    assert_eq!(report.error.as_deref(), Some("status 502"));
    assert_eq!(report.since.as_deref(), Some("1970-01-01T00:00:05Z"));
    assert_eq!(report.pending, 2);
    assert!(scene.queue.delivered(a, 1));
    assert!(!scene.queue.delivered(a, 2));
    assert_eq!(scene.outbox.report()["a"].error, None);
    assert_eq!(scene.counted("failed", "a"), 3.0);
    scene.queue.give_up(a, 3);
    assert_eq!(scene.counted("dropped", "a"), 1.0);
}
