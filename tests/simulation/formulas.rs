//! What is known of caches by calculation must come out of the simulation, within what chance
//! allows: each bound is so many standard deviations of what is measured, and these follow from how
//! many caches, or releases, it is the sum of. Seeds are fixed, so a test that passes always does.

use std::time::Duration;

use cutover::{cutover::CACHE_CLOCK, model::PoolName};

use super::{
    answers::picked,
    caches::{Cache, Held, PINNED, Population},
    chance::Chance,
    conductor::Conductor,
    wanted::{Wanted, pool_name},
    world::{START, World},
};

/// More than five happens once in 1.7 million times, where there is nothing wrong.
const DEVIATIONS: f64 = 5.0;
const TTL_SECS: u32 = 60;
const TTL: Duration = Duration::from_secs(TTL_SECS as u64);

/// Everyone is moved from `v1` to `v2` in one swap, after caches have been used for long.
fn swapped(population: &Population, seed: u64) -> World {
    let wanted = Wanted::plain("api").ttl(TTL_SECS);
    let mut world = World::new(wanted.spec.clone(), population, Chance::new(seed));
    kept(world.run_to(START + 2 * TTL));
    kept(world.save(wanted.live(2).spec));
    world
}

fn kept(checked: Result<(), String>) {
    assert_eq!(checked, Ok(()));
}

/// The share of clients each cache has.
fn popularities(caches: &[Cache]) -> Vec<f64> {
    let all: f64 = caches.iter().map(|cache| cache.per_second).sum();
    caches.iter().map(|cache| cache.per_second / all).collect()
}

/// The share of clients that is given `v1` by a cache now.
fn old_share(world: &World) -> f64 {
    let old = pool_name(1);
    let shares = world.caches.iter().zip(popularities(&world.caches));
    let olds = shares.filter(|(cache, _)| is_held(world, cache.holds(world.now), &old));
    olds.map(|(_, share)| share).sum()
}

fn is_held(world: &World, held: Option<Held>, pool: &PoolName) -> bool {
    held.is_some_and(|held| world.conductor.pool_of(held.pool) == pool)
}

/// Where the chances are these: what is to be expected of a sum with these parts, and its standard
/// deviation.
fn expected(parts: &[f64], chances: &[f64]) -> (f64, f64) {
    let mean = parts.iter().zip(chances).map(|(part, chance)| part * chance).sum();
    let variance = |(part, chance): (&f64, &f64)| part * part * chance * (1.0 - chance);
    let variance: f64 = parts.iter().zip(chances).map(variance).sum();
    (mean, variance.sqrt())
}

/// `h(1 − s/T)`: of clients whose cache has the hit ratio `h`, those are still given the old pool
/// `s` after the swap whose answer is older than that.
#[test]
fn the_old_share_falls_linearly_after_a_swap() {
    for (exponent, seed) in [(0.0, 1), (0.8, 2), (1.0, 3)] {
        for most_per_second in [0.02, 1.0, 50.0] {
            let population = Population::exact(2_000, most_per_second, exponent);
            let mut world = swapped(&population, seed);
            let (swapped_at, parts) = (world.now, popularities(&world.caches));
            for tenths in 0..=10 {
                kept(world.run_to(swapped_at + TTL * tenths / 10));
                let left = 1.0 - f64::from(tenths) / 10.0;
                let is_old = |cache: &Cache| cache.hit_ratio(TTL) * left;
                let chances: Vec<f64> = world.caches.iter().map(is_old).collect();
                let (mean, deviation) = expected(&parts, &chances);
                let (seen, most) = (old_share(&world), DEVIATIONS * deviation);
                assert!(
                    (seen - mean).abs() <= most + f64::EPSILON,
                    "{tenths}/10 of the TTL after the swap: {seen} instead of {mean} ± {most}"
                );
            }
        }
    }
}

/// `sqrt(w(1 − w)/N)` with `N = (Σr)²/Σr²`: so far does the share of clients that a release achieves
/// stray from the share `w` that it is to have, and as often above as below.
#[test]
fn an_achieved_share_strays_as_far_as_the_effective_number_of_resolvers_says() {
    const RELEASES: usize = 400;
    for (exponent, percent) in [(0.0, 10), (0.8, 25), (1.0, 10), (1.0, 50)] {
        let caches = Population::exact(300, 1.0, exponent).caches(&mut Chance::new(1));
        let parts = popularities(&caches);
        let w = f64::from(percent) / 100.0;
        let shares: Vec<f64> =
            (0..RELEASES).map(|number| achieved(number, percent, &caches, &parts)).collect();
        let effective = 1.0 / parts.iter().map(|part| part * part).sum::<f64>();
        let variance = w * (1.0 - w) / effective;
        let count = RELEASES as f64;
        let mean = shares.iter().sum::<f64>() / count;
        let most = DEVIATIONS * (variance / count).sqrt();
        assert!((mean - w).abs() <= most, "a mean of {mean} instead of {w} ± {most}");
        let seen = shares.iter().map(|share| (share - w).powi(2)).sum::<f64>() / count;
        // Of a sum of independent parts; a variance is off by as much as the fourth moment says.
        let excess = w * (1.0 - w) * (1.0 - 6.0 * w * (1.0 - w));
        let fourth = parts.iter().map(|part| part.powi(4) * excess).sum::<f64>();
        let most = DEVIATIONS * ((2.0 * variance * variance + fourth) / count).sqrt();
        assert!((seen - variance).abs() <= most, "{seen} instead of {variance} ± {most}");
    }
}

/// The share of clients that one release, of a service of its own, moves in its first step.
fn achieved(number: usize, percent: u8, caches: &[Cache], parts: &[f64]) -> f64 {
    let wanted = Wanted::plain(&format!("s{number}")).ramp(&[(percent, TTL)]);
    let mut conductor = Conductor::adopt(START, wanted.spec.clone());
    conductor.save(START, wanted.live(2).spec);
    assert_eq!(conductor.cutover.phase().name(), "Settling");
    let has_moved = |cache: &Cache| picked(&conductor, cache.network) == Ok(Some(2));
    caches.iter().zip(parts).filter(|(cache, _)| has_moved(cache)).map(|(_, part)| part).sum()
}

#[test]
fn who_does_not_keep_to_the_ttl_is_seen_and_counted_apart() {
    let exact = Population::exact(2_000, 1.0, 0.0);
    let mut world = swapped(&Population { stretchers: true, browsers: 1_000, ..exact }, 4);
    let horizon = world.now + TTL + CACHE_CLOCK;
    kept(world.run_to(horizon));
    let old = pool_name(1);
    let holders = |world: &World, is_by_the_standard| {
        let caches = world.caches.iter();
        let asked = caches.filter(|c| c.keeping.is_by_the_standard() == is_by_the_standard);
        asked.filter(|cache| is_held(world, cache.holds(world.now), &old)).count()
    };
    assert_eq!(holders(&world, true), 0);
    let stretchers = world.caches.iter().filter(|cache| !cache.keeping.is_by_the_standard());
    assert_eq!(holders(&world, false), stretchers.count(), "nobody has held it for so long yet");
    let pinned = |world: &World| {
        let behind = |index: usize| world.caches[index].keeping.is_by_the_standard();
        let browsers = world.browsers.iter().filter(|browser| behind(browser.behind));
        browsers.filter(|browser| is_held(world, browser.holds(world.now), &old)).count()
    };
    assert!(pinned(&world) > 0, "browsers hold on");
    kept(world.run_to(horizon + PINNED));
    assert_eq!(pinned(&world), 0, "beyond the pin allowance");
}
