//! `cutover rollback`, `promote` and `retry`: what a person asks of a service.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;

use super::{Form, write_json};
use crate::{
    admin::orders::{self, Done},
    config,
    cutover::Verb,
    model::ServiceName,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The service, as the release file names it.
    service: ServiceName,
    /// Do it although endpoints are down or not judged yet.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: super::Output,
}

pub(super) async fn run(
    path: &Path,
    verb: Verb,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let socket = settings.admin.context(
        "the daemon takes no orders: name a socket in cutover.toml (listen.admin) and restart it",
    )?;
    let Options { service, force, output } = options;
    let done = orders::ask(&socket, service.as_str(), verb, force).await?;
    match output.form {
        Form::Text => tell(&done, out)?,
        Form::Json => write_json(&done, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(done: &Done, out: &mut impl Write) -> io::Result<()> {
    for told in &done.transitions {
        writeln!(out, "{} → {}: {}", told.from, told.to, told.why)?;
    }
    writeln!(out, "generation {} is being answered from", done.generation)
}
