//! The course of a release: which share of the answers each pool was to have, and which it had, from its
//! beginning on. For people who watch; nothing is decided by it.
//!
//! A share holds for clients, and what is counted is answers. A busy client asks more often than others,
//! so the share of the answers strays from the target by `sqrt(w(1 − w)/N)`, where N says how many
//! equally busy clients would make it stray as much ([`Crowd`]). Where each question draws anew
//! ([`Spread::Random`]), it does not matter who asks.

mod crowd;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

pub use crowd::Crowd;

use crate::model::{PoolName, Spread, Timestamp};

/// From one point to the next, at first.
pub const COURSE_TICK: Duration = Duration::from_secs(1);
/// Points of one course; with one more, each two become one, and are further apart from then on.
const POINTS_MAX: usize = 240;
/// Over which time answers count for the share that is had now, since the target changed.
const LATELY: Duration = Duration::from_secs(60);

/// What was to be answered, and what was, from one instant to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The end of that time.
    pub at: Timestamp,
    /// The percentage of the clients that each pool was to have, at the end of it.
    pub target: BTreeMap<PoolName, u8>,
    /// How many answers named each pool.
    pub answers: BTreeMap<PoolName, u64>,
    /// What part of the draws one client's answers share, if that could be told: 1/N, or nothing where
    /// each question draws.
    each: Option<f64>,
}

/// The share of the answers that a pool had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// In percent.
    pub share: f64,
    /// How far it may stray from the target: one standard deviation, in points. Unknown of too few
    /// answers.
    pub deviation: Option<f64>,
    /// Of how many answers.
    pub answers: u64,
}

/// The course of one release, or of a split that is answered without one.
#[derive(Clone, Debug, Default)]
pub struct Course {
    release: Option<u64>,
    points: Vec<Point>,
    /// How many ticks a point stands for, and how many the last one does.
    ticks: (u32, u32),
    /// What has been counted so far.
    counted: BTreeMap<PoolName, u64>,
    /// Points of the last minute, not yet made fewer.
    lately: VecDeque<Point>,
    crowd: Crowd,
    spread: Spread,
}

impl Course {
    /// The course of a release that begins when this many answers have been counted.
    pub fn new(release: Option<u64>, counted: BTreeMap<PoolName, u64>) -> Self {
        Self { release, ticks: (1, 0), counted, ..Self::default() }
    }

    /// It goes on when this many have been counted; what has come since it ended is not its own.
    pub fn resume(&mut self, counted: BTreeMap<PoolName, u64>) {
        self.counted = counted;
        self.lately.clear();
    }

    /// The number of the release.
    pub fn release(&self) -> Option<u64> {
        self.release
    }

    /// What there is to be drawn, the oldest first.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How many equally busy clients stand behind the answers, if that can be told and matters.
    pub fn clients(&self) -> Option<f64> {
        clients(self.each())
    }

    fn each(&self) -> Option<f64> {
        match self.spread {
            Spread::Random => Some(0.0),
            Spread::Sticky => self.crowd.size().map(|clients| 1.0 / clients),
        }
    }

    /// A client was answered: a hash of its network.
    pub fn asked(&mut self, client: u32) {
        self.crowd.add(client);
    }

    /// Some time has passed: what was to be answered in all of it, and what has been counted in all.
    /// Whenever that changes, this is to be told first.
    pub fn note(
        &mut self,
        at: Timestamp,
        (target, spread): (BTreeMap<PoolName, u8>, Spread),
        counted: BTreeMap<PoolName, u64>,
    ) {
        let since = |(pool, count): (&PoolName, &u64)| {
            let before = self.counted.get(pool).copied().unwrap_or_default();
            (pool.clone(), count.saturating_sub(before))
        };
        let answers = counted.iter().map(since).collect();
        (self.counted, self.spread) = (counted, spread);
        let point = Point { at, target, answers, each: self.each() };
        // What is to be judged by the old target is no news of this one.
        self.lately.retain(|old| old.target == point.target && at.since(old.at) < LATELY);
        self.lately.push_back(point.clone());
        self.draw(point);
    }

