//! `cutover rollback`, `promote`, `retry`, `pause`, `resume` and `forget`: what a person asks of a
//! service, and but for the last of a group of them.
//! `cutover freeze` and `unfreeze`: what they ask of all of them.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use super::{Form, plan, progress, write_json};
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
    /// Do nothing, and show what would happen, as `plan` does.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: super::Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Forcible {
    #[command(flatten)]
    options: Options,
    /// Break this rule, if it stands in the way: `freeze`, `window`, `interval`, `health` or `gate`.
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
    /// Whether nothing is to be done.
    dry_run: bool,
    output: super::Output,
}

#[derive(Debug)]
enum What {
    Of(ServiceName, Verb, Option<PoolName>, Vec<Rule>),
    Forget(ServiceName),
    Freeze(Option<FreezeReason>),
    Unfreeze,
}

impl Options {
    pub(super) fn asking(self, verb: Verb) -> Asked {
        let Self { service, dry_run, output } = self;
        Asked { what: What::Of(service, verb, None, Vec::new()), dry_run, output }
    }

    pub(super) fn forgetting(self) -> Asked {
        Asked { what: What::Forget(self.service), dry_run: self.dry_run, output: self.output }
    }
}

impl Forcible {
    pub(super) fn asking(self, verb: Verb) -> Asked {
        let Options { service, dry_run, output } = self.options;
        Asked { what: What::Of(service, verb, None, self.force), dry_run, output }
    }
}

impl Rollback {
    pub(super) fn asking(self) -> Asked {
        let Self { order, to } = self;
        let Options { service, dry_run, output } = order.options;
        Asked { what: What::Of(service, Verb::Rollback, to, order.force), dry_run, output }
    }
}

impl Freeze {
    pub(super) fn asking(self) -> Asked {
        Asked { what: What::Freeze(self.reason), dry_run: false, output: self.output }
    }
}

pub(super) fn unfreeze(output: super::Output) -> Asked {
    Asked { what: What::Unfreeze, dry_run: false, output }
}

pub(super) async fn run(
    path: &Path,
    asked: Asked,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let socket = socket(&config::load_settings_alone(path)?)?;
    if asked.dry_run {
        return foretell(&socket, asked, out).await;
    }
    let order = async {
        match &asked.what {
            What::Of(service, _, Some(to), force) => {
                orders::roll_back_to(&socket, service.as_str(), to, force).await
            }
            What::Of(service, verb, None, force) => {
                orders::ask(&socket, service.as_str(), *verb, force).await
            }
            What::Forget(service) => orders::forget_service(&socket, service.as_str()).await,
            What::Freeze(reason) => orders::ask_to_freeze(&socket, reason.as_ref()).await,
            What::Unfreeze => orders::ask_to_unfreeze(&socket).await,
        }
    };
    let result = progress::during("asking the daemon", order).await;
    match (result, asked.output.form) {
        (Ok(done), Form::Text) => {
            if let What::Forget(service) = &asked.what {
                writeln!(out, "{service} is no longer answered")?;
            }
            tell(&done, out)?;
        }
        (Ok(done), Form::Json) => write_json(&done, out)?,
        (Err(error), form) => return refused(error, form, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what would happen.
async fn foretell(
    socket: &Path,
    Asked { what, output, .. }: Asked,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let plan = match &what {
        What::Of(service, verb, to, force) => {
            orders::foretell(socket, service.as_str(), *verb, to.as_ref(), force).await
        }
        What::Forget(service) => orders::foretell_forgetting(socket, service.as_str()).await,
        What::Freeze(_) | What::Unfreeze => anyhow::bail!("nothing is foretold of a freeze"),
    };
    match (plan, output.form) {
        (Ok(plan), Form::Text) => plan::tell_steps(&plan, out)?,
        (Ok(plan), Form::Json) => write_json(&plan, out)?,
        (Err(error), form) => return refused(error, form, out),
    }
    Ok(ExitCode::SUCCESS)
}

/// Those who read JSON read why not.
fn refused(error: OrderError, form: Form, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match (error, form) {
        (OrderError::Undone(undone), Form::Json) => {
            write_json(&undone, out)?;
            Ok(ExitCode::FAILURE)
        }
        (error, _) => Err(error.into()),
    }
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
