//! Floor 2: what is kept over restarts, in one file that survives a crash at any instant.
//!
//! What was written by one [`Store::write`] is there after a crash as a whole or not at all, and is
//! there once it has returned. `row` is one service, with `spec` for what was asked of it; `history`
//! is one release; `events` is what is to be told to hooks. [`look`] reads without touching the file:
//! a copy of it in memory is checked, page by page, and mended there. So what was kept can be served
//! again from a disk that is full or read only, and beside another process that has the file.
//!
//! The file belongs to redb (a B-tree whose pages are written beside the old ones); each row is JSON
//! in it. Left out: when to write and what to do if that fails, which the daemon decides.

mod error;
mod events;
mod freeze;
mod history;
mod kinds;
mod lock;
mod probe;
mod proof;
mod row;
mod spec;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable,
    StorageBackend, TableDefinition, TableError, backends::InMemoryBackend,
};

use crate::{
    cutover::Record,
    model::{DnsName, Freeze, ServiceName},
};
pub use error::StoreError;
pub use events::{FoundEvents, Outgoing};
use history::RecordRow;
pub use lock::{Lock, LockError};
use row::Row;
pub use row::{Kept, RowError};

/// The form of the rows, which grows with each that those before it cannot be read as. One that is later
/// is never written to.
const FORMAT: u64 = 2;
/// Releases of one service that are remembered.
pub const RELEASES_MAX: u64 = 50;
/// Of pages in memory: the file is read rarely, and in order.
const CACHE_OCTETS: usize = 64 << 20;

/// What the file is: `format` and `zone`; the [`freeze`], while there is one; and who numbers
/// [`events`], if somebody does.
const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");
/// Rows of services by name.
const SERVICES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("services");
/// Rows of releases by service and number.
const HISTORY: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("history");

/// What goes into one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Services that stand elsewhere than they did.
    pub services: Vec<(ServiceName, Kept)>,
    /// Services that are no longer answered; their history goes with them.
    pub removed: Vec<ServiceName>,
    /// Releases that something happened to.
    pub history: Vec<(ServiceName, Record)>,
    /// The global stop, or that there is none, where that has changed.
    pub freeze: Option<Option<Freeze>>,
    /// What is to be told to hooks, and what they have been told.
    pub events: Option<Outgoing>,
}

impl Batch {
    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        let Self { services, removed, history, freeze, events } = self;
        let are_empty = services.is_empty() && removed.is_empty() && history.is_empty();
        are_empty && freeze.is_none() && events.is_none()
    }
}

/// What was found in the file.
#[derive(Debug, Default)]
pub struct Found {
    /// The services that can be answered again.
    pub services: Vec<(ServiceName, Kept)>,
    /// The releases that their machines belong to.
    pub releases: Vec<(ServiceName, Record)>,
    /// The global stop.
    pub freeze: Option<Freeze>,
    /// What was to be told to hooks, if there ever were any.
    pub events: Option<FoundEvents>,
    /// Rows that mean nothing.
    pub wrong: Vec<(String, RowError)>,
}

