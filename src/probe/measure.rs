//! Many requests of one pool, and smoke tests: checks that are made for a release and not for a verdict.
//!
//! Politely: no more at once, no faster, no longer and no more of them than the file says. What was late
//! is not made up for. Each request is on a connection of its own, as of a client that is new.

use std::{
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::{Checked, Failure, Means, run_check};
use crate::{
    health::{Finding, Sample},
    model::{Check, Performance, ProbeKind, SmokeTest},
};

/// Makes one smoke test; with the time that it took.
pub async fn smoke_test(test: &SmokeTest, address: IpAddr, means: &Means) -> (Duration, Finding) {
    let Checked { latency, result } = once(&test.kind, test.timeout, address, means).await;
    let finding = match result {
        Ok(warning) => Finding::Good(warning.unwrap_or_default()),
        Err(Failure::Endpoint(why)) => Finding::Bad(why),
        Err(Failure::Ours(why)) => Finding::Unjudged(why),
    };
    (latency, finding)
}

async fn once(kind: &ProbeKind, limit: Duration, address: IpAddr, means: &Means) -> Checked {
    if let Some(refusal) = means.permit.refusal_of_address(address) {
        return Checked { latency: Duration::ZERO, result: Err(Failure::Endpoint(refusal)) };
    }
    run_check(&Check::from(kind.clone()), limit, address, means).await
}

/// Measures the pools of one side, which is called so; `done` counts the requests. `addresses` may change
/// meanwhile: what has been taken out is asked no more, and what it answered does not count.
pub async fn measure(
    performance: &Performance,
    side: String,
    addresses: impl Fn() -> Vec<IpAddr>,
    means: &Means,
    done: &AtomicU32,
) -> Sample {
    let begun = Instant::now();
    let pace = Pace { begun, next: Mutex::new((0, begun)), performance };
    let asked: Mutex<Vec<(IpAddr, Checked)>> = Mutex::default();
    let worker = || async {
        while let Some(number) = pace.turn().await {
            let addresses = addresses();
            let Some(nth) = (number as usize).checked_rem(addresses.len()) else { return };
            let address = addresses[nth];
            let checked = once(&performance.kind, performance.timeout, address, means).await;
            asked.lock().unwrap_or_else(PoisonError::into_inner).push((address, checked));
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    join_all((0..performance.concurrency).map(|_| worker())).await;
    let (elapsed, addresses) = (begun.elapsed(), addresses());
    let asked = asked.into_inner().unwrap_or_else(PoisonError::into_inner);
    let made = u32::try_from(asked.len()).unwrap_or(u32::MAX);
    let unmade = performance.requests.saturating_sub(made);
    let mut sample = Sample { side, elapsed, unmade, ..Sample::default() };
    for (address, checked) in asked {
        if addresses.contains(&address) {
            note(&mut sample, address, checked);
        }
    }
    if addresses.is_empty() {
        sample.hindrance = Some("nothing of it is up".to_owned());
    }
    sample
}

fn note(sample: &mut Sample, address: IpAddr, Checked { latency, result }: Checked) {
    match result {
        Ok(_) => sample.latencies.push(latency),
        Err(Failure::Endpoint(why)) => {
            sample.errors += 1;
            sample.first_error.get_or_insert_with(|| format!("{address}: {why}"));
        }
        Err(Failure::Ours(why)) => drop(sample.hindrance.get_or_insert(why)),
    }
}

/// When the next request may begin.
struct Pace<'p> {
    begun: Instant,
    /// Its number, and the earliest instant.
    next: Mutex<(u32, Instant)>,
    performance: &'p Performance,
}

impl Pace<'_> {
    /// The number of the next request, when it is time for it; nothing when there is to be none.
    async fn turn(&self) -> Option<u32> {
        let Performance { requests, duration, rate, .. } = *self.performance;
        let (number, at) = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let (number, at) = (next.0, next.1.max(Instant::now()));
            *next = (number + 1, at + Duration::from_secs(1) / rate);
            (number, at)
        };
        if number >= requests || at >= self.begun + duration {
            return None;
        }
        sleep_until(at).await;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::{Permit, TcpProbe};

    async fn measured(change: impl FnOnce(&mut Performance)) -> (Sample, u32) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mut performance = Performance {
            kind: ProbeKind::Tcp(TcpProbe { port }),
            requests: 40,
            duration: Duration::from_secs(20),
            concurrency: 3,
            rate: 1000,
            timeout: Performance::TIMEOUT,
            samples_min: 1,
            interval: Performance::INTERVAL,
            tolerance: Duration::ZERO,
            limits: Vec::new(),
        };
        change(&mut performance);
        let (means, done) = (Means::new(Permit::default()), AtomicU32::new(0));
        let address = "127.0.0.1".parse().expect("an address");
        let addresses = || vec![address];
        let sample = measure(&performance, "v2".to_owned(), addresses, &means, &done).await;
        (sample, done.into_inner())
    }

    #[tokio::test]
    async fn there_are_as_many_requests_as_were_asked_for() {
        let (sample, done) = measured(|_| {}).await;
        assert_eq!((sample.latencies.len(), sample.errors, done), (40, 0, 40));
        assert!(sample.elapsed >= Duration::from_millis(39), "no faster: {:?}", sample.elapsed);
    }

    #[tokio::test]
    async fn and_no_more_than_fit_into_the_time() {
        let (sample, _) = measured(|performance| {
            (performance.rate, performance.duration) = (10, Duration::from_secs(1));
        })
        .await;
        assert!((1..=10).contains(&sample.latencies.len()), "{}", sample.latencies.len());
        assert_eq!(sample.unmade as usize, 40 - sample.latencies.len());
    }

    #[tokio::test]
    async fn what_is_taken_out_meanwhile_does_not_count() {
        let [kept, gone]: [IpAddr; 2] =
            ["127.0.0.1", "127.0.0.2"].map(|it| it.parse().expect("one"));
        let mut performance = None;
        measured(|it| performance = Some(it.clone())).await;
        // Nobody listens any more.
        let performance = performance.expect("set");
        let (means, done) = (Means::new(Permit::default()), AtomicU32::new(0));
        let addresses = || match done.load(Ordering::Relaxed) {
            0..20 => vec![kept, gone],
            20.. => vec![kept],
        };
        let sample = measure(&performance, "v2".to_owned(), addresses, &means, &done).await;
        let first = sample.first_error.expect("all have failed");
        assert!(first.starts_with("127.0.0.1: "), "{first}");
        assert!((20..40).contains(&sample.errors), "{}", sample.errors);
    }

    #[tokio::test]
    async fn failures_are_counted_and_the_first_is_told() {
        let (sample, _) = measured(|performance| {
            performance.kind = ProbeKind::Tcp(TcpProbe { port: 1 });
        })
        .await;
        assert_eq!((sample.latencies.len(), sample.errors), (0, 40));
        assert!(sample.first_error.expect("one").starts_with("127.0.0.1: "));
    }
}
