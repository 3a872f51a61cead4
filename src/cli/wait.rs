//! `cutover wait`: for pipelines. Ends when something is true, or can no longer become true.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use humantime::format_duration;
use tokio::time::{Instant, sleep};

use super::progress;
use crate::{
    admin::{
        client,
        status::{ServiceStatus, Status},
    },
    config,
    model::{Desired, ServiceName, Unknown},
};

/// The daemon is asked anew: it tells nobody of its own accord.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The exit code when the time is up.
const TIME_IS_UP: u8 = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    what: What,
    /// How long to wait at most, as in `30m`; without it, for as long as it takes.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Until this pool can be switched off: no cache that keeps to the TTL holds an answer that names
    /// it, and the pin allowance and the drain grace have passed too.
    #[arg(long, num_args = 2, value_names = ["SERVICE", "POOL"])]
    drained: Option<Vec<String>>,
    /// Until what the release file asks of this service answers all clients, and has baked.
    #[arg(long, value_name = "SERVICE")]
    released: Option<String>,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Done(String),
    NotYet(String),
    /// It will not come by itself.
    Never(String),
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let settings = match &options.what.released {
        Some(_) => config::load_settings(path)?,
        None => config::load_settings_alone(path)?,
    };
    // The file of this moment, which the daemon may not have read yet.
    let asked_for = match &options.what.released {
        Some(_) => config::load_release(&settings.release_file, &settings)?,
        None => Desired::default(),
    };
    let ended = {
        let mut line = progress::Line::new();
        options.until_ended(settings.http, &asked_for, &mut line).await?
    };
    Ok(match ended {
        Ended::Done(how) => {
            writeln!(out, "{how}")?;
            ExitCode::SUCCESS
        }
        Ended::Never(why) => {
            writeln!(io::stderr(), "cutover: {why}")?;
            ExitCode::FAILURE
        }
        Ended::TimeIsUp(timeout, not_yet) => {
            writeln!(io::stderr(), "cutover: after {}: {not_yet}", format_duration(timeout))?;
            ExitCode::from(TIME_IS_UP)
        }
    })
}

/// Why there is nothing more to wait for.
enum Ended {
    Done(String),
    Never(String),
    TimeIsUp(Duration, String),
}

impl Options {
    /// Says what it waits for: on a terminal in one line, otherwise in a line whenever that changes.
    async fn until_ended(
        &self,
        http: SocketAddr,
        asked_for: &Desired,
        line: &mut progress::Line,
    ) -> anyhow::Result<Ended> {
        let began = Instant::now();
        let mut said = String::new();
        loop {
            let status = client::status(http).await?;
            let not_yet = match self.what.progress(&status, asked_for)? {
                Progress::Done(how) => return Ok(Ended::Done(how)),
                Progress::Never(why) => return Ok(Ended::Never(why)),
                Progress::NotYet(why) => why,
            };
            if let Some(timeout) = self.timeout.filter(|timeout| began.elapsed() >= *timeout) {
                return Ok(Ended::TimeIsUp(timeout, not_yet));
            }
            if said != not_yet && !line.is_shown() {
                writeln!(io::stderr(), "{not_yet}")?;
            }
            let ends = self.what.until(&status).and_then(|at| left(at, SystemTime::now()));
            line.during(&not_yet, ends, sleep(LOOK_EVERY)).await;
            said = not_yet;
        }
    }
}

/// How long it is until an instant; nothing of what has passed.
fn left(until: &str, now: SystemTime) -> Option<Duration> {
    humantime::parse_rfc3339_weak(until).ok()?.duration_since(now).ok()
}

