//! Tells when the release file has changed, whatever way it was changed.
//!
//! The parent directory is watched, not the file: editors write a new file and rename it, and
//! Kubernetes swaps the directory behind a link. After a change it waits until nothing happens
//! for a while, so that a file is not read half written. It also looks by itself now and then,
//! for file systems that do not tell. What it reads is compared with what it read before, so that
//! nothing is told twice. What is good or not beside some zones may be otherwise beside others: it is
//! judged again when they change.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tracing::warn;

use super::{Rejected, read, release};
use crate::model::{Checksum, Desired, Outside, Zones};

/// Nothing must happen for so long before the file is read.
const QUIET: Duration = Duration::from_millis(100);
/// But no longer than this is waited in all, for a directory in which something always happens.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the file is read without being told.
const POLL: Duration = Duration::from_secs(2);

/// What the file on disk says now.
#[derive(Debug)]
pub struct Reading {
    /// Of its text, if it could be read.
    pub checksum: Option<Checksum>,
    /// What it asks for.
    pub says: Result<Arc<Desired>, Rejected>,
    /// The zones that it was judged beside.
    pub beside: Arc<Zones>,
}

/// Why the watcher looks at the file.
enum Wake {
    /// Something happened in its directory.
    Changed,
    /// A person asked (SIGHUP): say what you find even if it is what you found before.
    Asked,
    /// End.
    Stop,
}

/// Watches one release file on a thread of its own until it is dropped.
pub struct ReleaseWatch {
    wake: mpsc::Sender<Wake>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ReleaseWatch {
    /// Begins to watch. `told` is called at once with what the file says, and then after each
    /// change.
    pub fn start(
        path: PathBuf,
        (zones, outside): (Arc<ArcSwap<Zones>>, Outside),
        told: impl FnMut(Reading) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (wake, wakes) = mpsc::channel();
        let watching = Watching {
            path,
            zones,
            outside,
            told,
            wake: wake.clone(),
            last: None,
            judged: None,
            watcher: None,
            watched: None,
            complained: false,
        };
        let thread = thread::Builder::new()
            .name("release-watch".to_owned())
            .spawn(move || watching.run(&wakes))?;
        Ok(Self { wake, thread: Some(thread) })
    }

    /// Looks at the file now, and says what it finds in any case.
    pub fn look(&self) {
        // The thread ends only with us.
        let _ = self.wake.send(Wake::Asked);
    }
}

impl Drop for ReleaseWatch {
    fn drop(&mut self) {
        let _ = self.wake.send(Wake::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watching<F> {
    path: PathBuf,
    /// Those of the moment.
    zones: Arc<ArcSwap<Zones>>,
    outside: Outside,
    told: F,
    wake: mpsc::Sender<Wake>,
    /// What was read last: the text, or why there was none.
    last: Option<Result<String, String>>,
    /// Beside which zones it was judged, and why it was refused if it was.
    judged: Option<(Arc<Zones>, Option<Rejected>)>,
    watcher: Option<RecommendedWatcher>,
    /// Device and inode of the directory that `watcher` watches.
    watched: Option<(u64, u64)>,
    /// Whether it was said that there is no watch.
    complained: bool,
}

impl<F: FnMut(Reading)> Watching<F> {
    fn run(mut self, wakes: &mpsc::Receiver<Wake>) {
        self.watch_directory();
        self.look(false);
        loop {
            let asked = match wakes.recv_timeout(POLL) {
                Ok(Wake::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Ok(Wake::Asked) => true,
                Ok(Wake::Changed) => match wait_for_quiet(wakes) {
                    Some(asked) => asked,
                    None => return,
                },
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.watch_directory();
                    // Nobody told of this change: it may still be going on.
                    match self.has_changed().then(|| wait_for_quiet(wakes)) {
                        None => continue,
                        Some(Some(asked)) => asked,
                        Some(None) => return,
                    }
                }
            };
            self.look(asked);
        }
    }

    /// Watches the directory that stands there now, which may not be the one from before. Polling
    /// goes on without it where the system offers no watch, or has no more to give.
    fn watch_directory(&mut self) {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let identity = directory.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if self.watcher.is_some() && self.watched == identity {
            return;
        }
        let wake = self.wake.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = wake.send(Wake::Changed);
            }
        });
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watching
            && !std::mem::replace(&mut self.complained, true)
        {
            warn!(
                %error, directory = %directory.display(),
                "the directory of the release file cannot be watched: \
                 changes are seen within {POLL:?} instead of at once"
            );
        }
        self.watcher = watching.ok();
        self.watched = identity;
    }

