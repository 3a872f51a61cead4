//! `cutover status`: how things are, as a tree.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use super::Form;
use crate::{
    admin::{client, tree::tree},
    config,
};

pub(super) async fn run(path: &Path, form: Form, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let status = client::status(settings.http).await?;
    match form {
        Form::Text => out.write_all(tree(&status).as_bytes())?,
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, &status).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