/// Reads a file without touching it; `None` when there is none.
pub fn look(path: &Path, zone: &DnsName) -> Result<Option<Found>, StoreError> {
    let octets = match fs::read(path) {
        Ok(octets) if octets.is_empty() => return Ok(None),
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // What is damaged enough may make the reader panic; that is no reason to do without answers.
    match catch_unwind(|| look_at(&octets, zone)) {
        Ok(Err(
            error @ (StoreError::Newer(_) | StoreError::Older(_) | StoreError::OtherZone(_)),
        )) => Err(error),
        // A copy in memory can have no other errors than those of its octets.
        Ok(Err(error)) => Err(StoreError::Damaged(error.to_string())),
        Ok(found) => found,
        Err(_) => Err(StoreError::Damaged("it cannot be read at all".to_owned())),
    }
}

fn look_at(octets: &[u8], zone: &DnsName) -> Result<Option<Found>, StoreError> {
    let database = copy(octets, true)?;
    // Nothing has been committed yet: as good as no file.
    let Some(()) = recognise(&database, zone)? else { return Ok(None) };
    found(&database, zone).map(Some)
}

fn copy(octets: &[u8], is_checked: bool) -> Result<Database, StoreError> {
    let copy = InMemoryBackend::new();
    copy.set_len(octets.len() as u64)?;
    copy.write(0, octets)?;
    Ok(builder().set_check_integrity_on_open(is_checked).create_with_backend(copy)?)
}

/// The file, open for writing.
#[derive(Debug)]
pub struct Store {
    database: Arc<Database>,
    is_new: bool,
    file: FileId,
}

/// Device and number of a file.
type FileId = (u64, u64);

fn id_of(path: &Path) -> io::Result<FileId> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Store {
    /// Opens the file, or makes one.
    pub fn open(path: &Path, zone: &DnsName) -> Result<Self, StoreError> {
        // To open it is to write to it.
        let may_be_opened = match ReadOnlyDatabase::open(path) {
            Ok(database) => recognise(&database, zone).map(drop),
            // It was not closed: it has to be mended before it can be read.
            Err(DatabaseError::RepairAborted) => {
                recognise(&copy(&fs::read(path)?, false)?, zone).map(drop)
            }
            // That there is none, or that it is empty, is no error, and all others are met again.
            Err(_) => Ok(()),
        };
        may_be_opened?;
        let database = Arc::new(builder().create(path)?);
        let is_new = recognise(&*database, zone)?.is_none();
        let store = Self { database, is_new, file: id_of(path)? };
        if is_new {
            store.begin(zone)?;
            // The name of a new file is durable only with its directory.
            if let Some(directory) = path.parent() {
                File::open(directory)?.sync_all()?;
            }
        }
        Ok(store)
    }

    fn begin(&self, zone: &DnsName) -> Result<(), StoreError> {
        let writing = self.database.begin_write()?;
        {
            let mut about = writing.open_table(ABOUT)?;
            about.insert("format", FORMAT.to_string().as_str())?;
            about.insert("zone", zone.to_string().as_str())?;
            writing.open_table(SERVICES)?;
            writing.open_table(HISTORY)?;
        }
        Ok(writing.commit()?)
    }

    /// Writes everything or nothing. After an error the file is to be opened anew.
    pub fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let writing = self.database.begin_write()?;
        {
            let mut services = writing.open_table(SERVICES)?;
            let mut history = writing.open_table(HISTORY)?;
            for name in &batch.removed {
                services.remove(name.as_str())?;
                history.retain_in((name.as_str(), 0)..=(name.as_str(), u64::MAX), |_, _| false)?;
            }
            for (name, kept) in &batch.services {
                services.insert(name.as_str(), encode(&Row::of(kept))?.as_slice())?;
            }
            for (name, record) in &batch.history {
                let key = (name.as_str(), record.id);
                history.insert(key, encode(&RecordRow::of(record))?.as_slice())?;
                let old = record.id.saturating_sub(RELEASES_MAX - 1);
                history.retain_in((name.as_str(), 0)..(name.as_str(), old), |_, _| false)?;
            }
            if let Some(freeze) = &batch.freeze {
                freeze::write(&mut writing.open_table(ABOUT)?, freeze.as_ref())?;
            }
            if let Some(events) = &batch.events {
                events::write(&writing, events)?;
            }
        }
        Ok(writing.commit()?)
    }

    /// Whether there was nothing in the file when it was opened; told once.
    pub fn take_is_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    /// Whether the file that it writes to is still the one that a restart would read.
    pub fn is_at(&self, path: &Path) -> bool {
        id_of(path).is_ok_and(|file| file == self.file)
    }

    /// The way to read it meanwhile.
    pub fn reader(&self) -> Reader {
        Reader(self.database.clone())
    }
}

/// Reads beside the one who writes.
#[derive(Clone, Debug)]
pub struct Reader(Arc<Database>);

