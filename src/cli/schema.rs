//! `cutover schema`: what can stand in the two files, for editors.

use std::{io::Write, process::ExitCode};

use clap::ValueEnum;

use super::write_json;
use crate::config::schema;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Of which file.
    file: File,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// cutover.toml
    Settings,
    /// release.toml
    Release,
}

pub(super) fn run(options: &Options, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut schema = match options.file {
        File::Settings => schema::settings(),
        File::Release => schema::release(),
    };
    // In one order, whichever way this was built: some tests have JSON keep the order in which it was made.
    schema.sort_all_objects();
    write_json(&schema, out)?;
    Ok(ExitCode::SUCCESS)
}
