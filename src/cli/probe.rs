//! `cutover probe`: the probes of a service, made by hand.
//!
//! They are made by this process, as the files on disk have them; the daemon is not asked, and need not
//! run.

use std::{
    io::{self, Write},
    net::IpAddr,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::sleep;

use super::{Form, progress, style, write_json};
use crate::{
    config,
    health::{Tracker, Verdict},
    model::{
        Desired, Pool, PoolName, ProbeSetting, ProbeSpec, ServiceName, ServiceSpec, Timestamp,
        Unknown,
    },
    probe::{Checked, Failure, Means, Try, run_once},
};

/// Endpoints that are tried at once.
const AT_ONCE: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The service, as the release file names it.
    service: ServiceName,
    /// The pool; without it, all of them.
    pool: Option<PoolName>,
    /// Try each endpoint once, and not until it is up or down by `rise` and `fall`.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    output: super::Output,
}

/// One try of one endpoint.
#[derive(Serialize)]
struct Line {
    pool: String,
    address: IpAddr,
    /// `pass`; `fail`; `error`: it could not be made, which is no verdict on the endpoint.
    result: &'static str,
    /// What the tries so far make of it.
    verdict: &'static str,
    latency_ms: Option<f64>,
    reason: Option<String>,
    warning: Option<String>,
    checks: Vec<CheckLine>,
}

/// One check of it.
#[derive(Serialize)]
struct CheckLine {
    check: String,
    result: &'static str,
    latency_ms: f64,
    reason: Option<String>,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let Options { service, pool, once, output } = options;
    let settings = config::load_settings(path)?;
    let desired = config::load_release(&settings.release_file, &settings)?;
    let service = named(&desired, &service)?;
    let spec = match &service.probe {
        ProbeSetting::On(spec) => spec,
        ProbeSetting::Off => bail!("{} has probe = \"none\"", service.name),
        ProbeSetting::Unset => bail!("the file has no probe for {}", service.name),
    };
    let pools = pools(service, pool.as_ref())?;
    let means = Means::new(settings.permit);
    if output.form == Form::Text {
        spec.checks.iter().try_for_each(|check| writeln!(out, "{check}"))?;
    }
    let mut ended = Vec::new();
    for pool in pools {
        let addresses: Vec<IpAddr> = pool.addresses().collect();
        for some in addresses.chunks(AT_ONCE) {
            let probed = some.iter().map(|it| probed(&pool.name, *it, spec, &means, once));
            let what = format!("probing {} of {}", pool.name, service.name);
            for lines in progress::during(&what, join_all(probed)).await {
                if output.form == Form::Text {
                    lines.iter().try_for_each(|line| tell(line, out))?;
                }
                ended.extend(lines);
            }
        }
    }
    if output.form == Form::Json {
        write_json(&ended, out)?;
    }
    let is_good = |line: &Line| line.result == "pass" && (once || line.verdict == "up");
    Ok(if last_of_each(&ended).all(is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn named<'d>(desired: &'d Desired, name: &ServiceName) -> anyhow::Result<&'d ServiceSpec> {
    desired.services.get(name).map(AsRef::as_ref).with_context(|| {
        let known = desired.services.keys().map(ServiceName::as_str);
        in_file(&Unknown::of("service", name.as_str(), known))
    })
}

fn pools<'s>(service: &'s ServiceSpec, pool: Option<&PoolName>) -> anyhow::Result<Vec<&'s Pool>> {
    let Some(name) = pool else {
        return Ok(service.pools.values().map(AsRef::as_ref).collect());
    };
    let found = service.pools.get(name).with_context(|| {
        let known = service.pools.keys().map(PoolName::as_str);
        in_file(&Unknown::of("pool", name.as_str(), known))
    });
    found.map(|pool| vec![pool.as_ref()])
}

fn in_file(unknown: &Unknown) -> String {
    format!("in the release file {unknown}")
}

/// The tries of one endpoint: one, or as many as make a verdict.
async fn probed(
    pool: &PoolName,
    address: IpAddr,
    spec: &ProbeSpec,
    means: &Means,
    once: bool,
) -> Vec<Line> {
    let (mut tracker, mut lines) =
        (Tracker::new(Timestamp::default(), Verdict::Unproven), Vec::new());
    // So many are enough for a verdict when they do not alternate.
    let tries = if once { 1 } else { spec.rise.max(spec.fall) * 2 };
    for number in 0..tries {
        if number > 0 {
            sleep(pause(spec)).await;
        }
        let tried = run_once(spec, address, means).await;
        if let Ok(outcome) = &tried.outcome {
            tracker.observe(Timestamp::default(), outcome.clone(), spec.rise, spec.fall);
        }
        lines.push(Line::of(pool, address, spec, tried, tracker.verdict()));
        if matches!(tracker.verdict(), Verdict::Up | Verdict::Down) {
            break;
        }
    }
    lines
}

/// As the daemon does, but a person waits.
fn pause(spec: &ProbeSpec) -> Duration {
    spec.interval.min(Duration::from_secs(1))
}

impl Line {
    fn of(
        pool: &PoolName,
        address: IpAddr,
        spec: &ProbeSpec,
        tried: Try,
        verdict: Verdict,
    ) -> Self {
        let checks = spec.checks.iter().zip(&tried.checks);
        let checks = checks.map(|(check, checked)| CheckLine::of(check.to_string(), checked));
        let (pool, verdict, checks) = (pool.to_string(), verdict.name(), checks.collect());
        let (result, latency_ms, reason, warning) = match tried.outcome {
            Err(why) => ("error", None, Some(why), None),
            Ok(outcome) => {
                let result = if outcome.result.is_ok() { "pass" } else { "fail" };
                (result, Some(millis(outcome.latency)), outcome.result.err(), outcome.warning)
            }
        };
        Self { pool, address, result, verdict, latency_ms, reason, warning, checks }
    }
}

impl CheckLine {
    fn of(check: String, Checked { latency, result }: &Checked) -> Self {
        let (result, reason) = match result {
            Ok(_) => ("pass", None),
            Err(Failure::Endpoint(why)) => ("fail", Some(why.clone())),
            Err(Failure::Ours(why)) => ("error", Some(why.clone())),
        };
        Self { check, result, latency_ms: millis(*latency), reason }
    }
}

fn millis(latency: Duration) -> f64 {
    latency.as_micros() as f64 / 1000.0
}

fn tell(line: &Line, out: &mut impl Write) -> io::Result<()> {
    let Line { pool, address, result, verdict, latency_ms, reason, warning, .. } = line;
    let latency = latency_ms.map(|latency| format!("  {latency:.1} ms")).unwrap_or_default();
    let why = reason.as_ref().or(warning.as_ref()).map(|why| format!("  {why}"));
    let why = why.unwrap_or_default();
    let address = address.to_string();
    let line = format!("{pool}  {address:<15}  {result:<5}  {verdict:<8}{latency}{why}\n");
    style::write(&line, out)
}

/// The lines that ended the tries of an endpoint.
fn last_of_each(lines: &[Line]) -> impl Iterator<Item = &Line> {
    let of = |line: &Line| (line.pool.clone(), line.address);
    lines.chunk_by(move |one, other| of(one) == of(other)).filter_map(|tries| tries.last())
}
