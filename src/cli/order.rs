//! `cutover rollback`, `promote`, `retry`, `pause` and `resume`: what a person asks of a service, or
//! of a group of them.
//! `cutover freeze` and `unfreeze`: what they ask of all of them.

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
    cutover::{Rule, Verb},
    model::{FreezeReason, ServiceName},
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The service, or the group, as the release file names it.
    service: ServiceName,
    #[command(flatten)]
    output: super::Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Forcible {
    #[command(flatten)]
    options: Options,
    /// Break this rule, if it stands in the way: `freeze`, `window`, `interval` or `health`.
    ///
    /// May be given several times. Who broke which rule is told with what is done.
    #[arg(long, value_name = "RULE")]
    force: Vec<Rule>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Freeze {
    /// Why, for those who read the status: one line of at most 200 characters.
    #[arg(long, value_name = "TEXT")]
    reason: Option<FreezeReason>,
    #[command(flatten)]
    output: super::Output,
}

/// What is asked for, and the form of the answer.
#[derive(Debug)]
pub(super) struct Asked {
    what: What,
    output: super::Output,
}

#[derive(Debug)]
enum What {
    Of(ServiceName, Verb, Vec<Rule>),
    Freeze(Option<FreezeReason>),
    Unfreeze,
}

impl Options {
    pub(super) fn asking(self, verb: Verb) -> Asked {
        Asked { what: What::Of(self.service, verb, Vec::new()), output: self.output }
    }
}

impl Forcible {
    pub(super) fn asking(self, verb: Verb) -> Asked {
        let Options { service, output } = self.options;
        Asked { what: What::Of(service, verb, self.force), output }
    }
}

impl Freeze {
    pub(super) fn asking(self) -> Asked {
        Asked { what: What::Freeze(self.reason), output: self.output }
    }
}

pub(super) fn unfreeze(output: super::Output) -> Asked {
    Asked { what: What::Unfreeze, output }
}

pub(super) async fn run(
    path: &Path,
    asked: Asked,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let socket = settings.admin.context(
        "the daemon takes no orders: name a socket in cutover.toml (listen.admin) and restart it",
    )?;
    let done = match asked.what {
        What::Of(service, verb, force) => {
            orders::ask(&socket, service.as_str(), verb, &force).await?
        }
        What::Freeze(reason) => orders::ask_to_freeze(&socket, reason.as_ref()).await?,
        What::Unfreeze => orders::ask_to_unfreeze(&socket).await?,
    };
    match asked.output.form {
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
