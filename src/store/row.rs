//! One service as it is written: where its machine stands, and what caches may hold of it.
//!
//! Pools are written once and named by their place in a list, since a machine that holds a pool
//! mostly holds it as the file has it. Everything is read through the constructors of `model`: what
//! they refuse is an error that names the value.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::spec::{PoolRow, SpecRow, micros, weight_of};
use crate::{
    cutover::{Bond, InstantState, PauseReason, Schedule, Side, Snapshot, Stage, phase::Release},
    model::{Percent, Pool, PoolName, ServiceName, Timestamp, Ttl},
};

/// What is kept of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its machine.
    pub snapshot: Snapshot,
    /// The pools that may be given to caches at any time, and for how long.
    pub given: BTreeMap<PoolName, Ttl>,
    /// The horizons of the others, where they are known.
    pub horizons: BTreeMap<PoolName, Timestamp>,
}

/// Why a row means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RowError(pub(super) String);

impl RowError {
    /// One with this text.
    pub fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// Any refusal of a constructor, with what it was about.
pub(super) fn wrong(what: &str, why: impl std::fmt::Display) -> RowError {
    RowError(format!("{what}: {why}"))
}

#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    spec: SpecRow,
    orphaned: bool,
    releases: u64,
    last_step: Option<u64>,
    last_swap: Option<u64>,
    stage: StageRow,
    pools: Vec<PoolRow>,
    given: BTreeMap<String, u32>,
    horizons: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
enum StageRow {
    Steady { serving: SideRow, previous: Option<SideRow> },
    Probing(ReleaseRow),
    Waiting(ReleaseRow, Option<u8>),
    Paused(Box<Self>, PauseRow),
    Shifting(ReleaseRow, u8),
    Settling(ReleaseRow, u8),
    Judging(ReleaseRow, u8),
    Baking(ReleaseRow),
    Draining(ReleaseRow),
    RollingBack { release: ReleaseRow, failure: Option<String> },
    Failed { release: ReleaseRow, serving: SideRow, reason: String },
}

/// Who has paused it, or why a guard has no data.
#[derive(Serialize, Deserialize)]
enum PauseRow {
    Person(String),
    Guard(String),
}

/// Places of pools, and their weights.
#[derive(Serialize, Deserialize)]
pub(super) struct SideRow(Vec<(usize, u32)>);

#[derive(Serialize, Deserialize)]
struct ReleaseRow {
    id: u64,
    from: SideRow,
    to: SideRow,
    safe: SideRow,
    fallback: Option<SideRow>,
    started_at: u64,
    stood: u64,
    schedule: ScheduleRow,
    /// The group, and which clients its steps move.
    bond: Option<(String, u64)>,
    is_forced: bool,
}

#[derive(Serialize, Deserialize)]
struct ScheduleRow {
    asked: Option<u64>,
    clean: bool,
    in_caches: u64,
    state: InstantRow,
}

#[derive(Serialize, Deserialize)]
enum InstantRow {
    None,
    Ahead(u64),
    Missed(u64),
    Met(u64),
}

/// The pools of one row, each once.
#[derive(Default)]
pub(super) struct PoolList(Vec<Arc<Pool>>);

impl PoolList {
    pub(super) fn place(&mut self, pool: &Arc<Pool>) -> usize {
        let known = self.0.iter().position(|known| known == pool);
        known.unwrap_or_else(|| {
            self.0.push(pool.clone());
            self.0.len() - 1
        })
    }

    pub(super) fn at(&self, place: usize) -> Result<Arc<Pool>, RowError> {
        self.0.get(place).cloned().ok_or_else(|| wrong("pools", format!("there is no {place}")))
    }
}

impl Row {
    pub(super) fn of(kept: &Kept) -> Self {
        let Kept { snapshot, given, horizons } = kept;
        let Snapshot { spec, orphaned, releases, last_step, last_swap, stage } = snapshot;
        let mut pools = PoolList::default();
        Self {
            spec: SpecRow::of(spec, &mut pools),
            orphaned: *orphaned,
            releases: *releases,
            last_step: last_step.map(Timestamp::unix_micros),
            last_swap: last_swap.map(Timestamp::unix_micros),
            stage: StageRow::of(stage, &mut pools),
            pools: pools.0.iter().map(|pool| PoolRow::of(pool)).collect(),
            given: given.iter().map(|(pool, ttl)| (pool.to_string(), ttl.secs())).collect(),
            horizons: horizons.iter().map(|(p, at)| (p.to_string(), at.unix_micros())).collect(),
        }
    }

