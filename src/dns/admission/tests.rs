//! Who may stay: single cases with a made-up clock, and any course of events against a list that is
//! searched from one end to the other.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    total: 5,
    per_network: 2,
    idle: Duration::from_secs(10),
    message: Duration::from_secs(2),
};

fn network(number: u8) -> Network {
    Network::of([198, 51, number, 9].into())
}

struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn at(&self, secs: u64) -> Instant {
        self.0 + Duration::from_secs(secs)
    }
}

#[test]
fn a_network_is_a_24_or_a_56() {
    let of = |text: &str| Network::of(text.parse().expect("an address"));
    assert_eq!(of("192.0.2.1"), of("192.0.2.255"));
    assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
    assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"), "mapped");
    assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:ff::2"));
    assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:100::1"));
}

#[test]
fn order_of_giving_up() {
    use Standing::{Busy, Fresh, Idle, Leaving, Stuck};
    let clock = Clock::start();
    let mut admission = Admission::new(Limits { total: 6, per_network: 6, ..LIMITS });
    let mut admit = |name, standing, since| {
        let (id, victim) = admission.admit(network(1), clock.at(since), name);
        admission.touch(id, standing, clock.at(since));
        assert_eq!(victim, None);
    };
    admit("busy for long", Busy, 0);
    admit("idle", Idle, 8);
    admit("leaving", Leaving, 9);
    admit("new", Fresh, 9);
    admit("silent from the start", Fresh, 6);
    admit("stuck", Stuck, 7);
    let order = std::iter::from_fn(|| admission.shed(clock.at(9)));
    let order: Vec<_> = order.collect();
    assert_eq!(
        order,
        ["leaving", "silent from the start", "stuck", "idle", "busy for long", "new"]
    );
    assert!(admission.is_empty());
}

#[test]
fn time_runs_out_by_standing() {
    let clock = Clock::start();
    let mut admission = Admission::new(LIMITS);
    let mut admit = |name, standing| {
        let (id, _) = admission.admit(network(name), clock.at(0), name);
        admission.touch(id, standing, clock.at(0));
        id
    };
    admit(0, Standing::Idle);
    admit(1, Standing::Fresh);
    let busy = admit(2, Standing::Busy);
    admit(3, Standing::Leaving);
    admit(4, Standing::Stuck);
    assert_eq!(admission.expire(clock.at(1)), None);
    // Another message began.
    admission.touch(busy, Standing::Busy, clock.at(1));
    assert_eq!(admission.expire(clock.at(2)), Some((3, Cause::Slow)));
    assert_eq!(admission.expire(clock.at(2)), None);
    assert_eq!(admission.expire(clock.at(3)), Some((2, Cause::Slow)));
    assert_eq!(admission.expire(clock.at(9)), None);
    assert_eq!(admission.expire(clock.at(10)), Some((0, Cause::Idle)));
    assert_eq!(admission.expire(clock.at(10)), Some((4, Cause::Slow)));
    assert_eq!(admission.expire(clock.at(10)), Some((1, Cause::Idle)));
    assert_eq!(admission.expire(clock.at(99)), None);
    assert!(admission.is_empty());
}

#[test]
fn only_idle_ones_are_quiet() {
    let clock = Clock::start();
    let mut admission = Admission::new(LIMITS);
    for (name, standing) in [Standing::Idle, Standing::Fresh, Standing::Busy].iter().enumerate() {
        let (id, _) = admission.admit(network(name as u8), clock.at(0), name);
        admission.touch(id, *standing, clock.at(5));
    }
    assert_eq!(admission.quiet_since(clock.at(4)).count(), 0);
    assert_eq!(admission.quiet_since(clock.at(5)).collect::<Vec<_>>(), [&0]);
    assert_eq!(admission.handles().count(), 3);
}