impl Reader {
    /// The releases of a service, or of all of them, by name and number.
    pub fn history(
        &self,
        service: Option<&ServiceName>,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        let reading = self.0.begin_read()?;
        let table = reading.open_table(HISTORY)?;
        let rows = match service {
            Some(name) => table.range((name.as_str(), 0)..=(name.as_str(), u64::MAX))?,
            None => table.range::<(&str, u64)>(..)?,
        };
        let mut records = Vec::new();
        for row in rows {
            let (key, row) = row?;
            let (name, id) = key.value();
            records.push((name.to_owned(), record(id, row.value())?));
        }
        Ok(records)
    }
}

/// Moves a file that cannot be used out of the way, and says where it is now.
pub fn set_aside(path: &Path, now_secs: u64) -> io::Result<PathBuf> {
    let aside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{now_secs}"));
        if number > 0 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    let free = (0..).map(aside).find(|aside| !aside.exists());
    let aside = free.expect("invariant: the numbers do not end");
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Makes the directory of the file, for this user alone.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_OCTETS);
    builder
}

/// Whether it is ours, and one that we know; `None` when nothing is in it.
fn recognise(database: &impl ReadableDatabase, zone: &DnsName) -> Result<Option<()>, StoreError> {
    let reading = database.begin_read()?;
    let about = match reading.open_table(ABOUT) {
        Ok(about) => about,
        Err(TableError::TableDoesNotExist(_)) if reading.list_tables()?.next().is_none() => {
            return Ok(None);
        }
        Err(error) => return Err(StoreError::Damaged(error.to_string())),
    };
    let text = |key| Ok::<_, StoreError>(about.get(key)?.map(|value| value.value().to_owned()));
    let format = text("format")?.unwrap_or_default();
    match format.parse::<u64>() {
        Ok(FORMAT) => {}
        Ok(older) if older < FORMAT => return Err(StoreError::Older(older)),
        _ => return Err(StoreError::Newer(format)),
    }
    match text("zone")? {
        Some(name) if name == zone.to_string() => Ok(Some(())),
        other => Err(StoreError::OtherZone(other.unwrap_or_default())),
    }
}

fn found(database: &Database, zone: &DnsName) -> Result<Found, StoreError> {
    let reading = database.begin_read()?;
    let (services, history) = (reading.open_table(SERVICES)?, reading.open_table(HISTORY)?);
    let mut found = Found::default();
    match freeze::read(&reading.open_table(ABOUT)?)? {
        Ok(freeze) => found.freeze = freeze,
        Err(why) => found.wrong.push(("the freeze".to_owned(), why)),
    }
    found.events = events::read(&reading, zone)?;
    for row in services.iter()? {
        let (key, row) = row?;
        let (name, kept) = match service(key.value(), row.value()) {
            Ok(read) => read,
            Err(error) => {
                found.wrong.push((key.value().to_owned(), error));
                continue;
            }
        };
        if kept.snapshot.releases > 0
            && let Some(row) = history.get((name.as_str(), kept.snapshot.releases))?
        {
            match record(kept.snapshot.releases, row.value()) {
                Ok(record) => found.releases.push((name.clone(), record)),
                Err(StoreError::Damaged(why)) => {
                    found.wrong.push((format!("{name}, its last release"), RowError(why)));
                }
                Err(error) => return Err(error),
            }
        }
        found.services.push((name, kept));
    }
    Ok(found)
}

fn service(key: &str, row: &[u8]) -> Result<(ServiceName, Kept), RowError> {
    let name: ServiceName = key.parse().map_err(|why| row::wrong("the name", why))?;
    let row: Row = serde_json::from_slice(row).map_err(|why| row::wrong("the row", why))?;
    let kept = row.read(&name)?;
    Ok((name, kept))
}

fn record(id: u64, row: &[u8]) -> Result<Record, StoreError> {
    let row: RecordRow =
        serde_json::from_slice(row).map_err(|why| StoreError::Damaged(why.to_string()))?;
    row.read(id).map_err(|why| StoreError::Damaged(why.to_string()))
}

fn encode(row: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(row).map_err(|error| StoreError::Other(error.to_string()))
}