    /// What was kept of the service `name`.
    pub(super) fn read(self, name: &ServiceName) -> Result<Kept, RowError> {
        let pools: Result<_, RowError> =
            self.pools.into_iter().map(|pool| pool.read().map(Arc::new)).collect();
        let pools = PoolList(pools?);
        let spec = self.spec.read(name, &pools)?;
        let stage = self.stage.read(&pools)?;
        let pool = |name: String| name.parse().map_err(|why| wrong("a pool's name", why));
        let given = self.given.into_iter().map(|(name, secs)| {
            let ttl = Ttl::new(Duration::from_secs(secs.into()));
            Ok((pool(name)?, ttl.map_err(|why| wrong("given", why))?))
        });
        let horizons = self.horizons.into_iter().map(|(name, micros)| {
            Ok::<_, RowError>((pool(name)?, Timestamp::from_unix_micros(micros)))
        });
        let (orphaned, releases) = (self.orphaned, self.releases);
        let [last_step, last_swap] =
            [self.last_step, self.last_swap].map(|at| at.map(Timestamp::from_unix_micros));
        Ok(Kept {
            snapshot: Snapshot {
                spec: Arc::new(spec),
                orphaned,
                releases,
                last_step,
                last_swap,
                stage,
            },
            given: given.collect::<Result<_, RowError>>()?,
            horizons: horizons.collect::<Result<_, _>>()?,
        })
    }
}

impl StageRow {
    fn of(stage: &Stage, pools: &mut PoolList) -> Self {
        let mut release = |release: &Release| ReleaseRow::of(release, pools);
        match stage {
            Stage::Steady { serving, previous } => Self::Steady {
                serving: SideRow::of(serving, pools),
                previous: previous.as_ref().map(|previous| SideRow::of(previous, pools)),
            },
            Stage::Probing(of) => Self::Probing(release(of)),
            Stage::Waiting(of, share) => Self::Waiting(release(of), share.map(Percent::get)),
            Stage::Paused(stage, reason) => {
                Self::Paused(Box::new(Self::of(stage, pools)), PauseRow::of(reason))
            }
            Stage::Shifting(of, share) => Self::Shifting(release(of), share.get()),
            Stage::Settling(of, share) => Self::Settling(release(of), share.get()),
            Stage::Judging(of, share) => Self::Judging(release(of), share.get()),
            Stage::Baking(of) => Self::Baking(release(of)),
            Stage::Draining(of) => Self::Draining(release(of)),
            Stage::RollingBack { release: of, failure } => {
                Self::RollingBack { release: release(of), failure: failure.clone() }
            }
            Stage::Failed { release: of, serving, reason } => Self::Failed {
                release: release(of),
                serving: SideRow::of(serving, pools),
                reason: reason.clone(),
            },
        }
    }

    fn read(self, pools: &PoolList) -> Result<Stage, RowError> {
        let percent = |share: u8| {
            format!("{share}%").parse::<Percent>().map_err(|why| wrong("the share", why))
        };
        Ok(match self {
            Self::Steady { serving, previous } => Stage::Steady {
                serving: serving.read(pools)?,
                previous: previous.map(|previous| previous.read(pools)).transpose()?,
            },
            Self::Probing(release) => Stage::Probing(release.read(pools)?),
            Self::Waiting(release, share) => {
                Stage::Waiting(release.read(pools)?, share.map(percent).transpose()?)
            }
            Self::Paused(stage, reason) => {
                if matches!(*stage, Self::Paused(..)) {
                    return Err(wrong("a pause", "it is paused twice"));
                }
                Stage::Paused(Box::new(stage.read(pools)?), reason.read())
            }
            Self::Shifting(release, share) => {
                Stage::Shifting(release.read(pools)?, percent(share)?)
            }
            Self::Settling(release, share) => {
                Stage::Settling(release.read(pools)?, percent(share)?)
            }
            Self::Judging(release, share) => Stage::Judging(release.read(pools)?, percent(share)?),
            Self::Baking(release) => Stage::Baking(release.read(pools)?),
            Self::Draining(release) => Stage::Draining(release.read(pools)?),
            Self::RollingBack { release, failure } => {
                Stage::RollingBack { release: release.read(pools)?, failure }
            }
            Self::Failed { release, serving, reason } => Stage::Failed {
                release: release.read(pools)?,
                serving: serving.read(pools)?,
                reason,
            },
        })
    }
}

impl PauseRow {
    fn of(reason: &PauseReason) -> Self {
        match reason {
            PauseReason::Person(by) => Self::Person(by.clone()),
            PauseReason::Guard(why) => Self::Guard(why.clone()),
        }
    }

