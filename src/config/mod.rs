//! Floor 2: the two files that a person edits, from octets to types.
//!
//! Read in this order: [`read`] gets the text, refusing what no such file can be; `document` walks
//! the TOML with the position of every value and collects every mistake; [`settings`] and
//! [`release`] know the keys; [`finding`] shows mistakes to people; [`watch`] tells of changes.
//! [`schema`] says the keys to editors. [`zone_file`] reads zone files.
//! [`secrets`] reads a file that programs write: the secrets of DNS cookies.

mod document;
pub mod finding;
pub mod read;
pub mod release;
pub mod schema;
pub mod secrets;
pub mod settings;
pub mod watch;
pub mod zone_file;

use std::path::{Path, PathBuf};

pub use finding::Rejected;
pub use settings::{Settings, ZoneSource};

use crate::model::{Desired, HookKind, ZoneSpec, Zones};

/// Reads and checks the daemon's own file.
pub fn load_settings(path: &Path) -> Result<Settings, Rejected> {
    let mut settings = load_settings_alone(path)?;
    settings.zones = load_zones(&settings.sources)?;
    Ok(settings)
}

/// The same for those who ask a daemon that runs: whatever is wrong with the zone files on disk, it has
/// other ones. The zones are without what their files add.
pub fn load_settings_alone(path: &Path) -> Result<Settings, Rejected> {
    let text = load_text(path)?;
    let mut settings = settings::parse(path, &text)?;
    // Shown to people who stand elsewhere than the daemon.
    for source in &mut settings.sources {
        source.file = source.file.take().map(absolute);
    }
    settings.release_file = absolute(settings.release_file);
    settings.state_dir = absolute(settings.state_dir);
    settings.admin = settings.admin.map(absolute);
    settings.cookie_secret_file = settings.cookie_secret_file.map(absolute);
    if let Some(encrypted) = &mut settings.encrypted {
        for path in [&mut encrypted.certificate, &mut encrypted.key] {
            *path = absolute(std::mem::take(path));
        }
    }
    for hook in &mut settings.events {
        if let HookKind::Web { secret_file: Some(path), .. } = &mut hook.kind {
            *path = absolute(std::mem::take(path));
        }
    }
    Ok(settings)
}

/// Reads and checks the zone files of zones, and puts them together with what `cutover.toml` has.
pub fn load_zones(sources: &[ZoneSource]) -> Result<Zones, Rejected> {
    let zones = sources.iter().map(load_zone).collect::<Result<Vec<_>, _>>()?;
    Ok(Zones::new(zones).expect("invariant: the zones are different and at least one"))
}

/// The same for one zone.
fn load_zone(ZoneSource { spec, file, lines }: &ZoneSource) -> Result<ZoneSpec, Rejected> {
    match file {
        Some(path) => zone_file::parse(path, &load_text(path)?, spec, lines),
        None => Ok(spec.clone()),
    }
}

/// Every zone file that a daemon's own file names, with how many records its zone has, or what is wrong;
/// none if that file is itself not good.
pub fn check_zone_files(path: &Path) -> Vec<(PathBuf, Result<usize, Rejected>)> {
    let settings = load_text(path).and_then(|text| settings::parse(path, &text));
    let sources = settings.map(|settings| settings.sources).unwrap_or_default();
    let check = |source: &ZoneSource| {
        Some((source.file.clone()?, load_zone(source).map(|zone| zone.records.len())))
    };
    sources.iter().filter_map(check).collect()
}

/// Reads and checks the release file of a daemon with these settings.
pub fn load_release(path: &Path, settings: &Settings) -> Result<Desired, Rejected> {
    let text = load_text(path)?;
    release::parse(path, &text, &settings.zones, &settings.outside)
}

/// The text of a file that may be anything.
pub fn load_text(path: &Path) -> Result<String, Rejected> {
    read::text(path).map_err(|error| Rejected::unreadable(path, &error))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
