//! `cutover check`: both files, every mistake.

use std::{io::Write, path::Path, process::ExitCode};

use serde::Serialize;

use super::Form;
use crate::{
    config::{self, Rejected},
    model::Desired,
};

/// One file and what is wrong with it.
#[derive(Serialize)]
struct Checked<'a> {
    path: &'a Path,
    errors: Vec<Mistake<'a>>,
}

#[derive(Serialize)]
struct Mistake<'a> {
    line: usize,
    column: usize,
    message: &'a str,
    hint: Option<&'a str>,
}

pub(super) fn run(path: &Path, form: Form, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path);
    // Without the zone nothing can be said of the services in it.
    let release = settings.as_ref().ok().map(|settings| {
        let path = settings.release_file.as_path();
        (path, config::load_release(path, &settings.zone))
    });
    let release = release.as_ref().map(|(path, result)| (*path, result));
    match form {
        Form::Text => as_text(path, settings.as_ref().err(), release, out)?,
        Form::Json => as_json(path, settings.as_ref().err(), release, out)?,
    }
    let good = settings.is_ok() && release.is_some_and(|(_, result)| result.is_ok());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Release<'a> = Option<(&'a Path, &'a Result<Desired, Rejected>)>;

fn as_text(
    path: &Path,
    settings: Option<&Rejected>,
    release: Release<'_>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match settings {
        Some(rejected) => writeln!(out, "{rejected}")?,
        None => writeln!(out, "{}: good", path.display())?,
    }
    match release {
        Some((path, Ok(desired))) => writeln!(out, "{}: good, {}", path.display(), count(desired)),
        Some((_, Err(rejected))) => writeln!(out, "{rejected}"),
        None => writeln!(out, "the release file was not checked: it needs the settings"),
    }
}

fn as_json(
    path: &Path,
    settings: Option<&Rejected>,
    release: Release<'_>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut files = vec![Checked { path, errors: mistakes(settings) }];
    if let Some((path, result)) = release {
        files.push(Checked { path, errors: mistakes(result.as_ref().err()) });
    }
    serde_json::to_writer_pretty(&mut *out, &files)?;
    writeln!(out)
}

fn mistakes(rejected: Option<&Rejected>) -> Vec<Mistake<'_>> {
    let findings = rejected.into_iter().flat_map(|rejected| &rejected.findings);
    findings
        .map(|finding| Mistake {
            line: finding.line,
            column: finding.column,
            message: &finding.message,
            hint: finding.hint.as_deref(),
        })
        .collect()
}

fn count(desired: &Desired) -> String {
    let pools = || desired.services.values().flat_map(|spec| spec.pools.values());
    let endpoints: usize = pools().map(|pool| pool.endpoints.len()).sum();
    let services = desired.services.len();
    format!("services: {services}, pools: {}, endpoints: {endpoints}", pools().count())
}