    fn read(self) -> PauseReason {
        match self {
            Self::Person(by) => PauseReason::Person(by),
            Self::Guard(why) => PauseReason::Guard(why),
        }
    }
}

impl SideRow {
    fn of(side: &Side, pools: &mut PoolList) -> Self {
        Self(side.parts().map(|(pool, weight)| (pools.place(pool), weight.get())).collect())
    }

    fn read(self, pools: &PoolList) -> Result<Side, RowError> {
        let part = |(place, weight): (usize, u32)| {
            Ok((pools.at(place)?, weight_of("a pool's weight", weight)?))
        };
        let parts: Vec<_> = self.0.into_iter().map(part).collect::<Result<_, RowError>>()?;
        let many = parts.len();
        let side = Side::new(parts).filter(|side| side.pools().count() == many);
        side.ok_or_else(|| wrong("a split", "it has no pool, or one twice"))
    }
}

impl ReleaseRow {
    fn of(release: &Release, pools: &mut PoolList) -> Self {
        let Release { id, from, to, safe, fallback, started_at, stood, schedule, .. } = release;
        Self {
            id: *id,
            from: SideRow::of(from, pools),
            to: SideRow::of(to, pools),
            safe: SideRow::of(safe, pools),
            fallback: fallback.as_ref().map(|fallback| SideRow::of(fallback, pools)),
            started_at: started_at.unix_micros(),
            stood: micros(*stood),
            schedule: ScheduleRow::of(schedule),
            is_forced: release.is_forced,
            bond: release.bond.as_ref().map(|bond| (bond.group.to_string(), bond.salt)),
        }
    }

    fn read(self, pools: &PoolList) -> Result<Release, RowError> {
        let bond = self.bond.map(|(group, salt)| {
            let group = group.parse().map_err(|why| wrong("the group", why))?;
            Ok::<_, RowError>(Bond { group, salt })
        });
        Ok(Release {
            id: self.id,
            from: self.from.read(pools)?,
            to: self.to.read(pools)?,
            safe: self.safe.read(pools)?,
            fallback: self.fallback.map(|fallback| fallback.read(pools)).transpose()?,
            started_at: Timestamp::from_unix_micros(self.started_at),
            stood: Duration::from_micros(self.stood),
            schedule: self.schedule.read(),
            bond: bond.transpose()?,
            is_forced: self.is_forced,
        })
    }
}

impl ScheduleRow {
    fn of(schedule: &Schedule) -> Self {
        let Schedule { asked, clean, in_caches, state } = *schedule;
        let state = match state {
            InstantState::None => InstantRow::None,
            InstantState::Ahead(instant) => InstantRow::Ahead(instant.unix_micros()),
            InstantState::Missed(instant) => InstantRow::Missed(instant.unix_micros()),
            InstantState::Met(instant) => InstantRow::Met(instant.unix_micros()),
        };
        let (asked, in_caches) = (asked.map(Timestamp::unix_micros), in_caches.unix_micros());
        Self { asked, clean, in_caches, state }
    }

    fn read(self) -> Schedule {
        let instant = Timestamp::from_unix_micros;
        let state = match self.state {
            InstantRow::None => InstantState::None,
            InstantRow::Ahead(micros) => InstantState::Ahead(instant(micros)),
            InstantRow::Missed(micros) => InstantState::Missed(instant(micros)),
            InstantRow::Met(micros) => InstantState::Met(instant(micros)),
        };
        let (asked, in_caches) = (self.asked.map(instant), instant(self.in_caches));
        Schedule { asked, clean: self.clean, in_caches, state }
    }
}
