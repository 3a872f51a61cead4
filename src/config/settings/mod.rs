//! `cutover.toml`: the daemon's own settings. One file per part of it.

mod cookies;
mod listen;
mod rrl;
mod zone;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Rejected, document};
use crate::model::{RrlSettings, ZoneSpec};
use cookies::{Cookies, cookies};
use listen::{Listen, listen};
use rrl::rrl;
pub(super) use zone::ttl;
use zone::zone;

/// The daemon's own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The zone without its services.
    pub zone: ZoneSpec,
    /// Where the release file stands.
    pub release_file: PathBuf,
    /// Where questions are answered, by UDP and TCP; at least one.
    pub dns: Vec<SocketAddr>,
    /// Where metrics and status are shown.
    pub http: SocketAddr,
    /// Response rate limiting.
    pub rrl: RrlSettings,
    /// Where the secrets of DNS cookies stand; without it one is drawn at each start.
    pub cookie_secret_file: Option<PathBuf>,
}

/// Reads the text of a settings file. Paths in it are relative to `path`'s directory.
pub fn parse(path: &Path, text: &str) -> Result<Settings, Rejected> {
    document::parse(path, text, |mut root| {
        root.version();
        let zone = zone(&mut root);
        let release_file = match root.optional("release_file") {
            Some(value) => value.text().map(PathBuf::from),
            None => Some(PathBuf::from("release.toml")),
        };
        let listen = root.optional("listen").map_or(Some(Listen::default()), |v| listen(&v));
        let rrl = root.optional("rrl").map_or(Some(RrlSettings::default()), |v| rrl(&v));
        let cookies = root.optional("cookies").map_or(Some(Cookies::default()), |v| cookies(&v));
        root.finish();
        let beside = path.parent().unwrap_or(Path::new(""));
        let (listen, release_file) = (listen?, beside.join(release_file?));
        Some(Settings {
            zone: zone?,
            release_file,
            dns: listen.dns,
            http: listen.http,
            rrl: rrl?,
            cookie_secret_file: cookies?.secret_file.map(|file| beside.join(file)),
        })
    })
}
