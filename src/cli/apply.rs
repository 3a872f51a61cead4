//! `cutover apply`: installs a release file, as it was planned and not otherwise.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Form,
    install::install,
    order::socket,
    plan::{ask, tell},
    progress, write_json,
};
use crate::{
    admin::{
        plan::{Plan, ask_for_file},
        status::FileStatus,
    },
    config,
    model::PlanChecksum,
};

/// How long the daemon may take to read the file; where the system tells it nothing, it looks every
/// two seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The release file to install.
    file: PathBuf,
    /// Only if this is still the plan: the checksum that `cutover plan` has shown.
    #[arg(long, value_name = "CHECKSUM")]
    plan: Option<PlanChecksum>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: super::Output,
}

/// What was done.
#[derive(Serialize)]
struct Applied {
    /// What was to be expected.
    plan: Plan,
    /// How the daemon found the file.
    file: FileStatus,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let Options { file, plan: planned, yes, output } = options;
    let socket = socket(&config::load_settings_alone(path)?)?;
    let text = config::load_text(&file)?;
    let Some(plan) = ask(&socket, &file, text.clone(), output.form, out).await? else {
        return Ok(ExitCode::FAILURE);
    };
    if output.form == Form::Text {
        tell(&plan, out)?;
    }
    let checksum: PlanChecksum = plan.checksum.parse()?;
    match planned {
        Some(planned) => unchanged_since(planned, checksum, &plan)?,
        None if yes => {}
        None => {
            if !is_confirmed(output.form, out)? {
                bail!("nothing was installed");
            }
            // Somebody may have thought about it for long.
            let again = ask(&socket, &file, text.clone(), output.form, out).await?;
            let again = again.context("the daemon has changed its mind")?;
            unchanged_since(checksum, again.checksum.parse()?, &again)?;
        }
    }
    if !is_in_place(&plan, &text) {
        install(Path::new(&plan.path), &text)?;
    }
    let checksum = checksum.file.to_string();
    let read = until_read(&socket, &checksum);
    let found = progress::during("waiting until the daemon has read the file", read).await?;
    if !found.accepted {
        for error in &found.errors {
            let (line, column, message) = (error.line, error.column, &error.message);
            writeln!(io::stderr(), "{}:{line}:{column}: {message}", found.path)?;
        }
        bail!("the daemon has refused the file: what is served is what it was");
    }
    match output.form {
        Form::Text => writeln!(out, "{} is accepted and being carried out", found.path)?,
        Form::Json => write_json(&Applied { plan, file: found }, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn unchanged_since(planned: PlanChecksum, now: PlanChecksum, plan: &Plan) -> anyhow::Result<()> {
    if planned.file != now.file {
        bail!("this is not the file that was planned: nothing was installed");
    }
    if planned.state != now.state {
        let services = plan.changed.iter().map(|(name, service)| {
            let serving: Vec<String> =
                service.from.iter().map(|(pool, share)| format!("{pool} {share} %")).collect();
            format!("{name} is {} with {}", service.phase, serving.join(", "))
        });
        let state = services.take(5).collect::<Vec<_>>().join("; ");
        let state = if state.is_empty() { "nothing would change any more".into() } else { state };
        bail!(
            "what has changed since it was planned: the state that it starts from. Now {state}. \
             Nothing was installed; look at the new plan"
        );
    }
    Ok(())
}

/// Asks the person at the terminal, if there is one.
fn is_confirmed(form: Form, out: &mut impl Write) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() || form == Form::Json {
        bail!("nobody to ask: give --plan CHECKSUM or --yes; nothing was installed");
    }
    write!(out, "Install it? [y/N] ")?;
    out.flush()?;
    let mut said = String::new();
    io::stdin().read_line(&mut said)?;
    Ok(matches!(said.trim(), "y" | "Y" | "yes"))
}

fn is_in_place(plan: &Plan, text: &str) -> bool {
    config::load_text(Path::new(&plan.path)).is_ok_and(|found| found == text)
}

/// Waits until the daemon has read this very content, and is carrying it out if it is good.
async fn until_read(socket: &Path, checksum: &str) -> anyhow::Result<FileStatus> {
    let begun = Instant::now();
    loop {
        let found = ask_for_file(socket).await?;
        let is_read = found.checksum.as_deref() == Some(checksum);
        if is_read && !found.waiting {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            if is_read {
                bail!(
                    "{} is good, but cannot be carried out: `cutover status` says why the state cannot \
                     be written; it will be once that works again",
                    found.path
                );
            }
            bail!(
                "{} was installed, but the daemon has not read it within {PATIENCE:?}; perhaps it \
                 was replaced again",
                found.path
            );
        }
        sleep(LOOK_EVERY).await;
    }
}
