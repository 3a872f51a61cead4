//! What is on disk after a crash, read by the library from a copy.

use std::{collections::BTreeMap, fs, path::Path};

use cutover::{
    cutover::{Record, Snapshot, Stage, Step, phase::Release},
    model::{DnsName, Freeze, Percent},
    store::{self, Store},
};

/// Where the releases stand, and what became of them.
#[derive(Clone, Default)]
pub(crate) struct Committed {
    pub(crate) services: BTreeMap<String, Snapshot>,
    pub(crate) history: BTreeMap<String, Vec<Record>>,
    pub(crate) freeze: Option<Freeze>,
}

/// Who is answered by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Everyone by the pools of a split.
    All(Vec<String>),
    /// A share of the clients by other pools than the rest.
    Apart { release: u64, share: u8, from: Vec<String>, to: Vec<String> },
}

impl Given {
    /// Whichever release it is.
    pub(crate) fn without_number(self) -> Self {
        match self {
            Self::Apart { share, from, to, .. } => Self::Apart { release: 0, share, from, to },
            all => all,
        }
    }
}

impl Committed {
    pub(crate) fn read(state: &Path) -> Result<Self, String> {
        let zone: DnsName = "zone.test".parse().expect("a name");
        let Some(found) = store::look(state, &zone).map_err(|error| error.to_string())? else {
            return Ok(Self::default());
        };
        if !found.wrong.is_empty() {
            return Err(format!("rows that mean nothing: {:?}", found.wrong));
        }
        let services = found.services.into_iter();
        let services = services.map(|(name, kept)| (name.to_string(), kept.snapshot)).collect();
        let folder = tempfile::tempdir().expect("a scratch folder");
        let copy = folder.path().join("copy");
        fs::copy(state, &copy).expect("copied");
        let history = Store::open(&copy, &zone).and_then(|store| store.reader().history(None));
        let mut by_service = BTreeMap::<String, Vec<Record>>::new();
        for (service, record) in history.map_err(|error| error.to_string())? {
            by_service.entry(service).or_default().push(record);
        }
        Ok(Self { services, history: by_service, freeze: found.freeze })
    }

    pub(crate) fn records(&self, service: &str) -> &[Record] {
        self.history.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// The changes of phase of a service, with the numbers of their releases.
    pub(crate) fn steps(&self, service: &str) -> impl Iterator<Item = (u64, &Step)> {
        let records = self.records(service).iter();
        records.flat_map(|record| record.steps.iter().map(|step| (record.id, step)))
    }

    /// What a service is answered with, when nothing of it is down.
    pub(crate) fn given(&self, service: &str) -> Option<Given> {
        Some(given(&self.services.get(service)?.stage))
    }

    /// The pools that a service has been answered with, or may have been.
    pub(crate) fn known(&self, service: &str) -> String {
        let records = self.records(service).iter();
        let sides = records.map(|record| format!("{} {}", record.from, record.to));
        sides.collect::<Vec<_>>().join(" ")
    }
}

/// The release that a stage belongs to.
pub(crate) fn release(stage: &Stage) -> Option<&Release> {
    match stage {
        Stage::Steady { .. } => None,
        Stage::Paused(stage, _) => release(stage),
        Stage::Probing(release)
        | Stage::Waiting(release, _)
        | Stage::Shifting(release, _)
        | Stage::Settling(release, _)
        | Stage::Judging(release, _)
        | Stage::Baking(release)
        | Stage::Draining(release)
        | Stage::RollingBack { release, .. }
        | Stage::Failed { release, .. } => Some(release),
    }
}

fn given(stage: &Stage) -> Given {
    let all = |side: &cutover::cutover::Side| Given::All(pools(side));
    match stage {
        Stage::Steady { serving, .. } | Stage::Failed { serving, .. } => all(serving),
        Stage::Paused(stage, _) => given(stage),
        Stage::Probing(release) | Stage::Waiting(release, None) => all(&release.from),
        Stage::Shifting(release, share)
        | Stage::Waiting(release, Some(share))
        | Stage::Settling(release, share)
        | Stage::Judging(release, share)
            if *share < Percent::ALL =>
        {
            let (release, share, from, to) =
                (release.id, share.get(), pools(&release.from), pools(&release.to));
            Given::Apart { release, share, from, to }
        }
        Stage::Shifting(release, _)
        | Stage::Waiting(release, Some(_))
        | Stage::Settling(release, _)
        | Stage::Judging(release, _)
        | Stage::Baking(release)
        | Stage::Draining(release) => all(&release.to),
        Stage::RollingBack { release, .. } => all(&release.safe),
    }
}

/// With their weights.
fn pools(side: &cutover::cutover::Side) -> Vec<String> {
    let weights = side.split().weights();
    weights.map(|(pool, weight)| format!("{pool}:{weight:?}")).collect()
}
