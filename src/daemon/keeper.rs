//! Keeps the state: the store at work on a thread where it may wait for disks, and what is to be
//! said of it when it does not work.
//!
//! One write at a time. A disk that does not answer is a store that does not work: nobody waits for
//! it longer than its patience, and it is tried again by itself, more and more seldom. After an
//! error the file is opened anew, for nothing is known of what is in memory.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tracing::{error, info, warn};

use super::{
    failpoint::{Place, pass},
    state::set_aside,
};
use crate::{
    model::{DnsName, Timestamp},
    store::{self, Batch, Lock, Reader, Store, StoreError},
};

/// How long one write may take, and less than others wait for the conductor.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much longer for each service and event in it: about ten times what it takes.
const PATIENCE_PER_SERVICE: Duration = Duration::from_micros(100);
/// How many octets of a file are read in a second at the least.
const OPENED_PER_SECOND: u64 = 64 << 20;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// The file in a state directory.
pub(super) fn file_in(directory: &Path) -> PathBuf {
    directory.join("state.redb")
}

pub(super) struct Keeper {
    directory: PathBuf,
    zone: DnsName,
    /// How long the file was at the start.
    octets: u64,
    hand: Hand,
    lock: Option<Arc<Lock>>,
    reader: Option<Reader>,
    trouble: Option<Trouble>,
    /// Nothing has been written since it was opened, or was to be.
    is_untried: bool,
    /// Whether decisions are another daemon's.
    is_elsewhere: bool,
    /// What was kept in another file is not in this one. The thread says so as soon as it knows, for
    /// what it was to write there may fail.
    is_anew: Arc<AtomicBool>,
}

/// Where the store is.
enum Hand {
    Closed,
    Open(Store),
    /// With a thread that has not said what came of it.
    Away(JoinHandle<Worked>),
}

type Worked = Result<(Store, Arc<Lock>), StoreError>;

/// It does not work.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) since: Timestamp,
    pub(super) error: String,
    delay: Duration,
    retry_at: Timestamp,
}

/// Something was written.
pub(super) struct Written {
    /// Before, it did not work, or was not known to.
    pub(super) again: bool,
    /// The file is a new one: what was kept in another is not in it.
    pub(super) anew: bool,
}

/// Why nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Unwritten {
    /// The store does not work.
    #[error("the state cannot be written ({0})")]
    Broken(String),
    /// Another daemon decides.
    #[error("another daemon is taking over")]
    Elsewhere,
}

impl Keeper {
    /// One that opens its file, which has so many octets, with the first write, and for that locks
    /// the directory if it is not locked yet. If it `is_elsewhere`, the state is another daemon's
    /// until [`Keeper::resume`].
    pub(super) fn new(
        directory: PathBuf,
        zone: DnsName,
        octets: u64,
        lock: Option<Lock>,
        is_elsewhere: bool,
    ) -> Self {
        Self {
            directory,
            zone,
            octets,
            hand: Hand::Closed,
            lock: lock.map(Arc::new),
            reader: None,
            trouble: None,
            is_untried: true,
            is_elsewhere,
            is_anew: Arc::default(),
        }
    }

    /// Where the state is kept.
    pub(super) fn path(&self) -> PathBuf {
        file_in(&self.directory)
    }

    /// What is wrong with it.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Whether another daemon decides.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// The way to read it, while it works.
    pub(super) fn reader(&self) -> Option<Reader> {
        self.reader.clone()
    }

    /// When a write is worth a try although there is nothing to write.
    pub(super) fn next_try(&self) -> Option<Timestamp> {
        match &self.trouble {
            _ if self.is_elsewhere => None,
            Some(trouble) => Some(trouble.retry_at),
            None => self.is_untried.then(Timestamp::default),
        }
    }

    /// Before when no decision will be kept.
    pub(super) fn not_before(&self, now: Timestamp) -> Timestamp {
        let elsewhere = if self.is_elsewhere { now + RETRY_FIRST } else { Timestamp::default() };
        self.trouble.as_ref().map_or(elsewhere, |trouble| trouble.retry_at.max(elsewhere))
    }

    /// Why nothing can be done now that is to be kept, for whoever asks for it.
    pub(super) fn refusal(&self) -> Option<String> {
        if self.is_elsewhere {
            return Some(format!("{}: ask that one", Unwritten::Elsewhere));
        }
        let trouble = self.trouble.as_ref()?;
        Some(format!(
            "{}: nothing has changed; only what goes back is done all the same",
            Unwritten::Broken(trouble.error.clone())
        ))
    }

    /// Writes all of it or nothing; durable when it returns.
    pub(super) async fn write(
        &mut self,
        now: Timestamp,
        batch: Arc<Batch>,
    ) -> Result<Written, Unwritten> {
        if self.is_elsewhere {
            return Err(Unwritten::Elsewhere);
        }
        if let Some(trouble) = &self.trouble
            && now < trouble.retry_at
        {
            return Err(Unwritten::Broken(trouble.error.clone()));
        }
        let patience = self.patience(&batch);
        let written = match self.fetch(PATIENCE).await {
            Ok(()) => {
                self.hand = Hand::Away(self.begin(batch));
                self.fetch(patience).await
            }
            late => late,
        };
        if let Err(why) = written {
            return Err(self.complain(now, why));
        }
        let was_in_trouble = self.trouble.take().is_some();
        if was_in_trouble {
            info!(path = %self.path().display(), "the state can be written again");
        }
        let again = mem::take(&mut self.is_untried) || was_in_trouble;
        Ok(Written { again, anew: self.is_anew.swap(false, Relaxed) })
    }

