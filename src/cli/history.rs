//! `cutover history`: what became of releases.

use std::{io::Write, path::Path, process::ExitCode};

use super::{Form, write_json};
use crate::{
    admin::{client, history::text},
    config,
    model::ServiceName,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The service, as the release file names it; without it, all of them.
    service: Option<ServiceName>,
    #[command(flatten)]
    output: super::Output,
}

pub(super) async fn run(
    path: &Path,
    Options { service, output }: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let history = client::history(settings.http, service.as_ref()).await?;
    match output.form {
        Form::Text => out.write_all(text(&history).as_bytes())?,
        Form::Json => write_json(&history, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
