//! Floor 2: the two files that a person edits, from octets to types.
//!
//! Read in this order: [`read`] gets the text, refusing what no such file can be; `document` walks
//! the TOML with the position of every value and collects every mistake; [`settings`] and
//! [`release`] know the keys; [`finding`] shows mistakes to people; [`watch`] tells of changes.

mod document;
pub mod finding;
pub mod read;
pub mod release;
pub mod settings;
pub mod watch;

use std::path::Path;

pub use finding::Rejected;
pub use settings::Settings;

use crate::model::{Desired, ZoneSpec};

/// Reads and checks the daemon's own file.
pub fn load_settings(path: &Path) -> Result<Settings, Rejected> {
    let text = read::text(path).map_err(|error| Rejected::unreadable(path, &error))?;
    let mut settings = settings::parse(path, &text)?;
    // Shown to people who stand elsewhere than the daemon.
    let encrypted = settings.encrypted.iter_mut();
    let pair = encrypted.flat_map(|encrypted| [&mut encrypted.certificate, &mut encrypted.key]);
    for path in pair.chain([&mut settings.release_file]) {
        if let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute;
        }
    }
    Ok(settings)
}

/// Reads and checks the release file of a zone.
pub fn load_release(path: &Path, zone: &ZoneSpec) -> Result<Desired, Rejected> {
    let text = read::text(path).map_err(|error| Rejected::unreadable(path, &error))?;
    release::parse(path, &text, zone)
}
