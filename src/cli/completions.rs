//! `cutover completions`: the script with which a shell completes verbs, options and paths. Names of
//! services are left out: a shell cannot wait for a daemon.

use std::{io::Write, process::ExitCode};

use clap::CommandFactory;
use clap_complete::Shell;

use super::Arguments;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(options: Options, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut command = Arguments::command();
    // In full before any of it is written: the generator panics where a reader has gone away.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "cutover", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