    fn draw(&mut self, point: Point) {
        let (each, done) = &mut self.ticks;
        match self.points.last_mut() {
            // A step is drawn when it was taken.
            Some(last) if *done < *each && last.target == point.target => {
                last.take(point);
                *done += 1;
            }
            _ => {
                self.points.push(point);
                *done = 1;
            }
        }
        if self.points.len() > POINTS_MAX {
            self.points = halved(std::mem::take(&mut self.points));
            match self.points.len().checked_sub(POINTS_MAX) {
                // Hardly two have one target, in a ramp of many steps: the oldest are of the least use.
                Some(too_many) => drop(self.points.drain(..too_many)),
                None => self.ticks.0 *= 2,
            }
        }
    }

    /// Whether this is what was to be answered when it was last counted.
    pub fn is_at(&self, target: &BTreeMap<PoolName, u8>) -> bool {
        self.lately.back().is_some_and(|point| point.target == *target)
    }

    /// The share of the answers that a pool has had lately, since its target changed; none if nobody
    /// has asked.
    pub fn share(&self, pool: &PoolName) -> Option<Share> {
        let target = self.lately.back()?.target.get(pool).copied().unwrap_or_default();
        let of = |point: &Point| point.answers.get(pool).copied().unwrap_or_default();
        let all = self.lately.iter().map(Point::sum).sum();
        share(self.lately.iter().map(of).sum(), all, target, self.each())
    }
}

impl Point {
    /// The share of the answers that a pool had; none if there were none.
    pub fn share(&self, pool: &PoolName) -> Option<Share> {
        let target = self.target.get(pool).copied().unwrap_or_default();
        let answers = self.answers.get(pool).copied().unwrap_or_default();
        share(answers, self.sum(), target, self.each)
    }

    /// As [`Course::clients`], then.
    pub fn clients(&self) -> Option<f64> {
        clients(self.each)
    }

    /// The pools that had a share, or were to have one.
    pub fn pools(&self) -> BTreeSet<&PoolName> {
        let answered = self.answers.iter().filter(|(_, count)| **count > 0);
        self.target.keys().chain(answered.map(|(pool, _)| pool)).collect()
    }

    fn sum(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Goes on to the end of a later one.
    fn take(&mut self, later: Self) {
        let Self { at, target, answers, each } = later;
        for (pool, count) in answers {
            *self.answers.entry(pool).or_default() += count;
        }
        (self.at, self.target, self.each) = (at, target, each);
    }
}

/// Each two that have the same target become one.
fn halved(points: Vec<Point>) -> Vec<Point> {
    let mut halved: Vec<Point> = Vec::with_capacity(POINTS_MAX);
    let mut is_whole = true;
    for point in points {
        match halved.last_mut().filter(|last| !is_whole && last.target == point.target) {
            Some(last) => {
                last.take(point);
                is_whole = true;
            }
            None => {
                halved.push(point);
                is_whole = false;
            }
        }
    }
    halved
}

fn clients(each: Option<f64>) -> Option<f64> {
    each.filter(|each| *each > 0.0).map(|each| 1.0 / each)
}

fn share(answers: u64, all: u64, target: u8, each: Option<f64>) -> Option<Share> {
    if all == 0 {
        return None;
    }
    let target = f64::from(target) / 100.0;
    let drawn = target * (1.0 - target);
    // The clients draw once, and the answers are a sample of what they ask.
    let variance = |each: f64| drawn * (each + (1.0 - each) / all as f64);
    let variance = if drawn == 0.0 { Some(0.0) } else { each.map(variance) };
    let share = answers as f64 * 100.0 / all as f64;
    let deviation = variance.map(|variance| variance.sqrt() * 100.0);
    Some(Share { share, deviation, answers: all })
}

#[cfg(test)]
mod tests;
