//! `cutover check`: both files, zone files and all secrets, every mistake; and the delegation, if that is
//! asked for.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::{Form, delegation, progress, style};
use crate::{
    admin::{status::FileError, token::Token},
    config::{self, Rejected, Settings},
    daemon,
    model::{Desired, Hook, HookKind, Outside},
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
    let (settings, files) = progress::during("checking the files", looked_at).await?;
    let is_text = options.output.form == Form::Text;
    if is_text {
        style::write(&as_text(&files, settings.is_some()), out)?;
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
            super::write_json(
                &Both { files: checked(&files), delegation: reports.as_deref() },
                out,
            )?;
        }
        _ => super::write_json(&checked(&files), out)?,
    }
    let good = files.iter().all(|(_, result)| result.is_ok());
    let good = good && reports.iter().flatten().all(delegation::Report::is_good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file, and what there is to say of it when it is good.
type File = (PathBuf, Result<String, Rejected>);

/// The settings, if they are good, and all files.
fn look_at(path: PathBuf) -> (Option<Settings>, Vec<File>) {
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
    let Ok(settings) = settings else { return (None, files) };
    let release = config::load_release(&settings.release_file, &settings);
    files.push((settings.release_file.clone(), release.map(|desired| count(&desired))));
    if let Some(secrets) = &settings.cookie_secret_file {
        let checked = config::secrets::check(secrets).map(|()| String::new());
        files.push((secrets.clone(), checked));
    }
    files.extend(secrets(&settings));
    (Some(settings), files)
}

/// The files with what hooks, and those whom releases ask, are shown to be sure of us; and with what we
/// are shown over HTTP.
fn secrets(settings: &Settings) -> Vec<File> {
    let Outside { metrics, confirm } = &settings.outside;
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

fn as_text(files: &[File], all: bool) -> String {
    let line = |(path, result): &File| match result {
        Ok(more) => format!("{}: good{more}\n", path.display()),
        Err(rejected) => format!("{rejected}\n"),
    };
    let mut text: String = files.iter().map(line).collect();
    if !all {
        text.push_str("the release file was not checked: it needs the settings and the zones\n");
    }
    text
}

fn checked(files: &[File]) -> Vec<Checked> {
    let checked = |(path, result): &File| Checked {
        path: path.clone(),
        errors: result.as_ref().err().map(daemon::mistakes).unwrap_or_default(),
    };
    files.iter().map(checked).collect()
}

fn count(desired: &Desired) -> String {
    let pools = || desired.services.values().flat_map(|spec| spec.pools.values());
    let endpoints: usize = pools().map(|pool| pool.endpoints.len()).sum();
    let services = desired.services.len();
    format!(", services: {services}, pools: {}, endpoints: {endpoints}", pools().count())
}
