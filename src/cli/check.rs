//! `cutover check`: both files, zone files and all secrets, every mistake; and the delegation, if that is
//! asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{Form, delegation, progress, style, targets};
use crate::{
    admin::{status::FileError, token::Token},
    config::{self, Rejected, Settings},
    daemon,
    model::{Desired, DnsName, Hook, HookKind, Outside},
    web::{
        file::{self, Parse},
        prometheus,
        signature::Secret,
    },
};

/// One file and what is wrong with it.
#[derive(Serialize)]
struct Checked {
    path: PathBuf,
    errors: Vec<FileError>,
    /// What could not be found out: no mistake of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unsure: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    delegation: delegation::Options,
    #[command(flatten)]
    output: super::Output,
}

/// Both, where the delegation was asked for.
#[derive(Serialize)]
struct Both<'r> {
    files: Vec<Checked>,
    /// One of each zone; `null` when the settings cannot be read.
    delegation: Option<&'r [delegation::Report]>,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let path = path.to_path_buf();
    let looked_at = spawn_blocking(move || look_at(path));
    let LookedAt { mut settings, mut files, release } =
        progress::during("checking the files", looked_at).await?;
    let mut unsure = BTreeMap::new();
    if let (Some(settings), Some(release)) = (&mut settings, release) {
        let looked_up = targets::look_up_all(settings, release.names);
        let found = progress::during("looking names up", looked_up).await;
        unsure.insert(release.at, found.unsure);
        if !found.unresolvable.is_empty() {
            settings.outside.unresolvable = found.unresolvable;
            files[release.at].1 = load(settings).map(|desired| count(&desired));
        }
    }
    let is_text = options.output.form == Form::Text;
    if is_text {
        style::write(&as_text(&files, &unsure, settings.is_some()), out)?;
    }
    let reports = match &settings {
        Some(settings) if options.delegation.delegation => {
            let zones = settings.zones.all();
            let reports = zones.iter().map(|zone| delegation::report(zone, &options.delegation));
            Some(progress::during("asking about the delegation", join_all(reports)).await)
        }
        _ => None,
    };
    match &reports {
        Some(reports) if is_text => {
            reports.iter().try_for_each(|report| report.as_text(&mut *out))?;
        }
        None if is_text && options.delegation.delegation => {
            writeln!(out, "the delegation was not checked: it needs the settings and the zones")?;
        }
        None if is_text => {}
        _ if options.delegation.delegation => {
            let files = checked(&files, &unsure);
            super::write_json(&Both { files, delegation: reports.as_deref() }, out)?;
        }
        _ => super::write_json(&checked(&files, &unsure), out)?,
    }
    let good = files.iter().all(|(_, result)| result.is_ok());
    let good = good && reports.iter().flatten().all(delegation::Report::is_good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What could not be found out about a file, by its place.
type Unsure = BTreeMap<usize, Vec<String>>;

/// A file, and what there is to say of it when it is good.
type File = (PathBuf, Result<String, Rejected>);

/// The settings, if they are good, and all files.
struct LookedAt {
    settings: Option<Settings>,
    files: Vec<File>,
    release: Option<Release>,
}

/// A release file that is good: where it stands among the files, and the names that it points to.
struct Release {
    at: usize,
    names: BTreeSet<DnsName>,
}

fn load(settings: &Settings) -> Result<Desired, Rejected> {
    config::load_release(&settings.release_file, settings)
}

fn look_at(path: PathBuf) -> LookedAt {
    let settings = config::load_settings(&path);
    // Where a zone file is wrong, the settings are not.
    let own = match &settings {
        Err(rejected) if rejected.path == path => Err(rejected.clone()),
        _ => Ok(String::new()),
    };
    let zone_files = config::check_zone_files(&path).into_iter().map(|(path, checked)| {
        (path, checked.map(|records| format!(", records of its zone: {records}")))
    });
    let mut files: Vec<File> = [(path, own)].into_iter().chain(zone_files).collect();
    // Without the zones nothing can be said of the services in them.
    let Ok(settings) = settings else {
        return LookedAt { settings: None, files, release: None };
    };
    let (at, desired) = (files.len(), load(&settings));
    let names = desired.as_ref().ok().map(targets::names);
    let release = names.map(|names| Release { at, names });
    files.push((settings.release_file.clone(), desired.map(|desired| count(&desired))));
    if let Some(secrets) = &settings.cookie_secret_file {
        let checked = config::secrets::check(secrets).map(|()| String::new());
        files.push((secrets.clone(), checked));
    }
    files.extend(secrets(&settings));
    LookedAt { settings: Some(settings), files, release }
}

/// The files with what hooks, and those whom releases ask, are shown to be sure of us; and with what we
/// are shown over HTTP.
fn secrets(settings: &Settings) -> Vec<File> {
    let Outside { metrics, confirm, unresolvable: _ } = &settings.outside;
    let hooks = settings.events.iter().filter_map(secret_of);
    let confirm = confirm.values().filter_map(|hook| hook.secret_file.as_deref());
    let tokens = metrics.iter().filter_map(|server| server.token_file.as_deref());
    let secrets = hooks.chain(confirm).map(|path| hidden(path, Secret::parse));
    let ours = settings.access.tokens.values().map(|path| hidden(path, Token::parse));
    secrets.chain(tokens.map(|path| hidden(path, prometheus::token))).chain(ours).collect()
}

fn secret_of(hook: &Hook) -> Option<&Path> {
    match &hook.kind {
        HookKind::Web { secret_file, .. } => secret_file.as_deref(),
        HookKind::Command { .. } => None,
    }
}

/// A file of which nothing is shown.
fn hidden<T>(path: &Path, parse: Parse<T>) -> File {
    let read = file::read(path).and_then(|octets| parse(&octets)).map(|_| String::new());
    (path.to_path_buf(), read.map_err(|why| Rejected::hidden(path, (0, 0), why)))
}

fn as_text(files: &[File], unsure: &Unsure, all: bool) -> String {
    let line = |(path, result): &File| match result {
        Ok(more) => format!("{}: good{more}\n", path.display()),
        Err(rejected) => format!("{rejected}\n"),
    };
    let mut text: String = files.iter().map(line).collect();
    text.extend(unsure.values().flatten().map(|what| format!("not known: {what}\n")));
    if !all {
        text.push_str("the release file was not checked: it needs the settings and the zones\n");
    }
    text
}

fn checked(files: &[File], unsure: &Unsure) -> Vec<Checked> {
    let checked = |(at, (path, result)): (usize, &File)| Checked {
        path: path.clone(),
        errors: result.as_ref().err().map(daemon::mistakes).unwrap_or_default(),
        unsure: unsure.get(&at).cloned().unwrap_or_default(),
    };
    files.iter().enumerate().map(checked).collect()
}

fn count(desired: &Desired) -> String {
    let pools = || desired.services.values().flat_map(|spec| spec.pools.values());
    let endpoints: usize = pools().map(|pool| pool.endpoints.len()).sum();
    let services = desired.services.len();
    format!(", services: {services}, pools: {}, endpoints: {endpoints}", pools().count())
}
