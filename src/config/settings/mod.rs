//! `cutover.toml`: the daemon's own settings. One file per part of it.

mod listen;
mod tls;
mod zone;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Rejected, document};
use crate::model::{EncryptedListen, ZoneSpec};
use listen::{Listen, listen};
use tls::encrypted;
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
    /// Encrypted transports, if there are to be any.
    pub encrypted: Option<EncryptedListen>,
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
        let tls = root.optional("tls");
        let beside = path.parent().unwrap_or(Path::new(""));
        let encrypted = encrypted(listen.as_ref(), tls.as_ref(), beside);
        root.finish();
        let (listen, release_file) = (listen?, beside.join(release_file?));
        Some(Settings {
            zone: zone?,
            release_file,
            dns: listen.dns,
            http: listen.http,
            encrypted: encrypted?,
        })
    })
}
