//! `cutover history`: what became of releases.

use std::{io::Write, path::Path, process::ExitCode};

use super::{Form, style, write_json};
use crate::{
    admin::{client, history::text},
    config,
    model::{ServiceName, Unknown},
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
    let settings = config::load_settings_alone(path)?;
    let history = client::history(settings.http, service.as_ref()).await?;
    if let Some(name) = service.filter(|_| history.is_empty()) {
        // It may be there, and have had no release yet; or be gone, and have had some.
        let services = client::status(settings.http).await?.services;
        if !services.contains_key(name.as_str()) {
            let known = services.keys().map(String::as_str);
            return Err(Unknown::of("service", name.as_str(), known).into());
        }
    }
    match output.form {
        Form::Text => style::write(&text(&history), out)?,
        Form::Json => write_json(&history, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
