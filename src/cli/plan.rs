//! `cutover plan`: what saving a file would do.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use humantime::format_duration;

use super::{Form, order::socket, progress, style, write_json};
use crate::{
    admin::{
        orders::Undone,
        plan::{self, Change, Plan, Rule, ServicePlan, Step},
        socket::OrderError,
    },
    config,
};

/// Services that are shown in full, and in all.
const FULL_MAX: usize = 5;
const SHOWN_MAX: usize = 50;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A release file, which is not installed.
    file: PathBuf,
    #[command(flatten)]
    output: super::Output,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let socket = socket(&config::load_settings_alone(path)?)?;
    let text = config::load_text(&options.file)?;
    match ask(&socket, &options.file, text, options.output.form, out).await? {
        Some(plan) => {
            show(&plan, options.output.form, out)?;
            Ok(ExitCode::SUCCESS)
        }
        None => Ok(ExitCode::FAILURE),
    }
}

/// The plan for a text; none when it has mistakes, which are shown as `check` shows them.
pub(super) async fn ask(
    socket: &Path,
    file: &Path,
    text: String,
    form: Form,
    out: &mut impl Write,
) -> anyhow::Result<Option<Plan>> {
    match progress::during("planning", plan::ask(socket, file, text)).await {
        Ok(plan) => Ok(Some(plan)),
        Err(OrderError::Undone(Undone::Mistaken(mistaken))) => {
            match form {
                Form::Text => style::write(&format!("{}\n", mistaken.shown), out)?,
                Form::Json => write_json(&mistaken, out)?,
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn show(plan: &Plan, form: Form, out: &mut impl Write) -> io::Result<()> {
    match form {
        Form::Text => tell(plan, out),
        Form::Json => write_json(plan, out),
    }
}

/// A plan for people, ending with its checksum.
pub(super) fn tell(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    tell_steps(plan, out)?;
    writeln!(out, "checksum {}", plan.checksum)
}

/// The same without that.
pub(super) fn tell_steps(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let mut said = Vec::new();
    write(plan, &mut said)?;
    style::write(&String::from_utf8_lossy(&said), out)
}

fn write(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let Plan { changed, new, orphaned, removed, .. } = plan;
    if plan.nothing {
        writeln!(out, "nothing would change")?;
    }
    for (nth, (name, service)) in changed.iter().enumerate().take(SHOWN_MAX) {
        match nth < FULL_MAX {
            true => tell_service(name, service, out)?,
            false => writeln!(out, "{}", headline(name, service))?,
        }
    }
    let of_new = new.iter().map(|(name, pool)| format!("{name}  new: {pool} answers at once"));
    let goes_on = "not in the file: goes on being answered, orphaned";
    let of_orphaned = orphaned.iter().map(|name| format!("{name}  {goes_on}"));
    let of_removed = removed.iter().map(|name| format!("{name}  removed: no longer answered"));
    let lines: Vec<String> = of_new.chain(of_orphaned).chain(of_removed).collect();
    lines.iter().take(SHOWN_MAX).try_for_each(|line| writeln!(out, "{line}"))?;
    let hidden = changed.len().saturating_sub(SHOWN_MAX) + lines.len().saturating_sub(SHOWN_MAX);
    if hidden > 0 {
        writeln!(out, "and {hidden} more services (-o json has them all)")?;
    }
    if changed.values().any(|service| service.steps.len() > 1) {
        let promise = "if every endpoint passes its probes from now on, and whatever else is \
                       asked of it, and clients ask all the time";
        writeln!(out, "times from {}, {promise}", plan.at)?;
    }
    Ok(())
}

fn headline(name: &str, service: &ServicePlan) -> String {
    let (from, to) = (shares(&service.from), shares(&service.to));
    let moves = if from == to { format!("{to} stays") } else { format!("{from} → {to}") };
    format!("{name}  {moves}  ({} now)", service.phase)
}

fn tell_service(name: &str, service: &ServicePlan, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", headline(name, service))?;
    for Change { key, from, to } in &service.changes {
        let change = match (from, to) {
            (Some(from), Some(to)) => format!("{from} → {to}"),
            (None, Some(to)) => format!("new: {to}"),
            (Some(from), None) => format!("gone: {from}"),
            (None, None) => "edited".to_owned(),
        };
        writeln!(out, "   {key}: {change}")?;
    }
    // What holds as it nearly always does is no news.
    let is_news = |rule: &&Rule| !rule.holds || matches!(rule.name.as_str(), "health" | "way back");
    for rule in service.rules.iter().filter(is_news) {
        let holds = if rule.holds { "holds" } else { "DOES NOT HOLD" };
        writeln!(out, "   {} {holds}: {}", rule.name, rule.why)?;
    }
    if service.steps.is_empty() {
        writeln!(out, "   at once")?;
    }
    let widest = |text: &dyn Fn(&Step) -> String| {
        service.steps.iter().map(|step| text(step).chars().count()).max().unwrap_or(0)
    };
    let (width, shares_width) = (widest(&after), widest(&|step| shares(&step.shares)));
    let mut before = None;
    for step in &service.steps {
        let time = if before == Some(step.after_secs) { String::new() } else { after(step) };
        before = Some(step.after_secs);
        let (shares, why) = (shares(&step.shares), &step.why);
        let phase = &step.phase;
        writeln!(out, "   {time:<width$}  {phase:<11}  {shares:<shares_width$}  {why}")?;
    }
    for left in &service.left {
        let [drained, off] = [left.drained_after_secs, left.off_after_secs].map(in_secs);
        let pool = &left.pool;
        writeln!(
            out,
            "   {pool} is out of caches after {drained}, can be switched off after {off}"
        )?;
    }
    Ok(())
}

fn after(step: &Step) -> String {
    match step.after_secs {
        0 => "at once".to_owned(),
        secs => format!("+{}", in_secs(secs)),
    }
}

fn in_secs(secs: u64) -> String {
    format_duration(Duration::from_secs(secs)).to_string()
}

fn shares(shares: &BTreeMap<String, u8>) -> String {
    let each = |(pool, share): (&String, &u8)| match share {
        100 => pool.clone(),
        share => format!("{pool} {share} %"),
    };
    shares.iter().map(each).collect::<Vec<_>>().join(", ")
}
