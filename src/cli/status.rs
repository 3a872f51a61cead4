//! `cutover status`: how things are, as a tree.

use std::{io::Write, path::Path, process::ExitCode};

use super::{Form, style, watch, write_json};
use crate::{
    admin::{client, tree::tree},
    config,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Draw it anew each second until Ctrl-C; without a terminal, print it whenever it has changed.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    output: super::Output,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings_alone(path)?;
    let form = options.output.form;
    if options.watch {
        return watch::run(settings.http, form, out).await;
    }
    let status = client::status(settings.http).await?;
    match form {
        Form::Text => style::write(&tree(&status), out)?,
        Form::Json => write_json(&status, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
