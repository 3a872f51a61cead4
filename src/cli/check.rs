//! `cutover check`: both files and all secrets, every mistake; and the delegation, if that is asked for.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{Form, delegation};
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
    /// `null` when the settings cannot be read.
    delegation: Option<&'r delegation::Report>,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path);
    let mut files = vec![(path, settings.as_ref().map(|_| String::new()).map_err(Clone::clone))];
    // Without the zone nothing can be said of the services in it.
    if let Ok(settings) = &settings {
        let release = config::load_release(&settings.release_file, settings);
        files.push((&settings.release_file, release.map(|desired| count(&desired))));
        if let Some(secrets) = &settings.cookie_secret_file {
            files.push((secrets, config::secrets::check(secrets).map(|()| String::new())));
        }
        files.extend(secrets(settings));
    }
    let is_text = options.output.form == Form::Text;
    if is_text {
        as_text(&files, settings.is_ok(), out)?;
    }
    let report = match &settings {
        Ok(settings) if options.delegation.delegation => {
            Some(delegation::report(&settings.zone, &options.delegation).await)
        }
        _ => None,
    };
    match &report {
        Some(report) if is_text => report.as_text(out)?,
        None if is_text && options.delegation.delegation => {
            writeln!(out, "the delegation was not checked: it needs the settings")?;
        }
        None if is_text => {}
        _ if options.delegation.delegation => {
            super::write_json(&Both { files: checked(&files), delegation: report.as_ref() }, out)?;
        }
        _ => super::write_json(&checked(&files), out)?,
    }
    let good = files.iter().all(|(_, result)| result.is_ok());
    let good = good && report.is_none_or(|report| report.is_good());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file, and what there is to say of it when it is good.
type File<'a> = (&'a Path, Result<String, Rejected>);

/// The files with what hooks, and those whom releases ask, are shown to be sure of us; and with what we
/// are shown over HTTP.
fn secrets(settings: &Settings) -> Vec<File<'_>> {
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
fn hidden<T>(path: &Path, parse: Parse<T>) -> File<'_> {
    let read = file::read(path).and_then(|octets| parse(&octets)).map(|_| String::new());
    (path, read.map_err(|why| Rejected::hidden(path, (0, 0), why)))
}

fn as_text(files: &[File<'_>], all: bool, out: &mut impl Write) -> std::io::Result<()> {
    for (path, result) in files {
        match result {
            Ok(more) => writeln!(out, "{}: good{more}", path.display())?,
            Err(rejected) => writeln!(out, "{rejected}")?,
        }
    }
    match all {
        true => Ok(()),
        false => writeln!(out, "the release file was not checked: it needs the settings"),
    }
}

fn checked(files: &[File<'_>]) -> Vec<Checked> {
    let checked = |(path, result): &File<'_>| Checked {
        path: path.to_path_buf(),
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
