//! `cutover status`: how things are, as a tree.

use std::{io::Write, path::Path, process::ExitCode};

use super::{Form, write_json};
use crate::{
    admin::{client, tree::tree},
    config,
};

pub(super) async fn run(path: &Path, form: Form, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let status = client::status(settings.http).await?;
    match form {
        Form::Text => out.write_all(tree(&status).as_bytes())?,
        Form::Json => write_json(&status, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
