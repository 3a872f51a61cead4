//! The zone files, kept as they are on disk without a restart: read again when they change and when a
//! person asks; one that cannot be used is told of, and the last good ones stay.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};
use tracing::warn;

use super::conductor::Event;
use crate::{
    config::{Rejected, ZoneSource, load_zones},
    model::Zones,
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long they must not have changed before they are read, and how often that is looked for in a row.
const QUIET: Duration = Duration::from_millis(100);
const QUIET_LOOKS_MAX: u32 = 10;

/// What can be told of a file without reading it: device, inode, length, when it was written.
type Look = Option<(u64, u64, u64, Option<SystemTime>)>;

/// Looks at the files again and again, and at once when `asked`; until aborted. `now` is what the daemon
/// has started with.
pub(super) async fn watch(
    sources: Vec<ZoneSource>,
    now: Arc<ArcSwap<Zones>>,
    events: mpsc::Sender<Event>,
    asked: Arc<Notify>,
) {
    let sources = Arc::new(sources);
    let Some(mut seen) = look(&sources).await else { return };
    // They may have changed since they were read for that.
    let Some(found) = read(&sources).await else { return };
    let is_known = found.as_ref().is_ok_and(|found| **found == **now.load());
    if !is_known && events.send(Event::Zones(found)).await.is_err() {
        return;
    }
    let (mut is_asked, mut is_told) = (false, false);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = asked.notified() => is_asked = true,
        }
        let Some(now) = look(&sources).await else { return };
        if now == seen && !is_asked {
            continue;
        }
        let Some(settled) = settle(&sources, now).await else { return };
        // A file that is half written may be good by itself, and lack the other half.
        let Settled::Still(now) = settled else {
            if !std::mem::replace(&mut is_told, true) {
                warn!("a zone file is being written all the time: it is read when it is done");
            }
            continue;
        };
        (seen, is_asked, is_told) = (now, false, false);
        let Some(found) = read(&sources).await else { return };
        if events.send(Event::Zones(found)).await.is_err() {
            return;
        }
    }
}

/// Whether the files are done.
enum Settled {
    /// They have not changed for a while.
    Still(Vec<Look>),
    /// They change and change.
    Changing,
}

/// Waits until the files change no more, but not for ever.
async fn settle(sources: &Arc<Vec<ZoneSource>>, mut now: Vec<Look>) -> Option<Settled> {
    for _ in 0..QUIET_LOOKS_MAX {
        tokio::time::sleep(QUIET).await;
        let later = look(sources).await?;
        if std::mem::replace(&mut now, later) == now {
            return Some(Settled::Still(now));
        }
    }
    Some(Settled::Changing)
}

/// Files may hang, and the control plane must not.
async fn read(sources: &Arc<Vec<ZoneSource>>) -> Option<Result<Box<Zones>, Rejected>> {
    let sources = sources.clone();
    let reading = move || load_zones(&sources).map(Box::new);
    tokio::task::spawn_blocking(reading).await.ok()
}

async fn look(sources: &Arc<Vec<ZoneSource>>) -> Option<Vec<Look>> {
    let sources = sources.clone();
    let looking = move || sources.iter().filter_map(|it| it.file.as_deref()).map(look_at).collect();
    tokio::task::spawn_blocking(looking).await.ok()
}

fn look_at(path: &Path) -> Look {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_settings;

    const SETTINGS: &str = "version = 1\nzone = \"zone.test\"\nzone_file = \"zone.db\"\n";
    const ZONE: &str = "$TTL 60\n@ NS ns.elsewhere.test.\na TXT \"a\"\n";

    #[tokio::test]
    async fn what_is_written_between_the_start_and_the_first_look_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name| folder.path().join(name);
        fs::write(at("cutover.toml"), SETTINGS).expect("written");
        fs::write(at("zone.db"), ZONE).expect("written");
        let settings = load_settings(&at("cutover.toml")).expect("good");
        let zones = Arc::new(ArcSwap::from_pointee(settings.zones));
        let start = || {
            let (events, received) = mpsc::channel(1);
            let watched = watch(settings.sources.clone(), zones.clone(), events, Arc::default());
            (tokio::spawn(watched), received)
        };
        fs::write(at("zone.db"), ZONE.replace("a TXT", "b TXT")).expect("written");
        let (watched, mut received) = start();
        let Some(Event::Zones(Ok(read))) = received.recv().await else { panic!("zones") };
        assert_eq!(read.first().records[0].owner.to_string(), "b.zone.test");
        watched.abort();
        zones.store(Arc::from(read));
        // And only that: the first that is told is the next edit.
        let (watched, mut received) = start();
        fs::write(at("new.db"), format!("{ZONE}c TXT \"c\"\n")).expect("written");
        fs::rename(at("new.db"), at("zone.db")).expect("renamed");
        let Some(Event::Zones(Ok(read))) = received.recv().await else { panic!("zones") };
        assert_eq!(read.first().records.len(), 2);
        watched.abort();
    }

    #[tokio::test]
    async fn what_is_being_written_is_read_when_it_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name| folder.path().join(name);
        let save = |text: &str| {
            fs::write(at("new.db"), text).expect("written");
            fs::rename(at("new.db"), at("zone.db")).expect("renamed");
        };
        fs::write(at("cutover.toml"), SETTINGS).expect("written");
        save(ZONE);
        let settings = load_settings(&at("cutover.toml")).expect("good");
        let zones = Arc::new(ArcSwap::from_pointee(settings.zones));
        let ((events, mut received), asked) = (mpsc::channel(1), Arc::new(Notify::new()));
        let watched = tokio::spawn(watch(settings.sources, zones, events, asked.clone()));
        asked.notify_one();
        let begun = std::time::Instant::now();
        while begun.elapsed() < QUIET * (QUIET_LOOKS_MAX + 5) {
            save(&format!("{ZONE}; {}\n", begun.elapsed().as_nanos()));
            tokio::time::sleep(QUIET / 5).await;
        }
        assert!(received.is_empty(), "it was read while it was being written");
        save(&format!("{ZONE}c TXT \"c\"\n"));
        let Some(Event::Zones(Ok(read))) = received.recv().await else { panic!("zones") };
        assert_eq!(read.first().records.len(), 2);
        watched.abort();
    }
}
