//! The global stop as it is written.

use redb::{ReadableTable, Table};
use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    row::{RowError, wrong},
};
use crate::model::{Freeze, FreezeReason, Timestamp};

const KEY: &str = "freeze";

/// Writes that there is one, or that there is none.
pub(super) fn write(
    about: &mut Table<'_, &str, &str>,
    freeze: Option<&Freeze>,
) -> Result<(), StoreError> {
    match freeze.map(|freeze| serde_json::to_string(&FreezeRow::of(freeze))).transpose() {
        Ok(Some(row)) => drop(about.insert(KEY, row.as_str())?),
        Ok(None) => drop(about.remove(KEY)?),
        Err(error) => return Err(StoreError::Other(error.to_string())),
    }
    Ok(())
}

/// What was written; or that it means nothing.
pub(super) fn read(
    about: &impl ReadableTable<&'static str, &'static str>,
) -> Result<Result<Option<Freeze>, RowError>, StoreError> {
    let Some(row) = about.get(KEY)? else { return Ok(Ok(None)) };
    let row: Result<FreezeRow, _> = serde_json::from_str(row.value());
    Ok(row.map_err(|why| wrong("the freeze", why)).and_then(FreezeRow::read).map(Some))
}

#[derive(Serialize, Deserialize)]
struct FreezeRow {
    by: String,
    reason: Option<String>,
    /// In microseconds since 1970.
    since: u64,
}

impl FreezeRow {
    fn of(freeze: &Freeze) -> Self {
        let Freeze { by, reason, since } = freeze.clone();
        let reason = reason.map(|reason| reason.as_str().to_owned());
        Self { by, reason, since: since.unix_micros() }
    }

    fn read(self) -> Result<Freeze, RowError> {
        let reason = self.reason.map(|reason| reason.parse::<FreezeReason>()).transpose();
        Ok(Freeze {
            by: self.by,
            reason: reason.map_err(|why| wrong("the reason of the freeze", why))?,
            since: Timestamp::from_unix_micros(self.since),
        })
    }
}