    fn has_changed(&self) -> bool {
        let seen = read::text(&self.path).map_err(|error| error.to_string());
        self.last.as_ref() != Some(&seen) || self.is_to_be_judged_anew(&self.zones.load())
    }

    /// Whether it was judged beside other zones than these.
    fn is_to_be_judged_anew(&self, zones: &Arc<Zones>) -> bool {
        self.judged.as_ref().is_some_and(|(beside, _)| !Arc::ptr_eq(beside, zones))
    }

    fn look(&mut self, asked: bool) {
        let (text, zones) = (read::text(&self.path), self.zones.load_full());
        let seen = text.as_ref().map(String::clone).map_err(ToString::to_string);
        let is_told = !asked && self.last.as_ref() == Some(&seen);
        if is_told && !self.is_to_be_judged_anew(&zones) {
            return;
        }
        self.last = Some(seen);
        let checksum = text.as_ref().ok().map(|text| Checksum::of([text]));
        let says = match text {
            Ok(text) => release::parse(&self.path, &text, &zones, &self.outside).map(Arc::new),
            Err(error) => Err(Rejected::unreadable(&self.path, &error)),
        };
        let why = says.as_ref().err().cloned();
        // Whoever is told of a file that is good beside older zones leaves that for this.
        let is_known =
            is_told && why.is_some() && self.judged.as_ref().is_some_and(|it| it.1 == why);
        self.judged = Some((zones.clone(), why));
        if !is_known {
            (self.told)(Reading { checksum, says, beside: zones });
        }
    }
}

/// Whether a person asked in the meantime; `None` to end.
fn wait_for_quiet(wakes: &mpsc::Receiver<Wake>) -> Option<bool> {
    let until = Instant::now() + PATIENCE;
    let mut asked = false;
    while Instant::now() < until {
        match wakes.recv_timeout(QUIET) {
            Ok(Wake::Changed) => {}
            Ok(Wake::Asked) => asked = true,
            Ok(Wake::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => break,
        }
    }
    Some(asked)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RData;

    use super::*;
    use crate::model::{Start, StaticRecord, Ttl, ZoneSpec};

    const FILE: &str =
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]\n";

    fn zones(records: Vec<StaticRecord>) -> Arc<Zones> {
        let name = |text: &str| text.parse().expect("a name");
        let (apex, hostmaster) = (name("zone.test"), name("host.zone.test"));
        let nameservers = vec![name("ns.elsewhere.test")];
        let start = Start::default();
        Arc::new(ZoneSpec { apex, nameservers, hostmaster, start, records }.into())
    }

    #[test]
    fn a_file_is_judged_again_beside_other_zones() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("release.toml");
        std::fs::write(&path, FILE).expect("writable");
        let first = zones(Vec::new());
        let now = Arc::new(ArcSwap::new(first.clone()));
        let (tell, told) = mpsc::channel();
        let tell = move |reading| drop(tell.send(reading));
        let watch = ReleaseWatch::start(path, (now.clone(), Outside::default()), tell);
        let watch = watch.expect("a thread");
        let next = || told.recv_timeout(Duration::from_secs(30)).expect("a reading");
        let reading = next();
        assert!(reading.says.is_ok() && Arc::ptr_eq(&reading.beside, &first));
        let owner = "api.zone.test".parse().expect("a name");
        let data = RData::A(std::net::Ipv4Addr::new(192, 0, 2, 9).into());
        let record = StaticRecord { owner, ttl: Ttl::from_secs_const(60), data };
        for (records, is_good) in [(vec![record], false), (Vec::new(), true)] {
            let other = zones(records);
            now.store(other.clone());
            watch.wake.send(Wake::Changed).expect("it runs");
            let reading = next();
            assert!(reading.says.is_ok() == is_good && Arc::ptr_eq(&reading.beside, &other));
        }
    }
}
