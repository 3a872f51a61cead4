//! The zone files, kept as they are on disk without a restart: read again when they change and when a
//! person asks; one that cannot be used is told of, and the last good ones stay.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{Notify, mpsc};

use super::conductor::Event;
use crate::config::{ZoneSource, load_zones};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often that is done while they are being written, before they are read.
const QUIET: Duration = Duration::from_millis(100);
const QUIET_LOOKS_MAX: u32 = 10;

/// What can be told of a file without reading it: device, inode, length, when it was written.
type Look = Option<(u64, u64, u64, Option<SystemTime>)>;

/// Looks at the files again and again, and at once when `asked`; until aborted.
pub(super) async fn watch(
    sources: Vec<ZoneSource>,
    events: mpsc::Sender<Event>,
    asked: Arc<Notify>,
) {
    let sources = Arc::new(sources);
    // What they hold now is what we started with.
    let Some(mut seen) = look(&sources).await else { return };
    loop {
        let at_once = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = asked.notified() => true,
        };
        let Some(mut now) = look(&sources).await else { return };
        if now == seen && !at_once {
            continue;
        }
        for _ in 0..QUIET_LOOKS_MAX {
            tokio::time::sleep(QUIET).await;
            let Some(later) = look(&sources).await else { return };
            if std::mem::replace(&mut now, later) == now {
                break;
            }
        }
        seen = now;
        let reading = sources.clone();
        // Files may hang, and the control plane must not.
        let read = tokio::task::spawn_blocking(move || load_zones(&reading));
        let Ok(read) = read.await else { return };
        if events.send(Event::Zones(read.map(Box::new))).await.is_err() {
            return;
        }
    }
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
