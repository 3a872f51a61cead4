//! One release as it is written.

use serde::{Deserialize, Serialize};

use super::row::{RowError, wrong};
use crate::{
    cutover::{Ending, Record, Step},
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
}

impl RecordRow {
    pub(super) fn of(record: &Record) -> Self {
        let Record { id: _, from, to, by, begun, ended, steps, omitted } = record.clone();
        let step = |Step { at, from, to, why }| (at.unix_micros(), from, to, why);
        Self {
            from,
            to,
            by,
            begun: begun.unix_micros(),
            ended: ended.map(|(at, ending)| (at.unix_micros(), ending.name().to_owned())),
            steps: steps.into_iter().map(step).collect(),
            omitted,
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
        })
    }
}
