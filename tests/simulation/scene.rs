//! One seed: a service, those who ask for it, and a person who edits, orders and breaks things.

use std::{net::IpAddr, time::Duration};

use cutover::cutover::Verb;

use super::{
    caches::Population,
    chance::Chance,
    promises::Checked,
    seen::Seen,
    wanted::{POOLS, Wanted, pool_name},
    world::World,
};

/// In milliseconds: for how long a worker may go on answering from a table that was replaced.
const LAGS_MILLIS: [u64; 4] = [0, 2, 50, 900];
/// In which a release ends by itself when nothing stands in its way.
const HOURS_MAX: u64 = 24;

/// What came of a seed: what was seen, or what was not as promised; and the story, if it was asked
/// for.
pub(crate) struct Played {
    pub(crate) ended: Result<Seen, String>,
    pub(crate) story: Vec<String>,
}

/// Plays one seed.
pub(crate) fn play(seed: u64, tells: bool) -> Played {
    let mut scene = Scene::new(seed);
    scene.world.story = tells.then(Vec::new);
    let ended = scene.play();
    let World { conductor, mut seen, story, .. } = scene.world;
    seen.seeds = 1;
    seen.stores = conductor.stores;
    Played { ended: ended.map(|()| seen), story: story.unwrap_or_default() }
}

struct Scene {
    world: World,
    wanted: Wanted,
    chance: Chance,
    /// What becomes of the name that a pool points to, if one does.
    elsewhere: Option<Chance>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let both_families = chance.once_in(2);
        let mut wanted = Wanted::random(both_families, &mut chance);
        // Of its own, so that the stories of all other seeds stay as they are.
        let mut elsewhere = Some(Chance::new(!seed)).filter(|_| seed % 4 == 3);
        if let Some(chance) = &mut elsewhere {
            wanted.look_up(chance);
        }
        let ttl = wanted.spec.ttl.duration().as_secs_f64();
        let population = Population {
            caches: 4 + chance.below(36) as usize,
            most_per_second: chance.pick(&[0.3, 1.0, 5.0, 20.0]) / ttl,
            exponent: chance.pick(&[0.0, 0.8, 1.0, 1.2]),
            both_families,
            mixed: true,
            stretchers: chance.once_in(2),
            browsers: chance.below(4) as usize,
        };
        let others = Chance::new(chance.number());
        let mut world = World::new(wanted.spec.clone(), &population, others);
        world.lag = Duration::from_millis(chance.pick(&LAGS_MILLIS));
        Self { world, wanted, chance, elsewhere }
    }

    fn play(&mut self) -> Checked {
        self.pass()?;
        self.wanted.spec.live = pool_name(2).into();
        self.save("v2 is live")?;
        for _ in 0..4 + self.chance.below(12) {
            self.pass()?;
            self.happen()?;
        }
        self.finish()
    }

    /// Some time, long or short beside a TTL.
    fn pass(&mut self) -> Checked {
        let ttl = self.wanted.spec.ttl.duration().as_secs_f64();
        let wait = self.chance.pick(&[0.2, 2.0, 6.0]) * ttl;
        let end = self.world.now + self.chance.wait(1.0 / wait);
        self.world.run_to(end)
    }

    fn happen(&mut self) -> Checked {
        if let Some(chance) = self.elsewhere.as_mut()
            && chance.once_in(3)
        {
            let (name, found) = self.wanted.look_up(chance);
            self.world.resolve(name, found)?;
        }
        match self.chance.below(14) {
            0..4 => {
                let what = self.wanted.edit(self.world.now, &mut self.chance);
                self.save(what)
            }
            4..8 => {
                let (verb, force) = (self.chance.pick(&Verb::ALL), self.chance.once_in(3));
                self.world.ask(verb, force).map(drop)
            }
            8..11 => {
                self.break_or_mend();
                Ok(())
            }
            11 => {
                let frozen = self.chance.once_in(2);
                self.world.freeze(frozen)
            }
            12 => {
                self.world.doubt(true)?;
                self.pass()?;
                self.world.doubt(false)
            }
            _ if self.chance.once_in(3) => self.world.vanish(),
            _ => self.save("nothing new"),
        }
    }

    fn save(&mut self, what: &str) -> Checked {
        let spec = self.wanted.spec.clone();
        self.world.tell(|| format!("saved, {what}: {spec:?}"));
        self.world.save(spec)
    }

    /// One endpoint of a pool, or all of it.
    fn break_or_mend(&mut self) {
        let pool = pool_name(1 + self.chance.below(POOLS.into()) as u8);
        let Some(pool) = self.wanted.spec.pools.get(&pool) else { return };
        let mut addresses: Vec<IpAddr> = pool.addresses().collect();
        if self.chance.once_in(2) {
            addresses = vec![self.chance.pick(&addresses)];
        }
        let breaks = self.chance.once_in(2);
        self.world.set_broken(&addresses, breaks);
    }

    /// When nothing is broken, paused or frozen any more, whatever is under way ends by itself.
    fn finish(&mut self) -> Checked {
        self.world.mend_all();
        self.world.is_all_good = true;
        self.world.freeze(false)?;
        self.world.ask(Verb::Resume, false)?;
        let end = self.world.now + Duration::from_secs(HOURS_MAX * 3_600);
        let is_done =
            |world: &World| matches!(world.conductor.cutover.phase().name(), "Steady" | "Failed");
        while !is_done(&self.world) {
            if self.world.now >= end {
                let phase = self.world.conductor.cutover.phase();
                return Err(format!("does not end: {phase:?}"));
            }
            let ttl = self.wanted.spec.ttl.duration();
            self.world.run_to(self.world.now + ttl)?;
        }
        Ok(())
    }
}
