//! `cutover.toml`: the daemon's own settings. One file per part of it.

mod cookies;
mod events;
mod http;
mod inside;
mod listen;
mod outside;
mod probes;
mod resolvers;
mod rrl;
mod tls;
mod zone;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Rejected,
    document::{self, Value},
    schema::{Notes, parts},
};
use crate::model::{EncryptedListen, Hook, HttpAccess, Outside, Permit, RrlSettings, Zones};
use cookies::{Cookies, cookies};
use events::events;
use http::http;
pub use inside::Inside;
use inside::inside;
use listen::{Listen, listen};
use outside::outside;
use probes::probes;
pub(super) use probes::{absolute_path, arguments, arguments_schema};
use resolvers::resolvers;
use rrl::rrl;
use tls::encrypted;
pub use zone::ZoneSource;
pub(super) use zone::ttl;
pub(super) use zone::without_address;
use zone::{without_files, zones};

/// The longest name of the server: every reply to who asks for it carries it.
const NSID_LEN_MAX: usize = 64;

/// The daemon's own settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The zones without their services; with what their files add once these have been read.
    pub zones: Zones,
    /// Where they come from, in the same order.
    pub sources: Vec<ZoneSource>,
    /// Where the release file stands.
    pub release_file: PathBuf,
    /// Where what is to survive a restart is kept: a directory of this daemon's own.
    pub state_dir: PathBuf,
    /// Where questions are answered, by UDP and TCP; at least one.
    pub dns: Vec<SocketAddr>,
    /// Where pages and the API are.
    pub http: SocketAddr,
    /// Who may ask there, and what.
    pub access: HttpAccess,
    /// How many threads answer on each address; without it, one for each core.
    pub workers: Option<usize>,
    /// The socket where a successor asks for the other sockets; without it there is no handover.
    pub handover: Option<PathBuf>,
    /// The Unix socket on which the operator's verbs are taken, if they are.
    pub admin: Option<PathBuf>,
    /// Who looks up the names that pools point at, in the order in which they are asked; without it
    /// those that the system has at the time.
    pub resolvers: Option<Vec<SocketAddr>>,
    /// What this server is called, for those who ask it (RFC 5001).
    pub nsid: Option<String>,
    /// What else it tells of itself.
    pub inside: Inside,
    /// Response rate limiting.
    pub rrl: RrlSettings,
    /// What probes may do.
    pub permit: Permit,
    /// Whom releases may ask.
    pub outside: Outside,
    /// Where the secrets of DNS cookies stand; without it one is drawn at each start.
    pub cookie_secret_file: Option<PathBuf>,
    /// Encrypted transports, if there are to be any.
    pub encrypted: Option<EncryptedListen>,
    /// To whom transitions are told, by name.
    pub events: Vec<Hook>,
}

/// Reads the text of a settings file. Paths in it are relative to `path`'s directory.
pub fn parse(path: &Path, text: &str) -> Result<Settings, Rejected> {
    document::parse(path, text, |mut root| {
        root.version();
        let beside = path.parent().unwrap_or(Path::new(""));
        let sources = zones(&mut root, text, beside);
        let release_file = match root.optional("release_file") {
            Some(value) => value.text().map(PathBuf::from),
            None => Some(PathBuf::from("release.toml")),
        };
        let state_dir = match root.optional("state_dir") {
            Some(value) => directory(&value),
            None => Some(state_dir_by_default()),
        };
        let listen = root.optional("listen").map_or(Some(Listen::default()), |v| listen(&v));
        let rrl = root.optional("rrl").map_or(Some(RrlSettings::default()), |v| rrl(&v));
        let cookies = root.optional("cookies").map_or(Some(Cookies::default()), |v| cookies(&v));
        let permit = root.optional("probes").map_or(Some(Permit::default()), |v| probes(&v));
        let outside = outside(&mut root);
        let access =
            root.optional("http").map_or(Some(HttpAccess::default()), |v| http(&v, beside));
        let events = root.optional("events").map_or(Some(Vec::new()), |v| events(&v, beside));
        let nsid = root.optional("nsid").map_or(Some(None), |value| nsid(&value).map(Some));
        let resolvers =
            root.optional("resolvers").map_or(Some(None), |value| resolvers(&value).map(Some));
        let inside_at = root.optional("inside");
        let tls = root.optional("tls");
        let encrypted = encrypted(listen.as_ref(), tls.as_ref(), beside);
        let known = nsid.as_ref().and_then(Option::as_deref);
        let inside = inside(inside_at.as_ref(), known);
        root.finish();
        let (listen, release_file) = (listen?, beside.join(release_file?));
        let sources = sources?;
        Some(Settings {
            zones: without_files(&sources)?,
            sources,
            release_file,
            state_dir: beside.join(state_dir?),
            dns: listen.dns,
            http: listen.http,
            access: access?,
            workers: listen.workers,
            handover: listen.handover.map(|socket| beside.join(socket)),
            admin: listen.admin.map(|socket| beside.join(socket)),
            resolvers: resolvers?,
            nsid: nsid?,
            inside: inside?,
            rrl: rrl?,
            permit: permit?,
            outside: beside_of(outside?, beside),
            cookie_secret_file: cookies?.secret_file.map(|file| beside.join(file)),
            encrypted: encrypted?,
            events: events?,
        })
    })
}

/// With the paths of files that stand beside the settings.
fn beside_of(mut outside: Outside, beside: &Path) -> Outside {
    let tokens = outside.metrics.iter_mut().filter_map(|it| it.token_file.as_mut());
    let secrets = outside.confirm.values_mut().filter_map(|it| it.secret_file.as_mut());
    tokens.chain(secrets).for_each(|path| *path = beside.join(&path));
    outside
}

/// Where systemd has made a directory for that (`StateDirectory=`), else beside the settings.
fn state_dir_by_default() -> PathBuf {
    let made = std::env::var_os("STATE_DIRECTORY").unwrap_or_default();
    let first = std::env::split_paths(&made).next().filter(|path| path.is_absolute());
    first.unwrap_or_else(|| PathBuf::from("state"))
}

fn directory(value: &Value<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(value.text()?);
    if path.as_os_str().is_empty() {
        value.wrong_with_hint("not the name of a directory", r#"write a path, such as "state""#);
        return None;
    }
    Some(path)
}

/// A text that is sent as it is: short, and readable where tools show it.
fn nsid(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let is_readable = text.chars().all(|c| c.is_ascii_graphic());
    if !is_readable || !(1..=NSID_LEN_MAX).contains(&text.len()) {
        value.wrong(format!(
            "a name of the server is 1 to {NSID_LEN_MAX} visible ASCII characters without spaces"
        ));
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let keys = parts::Keys::at(notes, [""]).required("version", parts::version());
    let [prometheus, confirm] = outside::schema(notes);
    let mut schema = zone::schema(keys, notes)
        .optional("release_file", parts::text())
        .optional("state_dir", parts::some_text())
        .optional("nsid", parts::matching(&format!("^[!-~]{{1,{NSID_LEN_MAX}}}$")))
        .optional("resolvers", resolvers::schema())
        .optional("inside", inside::schema(notes))
        .optional("listen", listen::schema(notes))
        .optional("http", http::schema(notes))
        .optional("rrl", rrl::schema(notes))
        .optional("cookies", cookies::schema(notes))
        .optional("probes", probes::schema(notes))
        .optional("prometheus", prometheus)
        .optional("confirm", confirm)
        .optional("tls", tls::schema(notes))
        .optional("events", events::schema(notes))
        .table();
    zone::without_file(&mut schema);
    schema
}