impl What {
    /// When it may be over, if that is known by now: of a release when its phase is.
    fn until<'s>(&self, status: &'s Status) -> Option<&'s str> {
        match (self.drained.as_deref(), &self.released) {
            (Some([service, pool]), _) => {
                let pool = status.services.get(service)?.pools.get(pool)?;
                pool.off_from.as_deref().filter(|_| pool.share == 0)
            }
            (_, Some(service)) => status.services.get(service)?.until.as_deref(),
            _ => None,
        }
    }

    fn progress(&self, status: &Status, asked_for: &Desired) -> anyhow::Result<Progress> {
        match (&self.drained, &self.released) {
            (Some(names), _) => match names.as_slice() {
                [service, pool] => drained(status, service, pool),
                _ => anyhow::bail!("--drained takes a service and a pool"),
            },
            (None, Some(name)) => {
                let mut specs = asked_for.services.values();
                let Some(spec) = specs.find(|spec| spec.name.as_str() == name) else {
                    let known = asked_for.services.keys().map(ServiceName::as_str);
                    anyhow::bail!("in the release file {}", Unknown::of("service", name, known));
                };
                Ok(match status.services.get(name) {
                    Some(service) => released(name, service, &spec.live.to_string()),
                    None => Progress::NotYet(format!("{name} is not answered yet")),
                })
            }
            (None, None) => anyhow::bail!("say what to wait for: --drained or --released"),
        }
    }
}

fn service<'s>(status: &'s Status, name: &str) -> anyhow::Result<&'s ServiceStatus> {
    let known = status.services.keys().map(String::as_str);
    Ok(status.services.get(name).ok_or_else(|| Unknown::of("service", name, known))?)
}

fn drained(status: &Status, service: &str, pool: &str) -> anyhow::Result<Progress> {
    let pools = &self::service(status, service)?.pools;
    let names = pools.keys().map(String::as_str);
    let known = pools.get(pool).ok_or_else(|| Unknown::of("pool", pool, names))?;
    let horizon = known.horizon.as_deref().unwrap_or("the start");
    let off_from = known.off_from.as_deref().unwrap_or(horizon);
    Ok(match (known.share, known.drained, known.off) {
        (0, false, _) if known.off_from.is_none() => Progress::NotYet(format!(
            "{pool} of {service} has no clients now, but is needed: it serves and is down, or a \
             release that is under way, or the way back from it, may give it clients"
        )),
        (0, true, true) => Progress::Done(format!(
            "{pool} of {service} can be switched off since {off_from}: drained since {horizon}"
        )),
        (0, true, false) => Progress::NotYet(format!(
            "{pool} of {service} is drained since {horizon}, and can be switched off from {off_from}"
        )),
        (0, false, _) => Progress::NotYet(format!(
            "{pool} of {service} is in caches until {horizon}, and can be switched off from {off_from}"
        )),
        (share, ..) => {
            Progress::NotYet(format!("{pool} of {service} still answers {share} % of the clients"))
        }
    })
}

