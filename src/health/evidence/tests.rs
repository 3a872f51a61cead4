//! What measurements and values mean.

use std::time::Duration;

use super::*;
use crate::model::{
    Bound, Guard, Limit, Measure, Number, Performance, PoolName, ProbeKind, TcpProbe,
};

fn value(number: f64) -> Bound {
    Bound::Value(Number::new(number).expect("finite"))
}

fn ratio(text: &str) -> Bound {
    Bound::Ratio(text.parse().expect("a ratio"))
}

fn limited(limits: &[(Measure, Bound)]) -> Performance {
    let limit = |&(measure, bound): &(Measure, Bound)| Limit { measure, bound };
    Performance {
        kind: ProbeKind::Tcp(TcpProbe { port: 80 }),
        requests: 500,
        duration: Performance::DURATION,
        concurrency: 4,
        rate: 50,
        timeout: Performance::TIMEOUT,
        samples_min: 100,
        interval: Performance::INTERVAL,
        tolerance: Duration::ZERO,
        limits: limits.iter().map(limit).collect(),
    }
}

/// Latencies from 1 ms on, each longer than the one before by as much; in 10 s.
fn sample(side: &str, count: u64, factor: u64) -> Sample {
    Sample {
        side: side.to_owned(),
        latencies: (1..=count).rev().map(|at| Duration::from_millis(at * factor)).collect(),
        elapsed: Duration::from_secs(10),
        ..Sample::default()
    }
}

const P95: Measure = Measure::Percentile(95);

#[test]
fn percentiles_are_those_of_the_nearest_rank() {
    let p = |percent, count| {
        let limits = [(Measure::Percentile(percent), value(1e6))];
        let performance = Performance { samples_min: 1, ..limited(&limits) };
        judged_samples(&performance, sample("v2", count, 1), None).to_string()
    };
    assert_eq!(p(95, 100), "p95 95ms of v2 (100 requests)");
    assert_eq!(p(99, 100), "p99 99ms of v2 (100 requests)");
    assert_eq!(p(50, 3), "p50 2ms of v2 (3 requests)");
    assert_eq!(p(95, 1), "p95 1ms of v2 (1 request)");
}

#[test]
fn an_absolute_limit_names_value_size_and_limit() {
    let performance = limited(&[(P95, value(0.2))]);
    let good = judged_samples(&performance, sample("v2", 100, 2), None);
    assert_eq!(good, Finding::Good("p95 190ms of v2 (100 requests)".to_owned()));
    let bad = judged_samples(&performance, sample("v2", 100, 3), None);
    let why = "p95 of v2 is 285ms (100 requests), and it must be at most 200ms";
    assert_eq!(bad, Finding::Bad(why.to_owned()));
}

#[test]
fn a_relative_limit_is_so_many_times_what_the_old_pool_has() {
    let performance = limited(&[(P95, ratio("1.2x"))]);
    let judged = |factor| {
        judged_samples(&performance, sample("v2", 100, factor), Some(sample("v1", 200, 1)))
    };
    assert_eq!(judged(2), Finding::Good("p95 190ms of v2 (100 requests)".to_owned()));
    let why = "p95 of v2 is 285ms (100 requests), and it must be at most 228ms, 1.2x of the 190ms \
               of v1 (200 requests)";
    assert_eq!(judged(3), Finding::Bad(why.to_owned()));
    let alone = judged_samples(&performance, sample("v2", 100, 3), None);
    let why = "nothing else is up to be compared with";
    assert_eq!(alone, Finding::Unjudged(why.to_owned()));
    let tolerant = Performance { tolerance: Duration::from_millis(95), ..performance };
    let good = judged_samples(&tolerant, sample("v2", 100, 3), Some(sample("v1", 200, 1)));
    assert!(matches!(good, Finding::Good(_)), "{good}");
}