    /// A file that was not closed is read as a whole when it is opened.
    fn patience(&self, batch: &Batch) -> Duration {
        let events = batch.events.as_ref().map_or(0, |events| events.events.len());
        let services = u32::try_from(batch.services.len() + events).unwrap_or(u32::MAX);
        let to_open = if matches!(self.hand, Hand::Closed) { self.octets } else { 0 };
        PATIENCE
            + PATIENCE_PER_SERVICE.saturating_mul(services)
            + Duration::from_secs(to_open / OPENED_PER_SECOND)
    }

    fn begin(&mut self, batch: Arc<Batch>) -> JoinHandle<Worked> {
        let (directory, zone, lock) =
            (self.directory.clone(), self.zone.clone(), self.lock.clone());
        let is_anew = self.is_anew.clone();
        match (mem::replace(&mut self.hand, Hand::Closed), lock) {
            (Hand::Open(store), Some(lock)) => spawn_blocking(move || {
                let path = file_in(&directory);
                if !store.is_at(&path) {
                    let path = path.display();
                    warn!(%path, "the state was removed or replaced under us: it is written anew");
                    drop(store);
                    // It may have been replaced by one that is not empty.
                    is_anew.store(true, Relaxed);
                    return open(&directory, &zone, Some(lock), &batch, &is_anew);
                }
                write(&store, &batch)?;
                Ok((store, lock))
            }),
            (_, lock) => spawn_blocking(move || open(&directory, &zone, lock, &batch, &is_anew)),
        }
    }

    /// Stops to write, because another daemon is about to decide. What is under way is waited for.
    pub(super) async fn suspend(&mut self) {
        self.is_elsewhere = true;
        // If it fails, that is tried again when this daemon goes on.
        let _ = self.fetch(PATIENCE).await;
    }

    /// Writes again, or for the first time; false when it did already.
    pub(super) fn resume(&mut self) -> bool {
        if !mem::take(&mut self.is_elsewhere) {
            return false;
        }
        (self.is_untried, self.trouble) = (true, None);
        true
    }

    /// Gives the file and the directory up.
    pub(super) async fn close(&mut self) {
        self.suspend().await;
        self.reader = None;
        let lock = self.lock.take();
        if let Hand::Open(store) = mem::replace(&mut self.hand, Hand::Closed) {
            let _ = timeout(PATIENCE, spawn_blocking(move || drop((store, lock)))).await;
        }
    }

    /// Waits for the thread, if it is at work.
    async fn fetch(&mut self, patience: Duration) -> Result<(), String> {
        let Hand::Away(work) = &mut self.hand else { return Ok(()) };
        let worked = timeout(patience, work).await;
        let worked = worked.map_err(|_| format!("no answer within {patience:?}"))?;
        self.hand = Hand::Closed;
        self.reader = None;
        match worked {
            Ok(Ok((store, lock))) => {
                (self.reader, self.lock) = (Some(store.reader()), Some(lock));
                self.hand = Hand::Open(store);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(panic) => Err(panic.to_string()),
        }
    }

    /// Says so, but not each time.
    fn complain(&mut self, now: Timestamp, why: String) -> Unwritten {
        let path = self.path();
        let known = self.trouble.as_ref();
        match known {
            None => error!(
                path = %path.display(), why,
                "the state cannot be written: answers go on and so do verdicts, releases stand \
                 still; it is tried again by itself"
            ),
            Some(known) if known.error != why => {
                warn!(path = %path.display(), why, "the state still cannot be written");
            }
            Some(_) => {}
        }
        let delay = known.map_or(RETRY_FIRST, |known| (known.delay * 2).min(RETRY_LAST));
        let since = known.map_or(now, |known| known.since);
        self.trouble = Some(Trouble { since, error: why.clone(), delay, retry_at: now + delay });
        Unwritten::Broken(why)
    }
}

fn open(
    directory: &Path,
    zone: &DnsName,
    lock: Option<Arc<Lock>>,
    batch: &Batch,
    is_anew: &AtomicBool,
) -> Worked {
    store::make_directory(directory)?;
    let lock = match lock {
        Some(lock) if lock.is_of(directory) => lock,
        _ => Arc::new(Lock::take(directory)?),
    };
    let path = file_in(directory);
    let mut store = match Store::open(&path, zone) {
        // A predecessor of an earlier version has kept it until now.
        Err(StoreError::Older(_)) => {
            set_aside(&path);
            Store::open(&path, zone)?
        }
        opened => opened?,
    };
    is_anew.fetch_or(store.take_is_new(), Relaxed);
    pass(Place::StateOpened);
    write(&store, batch)?;
    Ok((store, lock))
}

fn write(store: &Store, batch: &Batch) -> Result<(), StoreError> {
    pass(Place::BeforeTransaction);
    store.write(batch)?;
    pass(Place::AfterTransaction);
    Ok(())
}