fn released(name: &str, service: &ServiceStatus, live: &str) -> Progress {
    if service.live != live {
        return Progress::NotYet(format!("the daemon does not carry out yet that {live} is live"));
    }
    let reason = service.release.as_ref().and_then(|release| release.reason.as_deref());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let answering: Vec<&str> = service.serving.keys().map(String::as_str).collect();
    let verb = if answering.len() == 1 { "answers" } else { "answer" };
    let (answering, phase) = (answering.join(" and "), service.phase.as_str());
    match phase {
        "Failed" => {
            Progress::Never(format!("the release of {name} has failed{reason}; {answering} {verb}"))
        }
        "Steady" | "Draining" if service.serving == service.desired => {
            Progress::Done(format!("{name} is released: {answering} {verb}"))
        }
        _ => {
            Progress::NotYet(format!("{name} is in the phase {phase}{reason}; {answering} {verb}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::admin::status::{FileStatus, PoolStatus, StoreStatus};

    fn pool(share: u8, drained: bool, off: bool) -> PoolStatus {
        let at = |text: &str| Some(text.to_owned());
        PoolStatus {
            share,
            in_file: true,
            horizon: at("12:00"),
            answers: 0,
            answered: None,
            clearing: None,
            target: None,
            drained,
            off_from: at("12:01"),
            off,
            endpoints: Vec::new(),
        }
    }

    fn api(phase: &str, serving: &str, v1: PoolStatus) -> ServiceStatus {
        ServiceStatus {
            owner: "api.zone.test".to_owned(),
            unicode: None,
            serving: [(serving.to_owned(), 100)].into(),
            desired: [("v2".to_owned(), 100)].into(),
            live: "v2".to_owned(),
            phase: phase.to_owned(),
            until: None,
            next: None,
            rollback: None,
            clients: None,
            health: "healthy".to_owned(),
            ttl: 60,
            orphaned: false,
            group: None,
            waits: None,
            unkept: false,
            taken: BTreeMap::new(),
            release: None,
            pools: [("v1".to_owned(), v1)].into(),
        }
    }

    fn status(api: ServiceStatus) -> Status {
        let (path, loaded_at, checksum, errors) = (String::new(), None, None, Vec::new());
        Status {
            now: String::new(),
            version: String::new(),
            generation: 1,
            serial: 1,
            zone: "zone.test.".to_owned(),
            ready: true,
            freeze: None,
            doubted_since: None,
            zones: BTreeMap::new(),
            zones_refused: None,
            file: FileStatus { accepted: true, path, loaded_at, waiting: false, checksum, errors },
            store: StoreStatus::default(),
            events: BTreeMap::new(),
            services: BTreeMap::from([("api".to_owned(), api)]),
        }
    }

    #[test]
    fn a_pool_is_drained_when_it_can_be_switched_off_and_not_before() {
        let of = |share, is_drained, off| {
            let status = status(api("Draining", "v2", pool(share, is_drained, off)));
            drained(&status, "api", "v1").expect("known")
        };
        assert!(matches!(of(0, true, true), Progress::Done(_)));
        let later = "v1 of api is drained since 12:00, and can be switched off from 12:01";
        assert_eq!(of(0, true, false), Progress::NotYet(later.to_owned()));
        assert!(matches!(of(0, false, false), Progress::NotYet(_)));
        assert!(matches!(of(100, false, false), Progress::NotYet(_)));
        let down = PoolStatus { off_from: None, ..pool(0, false, false) };
        let serves = drained(&status(api("Steady", "v2", down)), "api", "v1").expect("known");
        assert!(matches!(serves, Progress::NotYet(why) if why.contains("serves")));
    }

    #[test]
    fn a_bar_ends_when_the_pool_can_be_switched_off_or_the_phase_is_over() {
        let what = |drained: bool| What {
            drained: drained.then(|| vec!["api".to_owned(), "v1".to_owned()]),
            released: (!drained).then(|| "api".to_owned()),
        };
        let baking = ServiceStatus {
            until: Some("2026-12-01T02:00:10Z".to_owned()),
            ..api("Baking", "v2", pool(0, false, false))
        };
        assert_eq!(what(true).until(&status(baking.clone())), Some("12:01"));
        assert_eq!(what(false).until(&status(baking)), Some("2026-12-01T02:00:10Z"));
        assert_eq!(what(true).until(&status(api("Baking", "v2", pool(9, false, false)))), None);
        let now = humantime::parse_rfc3339("2026-12-01T02:00:00Z").expect("an instant");
        assert_eq!(left("2026-12-01T02:00:10.5Z", now), Some(Duration::from_millis(10_500)));
        assert_eq!(left("2026-12-01T01:59:59Z", now), None);
        assert_eq!(left("12:01", now), None);
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_with_the_one_that_was_meant() {
        let status = status(api("Steady", "v2", pool(0, true, true)));
        let error = drained(&status, "apy", "v1").expect_err("unknown");
        assert_eq!(error.to_string(), "there is no service `apy`; did you mean `api`?");
        let error = drained(&status, "api", "blue").expect_err("unknown");
        assert_eq!(error.to_string(), "there is no pool `blue`; there are: v1");
    }

    #[test]
    fn a_release_is_done_when_it_has_baked_and_never_once_it_has_failed() {
        let of = |phase, serving| released("api", &api(phase, serving, pool(0, true, true)), "v2");
        assert!(matches!(of("Steady", "v2"), Progress::Done(_)));
        assert!(matches!(of("Draining", "v2"), Progress::Done(_)));
        assert!(matches!(of("Baking", "v2"), Progress::NotYet(_)));
        assert!(matches!(of("Steady", "v1"), Progress::NotYet(_)), "the file was just saved");
        assert!(matches!(of("RollingBack", "v1"), Progress::NotYet(_)));
        assert!(matches!(of("Failed", "v1"), Progress::Never(_)));
        let unread = released("api", &api("Steady", "v2", pool(0, true, true)), "v3");
        assert!(matches!(unread, Progress::NotYet(_)), "the daemon has not read the file yet");
    }
}