#[derive(Clone, Debug)]
enum Event {
    Admit(u8),
    Touch(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Shed,
    Expire,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4u8).prop_map(Event::Admit),
        6 => (any::<prop::sample::Index>(), 0..5u8).prop_map(|(who, what)| Event::Touch(who, what)),
        1 => any::<prop::sample::Index>().prop_map(Event::Remove),
        1 => Just(Event::Shed),
        1 => Just(Event::Expire),
    ]
}

/// One connection of the list.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: Id,
    handle: u32,
    network: u8,
    standing: Standing,
    since: Instant,
}

/// The rank by which one is given up, lowest first; said in another way than the code does.
fn rank(known: &Known, now: Instant) -> (u8, Instant, Id) {
    let is_new = now < known.since + LIMITS.message;
    let class = match known.standing {
        Standing::Leaving => 0,
        Standing::Idle | Standing::Stuck => 1,
        Standing::Fresh if !is_new => 1,
        Standing::Fresh | Standing::Busy => 2,
    };
    (class, known.since, known.id)
}

fn victim(list: &[Known], now: Instant, of: impl Fn(&Known) -> bool) -> Option<u32> {
    let least = list.iter().filter(|known| of(known)).min_by_key(|known| rank(known, now));
    least.map(|known| known.handle)
}

fn is_overdue(known: &Known, now: Instant) -> bool {
    let patience = match known.standing {
        Standing::Idle | Standing::Stuck | Standing::Fresh => LIMITS.idle,
        Standing::Leaving | Standing::Busy => LIMITS.message,
    };
    now >= known.since + patience
}

proptest! {
    #[test]
    fn any_course_of_events_is_as_the_plain_list_has_it(
        events in prop::collection::vec((event(), 0..4000u64), 0..200),
    ) {
        let mut now = Instant::now();
        let mut admission = Admission::new(LIMITS);
        let mut list: Vec<Known> = Vec::new();
        for (handle, (event, later)) in (0..).zip(events) {
            now += Duration::from_millis(later);
            match event {
                Event::Admit(number) => {
                    let near = |known: &Known| known.network == number;
                    let wanted = if list.iter().filter(|known| near(known)).count() >= LIMITS.per_network {
                        victim(&list, now, near)
                    } else if list.len() >= LIMITS.total {
                        victim(&list, now, |_| true)
                    } else {
                        None
                    };
                    let (id, gone) = admission.admit(network(number), now, handle);
                    prop_assert_eq!(gone, wanted);
                    list.retain(|known| Some(known.handle) != gone);
                    let standing = Standing::Fresh;
                    list.push(Known { id, handle, network: number, standing, since: now });
                }
                Event::Touch(who, what) if !list.is_empty() => {
                    let at = who.index(list.len());
                    let known = &mut list[at];
                    known.standing = Standing::ALL[usize::from(what)];
                    known.since = now;
                    admission.touch(known.id, known.standing, now);
                }
                Event::Remove(who) if !list.is_empty() => {
                    let known = list.swap_remove(who.index(list.len()));
                    prop_assert_eq!(admission.remove(known.id), Some(known.handle));
                    prop_assert_eq!(admission.remove(known.id), None, "only once");
                }
                Event::Touch(..) | Event::Remove(_) => {}
                Event::Shed => {
                    let wanted = victim(&list, now, |_| true);
                    prop_assert_eq!(admission.shed(now), wanted);
                    list.retain(|known| Some(known.handle) != wanted);
                }
                Event::Expire => {
                    while let Some((gone, _)) = admission.expire(now) {
                        let at = list.iter().position(|known| known.handle == gone).expect("known");
                        prop_assert!(is_overdue(&list.swap_remove(at), now));
                    }
                    prop_assert!(!list.iter().any(|known| is_overdue(known, now)));
                }
            }
            prop_assert!(list.len() <= LIMITS.total);
            prop_assert_eq!(admission.handles().count(), list.len());
            prop_assert_eq!(admission.is_empty(), list.is_empty());
        }
    }
}
