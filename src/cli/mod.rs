//! Floor 3: the command line. One file per verb.

mod apply;
mod check;
mod completions;
mod delegation;
mod demo;
mod history;
mod install;
mod man;
mod order;
mod plan;
mod probe;
mod progress;
mod sample;
mod schema;
mod serve;
mod status;
mod style;
mod targets;
mod wait;
mod watch;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use tracing_subscriber::filter::LevelFilter;

use crate::{config::Rejected, cutover, dns::seal_descriptors};

/// An authoritative DNS server that releases software.
#[derive(Debug, Parser)]
#[command(name = "cutover", version, about, max_term_width = 100)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
struct Arguments {
    /// The daemon's settings.
    #[arg(long, global = true, value_name = "PATH", default_value = "/etc/cutover/cutover.toml")]
    config: PathBuf,
    /// How much is logged to the standard error output [default: info; demo: error].
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<LogLevel>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Answer questions, probe endpoints, and carry out what the release file asks for.
    ///
    /// SIGHUP reads the release file and the certificate again; SIGTERM and SIGINT end the daemon.
    /// Changes of these files are noticed by themselves; changes of the settings need a restart.
    /// With `listen.handover`, one that is started beside a running one takes its place, and
    /// that one ends by itself.
    Serve,
    /// Check both files, and those with secrets and tokens, and show every mistake. Exits 1 if there is one.
    ///
    /// With --delegation, also whether the parent zone leads clients to this zone.
    Check(check::Options),
    /// Show services, pools, endpoints and phases of the running daemon.
    Status(status::Options),
    /// Show what saving a release file would do: what moves and when, which rules hold, when each pool
    /// that is left is out of caches.
    ///
    /// The running daemon is asked; nothing is changed. Exits 1 if the file has mistakes or the daemon
    /// cannot be asked.
    Plan(plan::Options),
    /// Check a release file, show its plan, and install it in the place that the daemon watches.
    ///
    /// With --plan, only if the plan is still the one with this checksum; with --yes, in any case;
    /// otherwise it asks. Exits 0 when the daemon has accepted this very content, and 1 if nothing was
    /// installed or the daemon has refused it. What becomes of the release: `cutover wait`.
    Apply(apply::Options),
    /// Show what became of releases: who began them, each step and why, and how they ended.
    ///
    /// The last 50 releases of each service are remembered, over restarts too.
    History(history::Options),
    /// Answer everyone with the pool that was good before, or with another one, in one swap, whatever the
    /// phase.
    ///
    /// The release counts as failed, so that it does not begin again by itself, though the file still
    /// asks for it: edit the file, or `retry`. Refused when nothing of the old pool is up, unless
    /// with `--force health`. Neither windows nor a freeze stand in its way. Exits 1 when it is
    /// refused, as the other verbs do; then nothing has changed.
    Rollback(order::Rollback),
    /// Take the next step of a release now, without waiting for caches, the bake or its instant.
    ///
    /// Refused in a freeze, outside the release windows, too soon after the last step, and while too
    /// little of the new pool is up; the refusal names the rule, and `--force RULE` breaks it. After
    /// `--force health` no guard rolls that release back by itself; it stands still while its pool fails.
    Promote(order::Forcible),
    /// Begin a release again that has failed.
    Retry(order::Options),
    /// Have a release stand still: it takes no step, and no time runs out, until `resume`.
    ///
    /// The guards go on watching, and roll it back when something breaks. `rollback`, `promote` and
    /// edits do what they would do otherwise; a release that an edit begins is paused too.
    Pause(order::Options),
    /// Have a release go on from where it was paused, with the time that was left.
    Resume(order::Options),
    /// Have everything stand still: no release takes a step until `unfreeze`.
    ///
    /// What answers goes on answering: no edit moves it, endpoints that are down are still taken out,
    /// and rollbacks are still possible. A service that is new in the file is answered, and one that
    /// it names in `removed` is not any longer. It survives restarts.
    Freeze(order::Freeze),
    /// Have releases go on after a `freeze`.
    Unfreeze {
        #[command(flatten)]
        output: Output,
    },
    /// No longer answer for a service that the release file does not name any more.
    ///
    /// Refused while the file names it.
    Forget(order::Options),
    /// Probe the endpoints of a service now, as the files have it, and say what came of each try.
    ///
    /// This process asks, not the daemon, which need not run; nothing is changed. Exits 0 when every
    /// endpoint is up after so many tries in a row as the probe asks for, or with --once, after one.
    Probe(probe::Options),
    /// Show which pool clients of a service would be given now.
    Sample(sample::Options),
    /// Print the JSON schema of one of the files, for editors.
    ///
    /// The first line of the file names where it stands: `#:schema ./schema/release.schema.json`.
    Schema(schema::Options),
    /// Wait until a release is done, or a pool can be switched off.
    ///
    /// Exits 0 when that is so, 1 when it will not come by itself (the release has failed, there is
    /// no such pool) or the daemon cannot be asked, 2 when this command is not understood, 3 when the
    /// time is up.
    Wait(wait::Options),
    /// Try it: a zone, two pools and a release file to edit, all in this process on loopback.
    Demo(demo::Options),
    /// Print the script with which a shell completes verbs and options.
    Completions(completions::Options),
    /// Print the manual page of this program, or write those of all verbs into a directory.
    Man(man::Options),
}

