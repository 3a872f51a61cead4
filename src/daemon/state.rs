//! The state directory at the start: whose it is, what is in it, and what of that is used.

use std::{
    collections::BTreeSet,
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
    config::Settings,
    dns::Clock,
    model::{DnsName, ZoneSpec},
    store::{self, Found, Lock, LockError, RowError, StoreError},
};

/// What to go on with.
pub(super) struct State {
    pub(super) keeper: Keeper,
    pub(super) found: Found,
}

/// Takes the directory, unless a predecessor still has it, and reads what was kept.
pub(super) async fn open(settings: &Settings, has_predecessor: bool) -> Result<State, StartError> {
    let (directory, zone) = (settings.state_dir.clone(), settings.zone.clone());
    // Files may hang, but there is nothing to go on with before they are read.
    let opening = spawn_blocking(move || read(directory, zone, has_predecessor));
    opening.await.map_err(|panic| StartError::Threads(panic.into()))?
}

fn read(directory: PathBuf, zone: ZoneSpec, has_predecessor: bool) -> Result<State, StartError> {
    let lock = if has_predecessor { None } else { lock(&directory)? };
    let path = file_in(&directory);
    let found = match store::look(&path, &zone.apex) {
        Ok(Some(found)) => {
            let found = usable(found, &zone);
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
    let keeper = Keeper::new(directory, zone.apex, octets, lock, has_predecessor);
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

/// Nothing is lost: what is damaged or foreign is kept beside, and what is later stays.
fn unusable(path: &Path, why: &StoreError, is_ours: bool) {
    let path_shown = path.display();
    error!(path = %path_shown, %why, "what was kept cannot be used: the release file decides");
    if !is_ours || !matches!(why, StoreError::Damaged(_) | StoreError::OtherZone(_)) {
        return;
    }
    match store::set_aside(path, Clock::start().now().unix_secs()) {
        Ok(aside) => warn!(path = %aside.display(), "it has been set aside, as it was"),
        Err(error) => error!(path = %path_shown, %error, "it cannot be set aside"),
    }
}

/// What the settings leave room for.
fn usable(mut found: Found, zone: &ZoneSpec) -> Found {
    let taken: BTreeSet<&DnsName> = zone.records.iter().map(|record| &record.owner).collect();
    let is_taken = |owner: &DnsName| taken.contains(owner);
    let clashes = found.services.extract_if(.., |(_, kept)| is_taken(&kept.snapshot.spec.owner));
    let clashes = clashes.map(|(name, _)| {
        (name.to_string(), RowError::new("its name has static records in cutover.toml"))
    });
    found.wrong.extend(clashes);
    found
}