#[test]
fn too_few_are_not_judged_but_what_is_bad_is_bad() {
    let performance = limited(&[(P95, value(0.2)), (Measure::Errors, value(0.01))]);
    let few = judged_samples(&performance, sample("v2", 99, 9), None);
    let why = "p95 of v2 is not judged on 99 answers: 100 are needed";
    assert_eq!(few, Finding::Unjudged(why.to_owned()));
    let broken = Sample {
        errors: 60,
        first_error: Some("status 500, expected 200".to_owned()),
        ..sample("v2", 60, 1)
    };
    let why = "errors of v2 is 50% (120 requests), and it must be at most 1%; the first one: status \
               500, expected 200";
    assert_eq!(judged_samples(&performance, broken, None), Finding::Bad(why.to_owned()));
    let old = Some(sample("v1", 5, 1));
    let relative = limited(&[(P95, ratio("1.2x"))]);
    let few = judged_samples(&relative, sample("v2", 100, 1), old);
    let why = "p95 of v1 is not judged on 5 answers: 100 are needed";
    assert_eq!(few, Finding::Unjudged(why.to_owned()));
}

#[test]
fn what_is_so_slow_that_too_few_answers_come_is_bad_where_no_more_could_mend_it() {
    let performance = limited(&[(P95, value(0.2))]);
    let slow = |latency, unmade| Sample {
        latencies: vec![Duration::from_millis(latency); 60],
        unmade,
        ..sample("v2", 0, 1)
    };
    let bad = judged_samples(&performance, slow(2_000, 440), None);
    let why = "p95 of v2 is 2000ms at best (60 requests), and it must be at most 200ms";
    assert_eq!(bad, Finding::Bad(why.to_owned()));
    let quick = judged_samples(&performance, slow(100, 440), None);
    assert_eq!(quick.name(), "unjudged", "it need not be so slow: {quick}");
    let cut = judged_samples(&performance, slow(2_000, 0), None);
    assert_eq!(cut.name(), "unjudged", "there was no lack of time: {cut}");
    let ours = Sample { hindrance: Some("no descriptor".to_owned()), ..slow(2_000, 440) };
    assert_eq!(judged_samples(&performance, ours, None).name(), "unjudged");
    let hanging = Sample { errors: 24, unmade: 476, ..sample("v2", 0, 1) };
    let errors = limited(&[(Measure::Errors, value(0.01))]);
    assert_eq!(judged_samples(&errors, hanging, None).name(), "bad");
}

#[test]
fn a_look_without_a_value_does_not_undo_a_bad_one() {
    let guard = guard(None, Some(value(1.0)));
    let mut guards = Guards::default();
    guards.follow(&[std::sync::Arc::new(guard.clone())]);
    for (second, value) in [(1, Ok(3.0)), (2, Err("no answer"))] {
        let at = Timestamp::from_unix_micros(second * 1_000_000);
        guards.read(&guard, judged_value(at, &guard, &[asked("", value)], None));
        assert!(guards.trouble().is_some(), "{second}");
    }
    assert!(guards.lacks_data().is_none(), "one is forgiven");
    let at = Timestamp::from_unix_micros(3_000_000);
    guards.read(&guard, judged_value(at, &guard, &[asked("", Ok(0.5))], None));
    assert_eq!(guards.trouble(), None);
}

#[test]
fn where_both_pools_fail_it_need_not_be_the_new_one() {
    let performance = limited(&[(P95, ratio("1.2x")), (Measure::Errors, value(0.01))]);
    let broken = |side| Sample { errors: 50, ..sample(side, 100, 1) };
    let both = judged_samples(&performance, broken("v2"), Some(broken("v1")));
    let why = "errors of v2 is 33.3% (150 requests), and that of v1 is 33.3%: neither may be more \
               than 1%";
    assert_eq!(both, Finding::Unjudged(why.to_owned()));
    let one = judged_samples(&performance, broken("v2"), Some(sample("v1", 100, 1)));
    assert_eq!(one.name(), "bad");
    let mut doubted = one;
    doubted.doubt(true);
    assert_eq!(doubted.name(), "unjudged");
}

#[test]
fn of_the_throughput_more_is_better() {
    let judged = |bound| {
        judged_samples(
            &limited(&[(Measure::Throughput, bound)]),
            sample("v2", 100, 1),
            Some(sample("v1", 200, 1)),
        )
    };
    assert_eq!(
        judged(value(10.0)),
        Finding::Good("throughput 10/s of v2 (100 requests)".to_owned())
    );
    let why = "throughput of v2 is 10/s (100 requests), and it must be at least 16/s, 0.8x of the \
               20/s of v1 (200 requests)";
    assert_eq!(judged(ratio("0.8x")), Finding::Bad(why.to_owned()));
}

