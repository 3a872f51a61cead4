//! The state directory at the start: whose it is, what is in it, and what of that is used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::{
    StartError,
    keeper::{Keeper, file_in},
};
use crate::{
    config::{Settings, release::Taken},
    dns::Clock,
    model::Zones,
    store::{self, Found, Kept, Lock, LockError, RowError, StoreError},
};

/// What to go on with.
pub(super) struct State {
    pub(super) keeper: Keeper,
    pub(super) found: Found,
}

/// Takes the directory, unless a predecessor still has it, and reads what was kept.
pub(super) async fn open(settings: &Settings, has_predecessor: bool) -> Result<State, StartError> {
    let (directory, zones) = (settings.state_dir.clone(), settings.zones.clone());
    // Files may hang, but there is nothing to go on with before they are read.
    let opening = spawn_blocking(move || read(directory, zones, has_predecessor));
    opening.await.map_err(|panic| StartError::Threads(panic.into()))?
}

fn read(directory: PathBuf, zones: Zones, has_predecessor: bool) -> Result<State, StartError> {
    let lock = if has_predecessor { None } else { lock(&directory)? };
    let path = file_in(&directory);
    let found = match store::look(&path, &zones.first().apex) {
        Ok(Some(found)) => {
            let found = usable(found, &zones);
            let services = found.services.len();
            info!(path = %path.display(), services, "what was answered is answered again");
            found
        }
        Ok(None) => {
            info!(path = %path.display(), "nothing has been kept yet: the release file decides");
            Found::default()
        }
        Err(why) => {
            let is_ours = !has_predecessor;
            unusable(&path, &why, is_ours);
            Found::default()
        }
    };
    let octets = fs::metadata(&path).map_or(0, |file| file.len());
    let keeper = Keeper::new(directory, zones.first().apex.clone(), octets, lock, has_predecessor);
    Ok(State { keeper, found })
}

/// Two daemons must not decide by one state; that it cannot be had at all is no reason not to
/// answer.
fn lock(directory: &Path) -> Result<Option<Lock>, StartError> {
    let lock = store::make_directory(directory).map_err(LockError::from);
    match lock.and_then(|()| Lock::take(directory)) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Taken) => Err(StartError::StateTaken(directory.to_path_buf())),
        // It is told with the first write, which fails for the same reason.
        Err(LockError::Io(_)) => Ok(None),
    }
}

/// Nothing is lost: what is damaged, foreign or of before is kept beside, and what is later stays.
fn unusable(path: &Path, why: &StoreError, is_ours: bool) {
    use StoreError::{Damaged, Older, OtherZone};
    error!(path = %path.display(), %why, "what was kept cannot be used: the release file decides");
    if is_ours && matches!(why, Damaged(_) | Older(_) | OtherZone(_)) {
        set_aside(path);
    }
}

/// Whatever is to be kept from now on, what is there stays for whoever can read it.
pub(super) fn set_aside(path: &Path) {
    match store::set_aside(path, Clock::start().now().unix_secs()) {
        Ok(aside) => warn!(path = %aside.display(), "it has been set aside, as it was"),
        Err(error) => error!(path = %path.display(), %error, "it cannot be set aside"),
    }
}

/// What the settings leave room for.
fn usable(mut found: Found, zones: &Zones) -> Found {
    let taken = Taken::new(zones);
    let clash = |kept: &Kept| taken.why_not(&kept.snapshot.spec.owner);
    let clashes = found.services.extract_if(.., |(_, kept)| clash(kept).is_some());
    let clashes = clashes
        .map(|(name, kept)| (name.to_string(), RowError::new(&clash(&kept).unwrap_or_default())));
    found.wrong.extend(clashes);
    for (service, kept) in &found.services {
        // What it answers at its own name is worth more than what it lacks elsewhere.
        if let Some(why) = taken.why_not_all(&kept.snapshot.spec) {
            warn!(%service, why, "it is answered all the same, but not all of it");
        }
    }
    found
}
