//! One release as it is written.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    row::{RowError, wrong},
    spec::{duration, micros},
};
use crate::{
    cutover::{Ending, Record, Step},
    health::{Finding, TestRecord},
    model::Timestamp,
};

/// Instants are in microseconds since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordRow {
    from: String,
    to: String,
    by: String,
    begun: u64,
    ended: Option<(u64, String)>,
    steps: Vec<(u64, String, String, String)>,
    omitted: u64,
    tests: Vec<TestRow>,
}

/// The latency in microseconds.
#[derive(Serialize, Deserialize)]
struct TestRow {
    pool: String,
    address: IpAddr,
    test: String,
    at: u64,
    latency: u64,
    result: String,
    why: String,
}

impl RecordRow {
    pub(super) fn of(record: &Record) -> Self {
        let Record { id: _, from, to, by, begun, ended, steps, omitted, tests } = record.clone();
        let step = |Step { at, from, to, why }| (at.unix_micros(), from, to, why);
        Self {
            from,
            to,
            by,
            begun: begun.unix_micros(),
            ended: ended.map(|(at, ending)| (at.unix_micros(), ending.name().to_owned())),
            steps: steps.into_iter().map(step).collect(),
            omitted,
            tests: tests.into_iter().map(TestRow::of).collect(),
        }
    }

    pub(super) fn read(self, id: u64) -> Result<Record, RowError> {
        let at = Timestamp::from_unix_micros;
        let ending = |name: String| {
            let known = Ending::ALL.into_iter().find(|ending| ending.name() == name);
            known.ok_or_else(|| wrong("the result of a release", name))
        };
        let ended = self.ended.map(|(micros, name)| Ok((at(micros), ending(name)?))).transpose()?;
        let step = |(micros, from, to, why)| Step { at: at(micros), from, to, why };
        Ok(Record {
            id,
            from: self.from,
            to: self.to,
            by: self.by,
            begun: at(self.begun),
            ended,
            steps: self.steps.into_iter().map(step).collect(),
            omitted: self.omitted,
            tests: self.tests.into_iter().map(TestRow::read).collect::<Result<_, _>>()?,
        })
    }
}

impl TestRow {
    fn of(record: TestRecord) -> Self {
        let TestRecord { pool, address, test, at, latency, finding } = record;
        let (result, why) = (finding.name().to_owned(), finding.why().to_owned());
        let (at, latency) = (at.unix_micros(), micros(latency));
        Self { pool: pool.to_string(), address, test, at, latency, result, why }
    }

    fn read(self) -> Result<TestRecord, RowError> {
        let Self { pool, address, test, at, latency, result, why } = self;
        let finding = match result.as_str() {
            "good" => Finding::Good(why),
            "bad" => Finding::Bad(why),
            "unjudged" => Finding::Unjudged(why),
            other => return Err(wrong("the result of a test", other)),
        };
        let pool = pool.parse().map_err(|why| wrong("the pool of a test", why))?;
        let at = Timestamp::from_unix_micros(at);
        let latency = duration("a test", latency)?;
        Ok(TestRecord { pool, address, test, at, latency, finding })
    }
}