fn guard(min: Option<Bound>, max: Option<Bound>) -> Guard {
    Guard {
        name: "errors".parse().expect("a label"),
        query: "up".to_owned(),
        min,
        max,
        tolerance: Number::ZERO,
        interval: Guard::INTERVAL,
        count: 1,
        fail_limit: 0,
        error_limit: 2,
    }
}

fn asked(pool: &str, value: Result<f64, &str>) -> Asked {
    let pool = (!pool.is_empty()).then(|| pool.parse::<PoolName>().expect("a name"));
    Asked { pool, value: value.map_err(str::to_owned) }
}

#[test]
fn a_value_is_judged_by_its_bounds() {
    let between = guard(Some(value(0.5)), Some(value(2.0)));
    let judged =
        |value| judged_value(Timestamp::default(), &between, &[asked("", Ok(value))], None).finding;
    assert_eq!(judged(1.0), Finding::Good("guard errors is 1".to_owned()));
    assert_eq!(judged(0.5), Finding::Good("guard errors is 0.5".to_owned()));
    let why = "guard errors is 2.33333, and it must be at most 2";
    assert_eq!(judged(7.0 / 3.0), Finding::Bad(why.to_owned()));
    assert!(matches!(judged(0.4), Finding::Bad(_)));
    assert!(matches!(judged(f64::INFINITY), Finding::Bad(_)), "it is more than that");
    let why = "guard errors has no value: it is NaN";
    assert_eq!(judged(f64::NAN), Finding::Unjudged(why.to_owned()));
}

#[test]
fn a_relative_bound_needs_a_value_of_the_old_pool() {
    let judge = |guard: &Guard, new, old| {
        judged_value(Timestamp::default(), guard, &[asked("v2", Ok(new))], Some(&asked("v1", old)))
            .finding
    };
    let most = guard(None, Some(ratio("1.2x")));
    assert!(matches!(judge(&most, 1.2, Ok(1.0)), Finding::Good(_)));
    let why = "guard errors is 1.3 of v2, and it must be at most 1.2, 1.2x of 1 of v1";
    assert_eq!(judge(&most, 1.3, Ok(1.0)), Finding::Bad(why.to_owned()));
    let why = "guard errors has no value of v1: there is no data";
    assert_eq!(judge(&most, 1.3, Err("there is no data")), Finding::Unjudged(why.to_owned()));
    assert!(matches!(judge(&most, 1.3, Ok(f64::NAN)), Finding::Unjudged(_)));
    let tolerant = Guard { tolerance: Number::new(0.3).expect("finite"), ..most };
    assert!(matches!(judge(&tolerant, 0.3, Ok(0.0)), Finding::Good(_)), "nothing of nothing");
    let least = guard(Some(ratio("0.9x")), None);
    assert!(matches!(judge(&least, 0.95, Ok(1.0)), Finding::Good(_)));
    assert!(matches!(judge(&least, 0.85, Ok(1.0)), Finding::Bad(_)));
    let tolerant = Guard { tolerance: Number::new(0.2).expect("finite"), ..least };
    assert!(matches!(judge(&tolerant, 0.85, Ok(1.0)), Finding::Good(_)));
}

#[test]
fn of_several_pools_the_worst_counts() {
    let most = guard(None, Some(value(1.0)));
    let judge = |new: &[Asked]| judged_value(Timestamp::default(), &most, new, None);
    let [good, bad, none] =
        [asked("v2", Ok(0.5)), asked("v3", Ok(3.0)), asked("v4", Err("nothing"))];
    let reading = judge(&[good.clone(), bad.clone(), none.clone()]);
    assert_eq!((reading.finding.name(), reading.value), ("bad", Some(3.0)));
    let reading = judge(&[none, good.clone()]);
    assert_eq!((reading.finding.name(), reading.value), ("unjudged", None));
    assert_eq!(judge(&[good]).finding.name(), "good");
    assert_eq!(judge(&[]).finding.name(), "unjudged");
}
