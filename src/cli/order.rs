//! `cutover rollback`, `promote`, `retry`, `pause`, `resume` and `forget`: what a person asks of a
//! service, and but for the last of a group of them.
//! `cutover freeze` and `unfreeze`: what they ask of all of them.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use super::{Form, write_json};
use crate::{
    admin::orders::{self, Done, OrderError},
    config::{self, Settings},
    cutover::{Rule, Verb},
    model::{FreezeReason, PoolName, ServiceName},
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
pub(super) struct Rollback {
    #[command(flatten)]
    order: Forcible,
    /// Answer with this pool instead: one of the file, or one that is still held. It must have passed
    /// its probes.
    #[arg(long, value_name = "POOL")]
    to: Option<PoolName>,
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
    Back(ServiceName, PoolName, Vec<Rule>),
    Forget(ServiceName),
    Freeze(Option<FreezeReason>),
    Unfreeze,
}

impl Options {
    pub(super) fn asking(self, verb: Verb) -> Asked {
        Asked { what: What::Of(self.service, verb, Vec::new()), output: self.output }
    }

    pub(super) fn forgetting(self) -> Asked {
        Asked { what: What::Forget(self.service), output: self.output }
    }
}

impl Forcible {
    pub(super) fn asking(self, verb: Verb) -> Asked {
        let Options { service, output } = self.options;
        Asked { what: What::Of(service, verb, self.force), output }
    }
}

impl Rollback {
    pub(super) fn asking(self) -> Asked {
        let Self { order, to } = self;
        let Some(to) = to else { return order.asking(Verb::Rollback) };
        let Options { service, output } = order.options;
        Asked { what: What::Back(service, to, order.force), output }
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
    let socket = socket(&config::load_settings(path)?)?;
    let result = match &asked.what {
        What::Of(service, verb, force) => {
            orders::ask(&socket, service.as_str(), *verb, force).await
        }
        What::Back(service, to, force) => {
            orders::roll_back_to(&socket, service.as_str(), to, force).await
        }
        What::Forget(service) => orders::forget_service(&socket, service.as_str()).await,
        What::Freeze(reason) => orders::ask_to_freeze(&socket, reason.as_ref()).await,
        What::Unfreeze => orders::ask_to_unfreeze(&socket).await,
    };
    match (result, asked.output.form) {
        (Ok(done), Form::Text) => {
            if let What::Forget(service) = &asked.what {
                writeln!(out, "{service} is no longer answered")?;
            }
            tell(&done, out)?;
        }
        (Ok(done), Form::Json) => write_json(&done, out)?,
        // Those who read JSON read why not.
        (Err(OrderError::Undone(undone)), Form::Json) => {
            write_json(&undone, out)?;
            return Ok(ExitCode::FAILURE);
        }
        (Err(error), _) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the daemon takes orders.
pub(super) fn socket(settings: &Settings) -> anyhow::Result<PathBuf> {
    settings.admin.clone().context(
        "the daemon takes no orders: name a socket in cutover.toml (listen.admin) and restart it",
    )
}

fn tell(done: &Done, out: &mut impl Write) -> io::Result<()> {
    for told in &done.transitions {
        writeln!(out, "{} → {}: {}", told.from, told.to, told.why)?;
    }
    writeln!(out, "generation {} is being answered from", done.generation)
}