#[derive(Debug, clap::Args)]
struct Output {
    /// The form of the output.
    #[arg(short = 'o', long = "output", value_name = "FORM", default_value = "text")]
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
}

/// Runs the verb that the arguments name.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let quiet = matches!(arguments.verb, Verb::Demo(_));
    seal_descriptors();
    start_logging(arguments.log.unwrap_or(if quiet { LogLevel::Error } else { LogLevel::Info }));
    let out = &mut io::stdout();
    let order = |asked| in_runtime(order::run(&arguments.config, asked, &mut io::stdout()));
    let ended = match arguments.verb {
        Verb::Serve => in_runtime(serve::run(&arguments.config)),
        Verb::Check(options) => in_runtime(check::run(&arguments.config, options, out)),
        Verb::Status(options) => in_runtime(status::run(&arguments.config, options, out)),
        Verb::Plan(options) => in_runtime(plan::run(&arguments.config, options, out)),
        Verb::Apply(options) => in_runtime(apply::run(&arguments.config, options, out)),
        Verb::History(options) => in_runtime(history::run(&arguments.config, options, out)),
        Verb::Rollback(options) => order(options.asking()),
        Verb::Promote(options) => order(options.asking(cutover::Verb::Promote)),
        Verb::Retry(options) => order(options.asking(cutover::Verb::Retry)),
        Verb::Pause(options) => order(options.asking(cutover::Verb::Pause)),
        Verb::Resume(options) => order(options.asking(cutover::Verb::Resume)),
        Verb::Freeze(options) => order(options.asking()),
        Verb::Unfreeze { output } => order(order::unfreeze(output)),
        Verb::Forget(options) => order(options.forgetting()),
        Verb::Probe(options) => in_runtime(probe::run(&arguments.config, options, out)),
        Verb::Sample(options) => in_runtime(sample::run(&arguments.config, options, out)),
        Verb::Schema(options) => schema::run(&options, out),
        Verb::Wait(options) => in_runtime(wait::run(&arguments.config, options, out)),
        Verb::Demo(options) => in_runtime(demo::run(options, out)),
        Verb::Completions(options) => completions::run(options, out),
        Verb::Man(options) => man::run(options, out),
    };
    ended.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

/// The command line as it is read: every verb and every flag.
pub fn command() -> clap::Command {
    Arguments::command()
}

fn write_json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn complain(error: &anyhow::Error) {
    let io_kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    // Nobody is left to complain to when even this cannot be written.
    let _ = match (io_kind, error.downcast_ref::<Rejected>()) {
        // A reader that has seen enough, as in `cutover status | head`.
        (Some(io::ErrorKind::BrokenPipe), _) => Ok(()),
        (_, Some(rejected)) if style::is_coloured(&io::stderr()) => {
            writeln!(io::stderr(), "{}", style::painted(&rejected.to_string()))
        }
        (_, Some(rejected)) => writeln!(io::stderr(), "{rejected}"),
        _ => writeln!(io::stderr(), "cutover: {error:#}"),
    };
}

fn in_runtime(verb: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(verb)
}

fn start_logging(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
    };
    let colours = style::is_coloured(&io::stderr());
    // The DNS codec logs for each packet; what is worth knowing of packets is counted instead.
    let ours = tracing_subscriber::filter::Targets::new().with_target("cutover", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours);
    use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};
    tracing_subscriber::registry().with(ours).with(lines).init();
}
