//! What the checks of one try mean together. Pure.

use std::time::Duration;

use humantime::format_duration;

use super::{Checked, Failure};
use crate::{
    health::Outcome,
    model::{Check, Pass, ProbeSpec},
};

/// Whether the try passed, or why not; `Err` if it could not be made.
///
/// A check that could not be made is no failure: where all are needed, and no other one fails, nothing
/// is known; where one is enough, neither if none of the others passes.
pub(super) fn verdict(spec: &ProbeSpec, checks: &[Checked]) -> Result<Outcome, String> {
    let is_one = spec.checks.len() == 1;
    let named = |check: &Check, reason: String| {
        if is_one { reason } else { format!("{}: {reason}", check.kind.name()) }
    };
    let (mut passed, mut failures, mut ours) = (Vec::new(), Vec::new(), None);
    let mut warnings = Vec::new();
    for (check, checked) in spec.checks.iter().zip(checks) {
        match &checked.result {
            Ok(warning) => {
                passed.push(checked.latency);
                warnings.extend(warning.iter().map(|warning| named(check, warning.clone())));
            }
            Err(Failure::Endpoint(reason)) => failures.push(named(check, reason.clone())),
            Err(Failure::Ours(reason)) => ours = ours.or(Some(reason.clone())),
        }
    }
    let slowest = checks.iter().map(|checked| checked.latency).max().unwrap_or_default();
    let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    let outcome = |latency: Duration, result| Ok(Outcome { latency, result, warning });
    match (spec.pass, ours) {
        (Pass::Any, _) if !passed.is_empty() => {
            outcome(passed.into_iter().min().unwrap_or_default(), Ok(()))
        }
        (Pass::All, _) if !failures.is_empty() => outcome(slowest, Err(failures.join("; "))),
        (_, Some(ours)) => Err(ours),
        (Pass::All, None) => outcome(slowest, Ok(())),
        (Pass::Any, None) => outcome(slowest, Err(failures.join("; "))),
    }
}

/// A right answer that comes too late is a failure.
pub(super) fn in_time(check: &Check, checked: Checked) -> Checked {
    let Checked { latency, result: Ok(_) } = checked else { return checked };
    let Some(limit) = check.latency.filter(|limit| latency > *limit) else { return checked };
    let took = Duration::from_millis(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
    let [took, limit] = [took, limit].map(format_duration);
    let reason = format!("it took {took}, and may take {limit}");
    Checked { latency, result: Err(Failure::Endpoint(reason)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Percent, ProbeKind, TcpProbe};

    const QUICK: Duration = Duration::from_millis(10);
    const SLOW: Duration = Duration::from_millis(300);

    fn of(pass: Pass, results: &[(Duration, Result<(), Failure>)]) -> Result<Outcome, String> {
        let check = Check {
            kind: ProbeKind::Tcp(TcpProbe { port: 80 }),
            latency: Some(Duration::from_millis(200)),
        };
        let spec = ProbeSpec {
            checks: vec![check; results.len()],
            pass,
            interval: ProbeSpec::INTERVAL,
            timeout: ProbeSpec::TIMEOUT,
            rise: 1,
            fall: 1,
            jitter: Percent::new_const(10),
        };
        let results = results.iter().cloned().zip(&spec.checks);
        let checked = results
            .map(|((latency, result), check)| {
                in_time(check, Checked { latency, result: result.map(|()| None) })
            })
            .collect::<Vec<_>>();
        verdict(&spec, &checked)
    }

    fn bad() -> Result<(), Failure> {
        Err(Failure::Endpoint("refused".to_owned()))
    }

    fn ours() -> Result<(), Failure> {
        Err(Failure::Ours("no descriptor".to_owned()))
    }

    fn failed(latency: Duration, why: &str) -> Result<Outcome, String> {
        Ok(Outcome { latency, result: Err(why.to_owned()), warning: None })
    }

    fn passed(latency: Duration) -> Result<Outcome, String> {
        Ok(Outcome { latency, result: Ok(()), warning: None })
    }

    #[test]
    fn of_all_each_must_pass_and_each_failure_is_told() {
        let late = "it took 300ms, and may take 200ms";
        assert_eq!(of(Pass::All, &[(QUICK, Ok(()))]), passed(QUICK));
        assert_eq!(of(Pass::All, &[(SLOW, Ok(()))]), failed(SLOW, late));
        assert_eq!(of(Pass::All, &[(QUICK, bad())]), failed(QUICK, "refused"));
        let both = [(SLOW, Ok(())), (QUICK, bad())];
        let why = format!("tcp: {late}; tcp: refused");
        assert_eq!(of(Pass::All, &both), failed(SLOW, &why));
        assert_eq!(of(Pass::All, &[(QUICK, Ok(())), (SLOW, bad())]), failed(SLOW, "tcp: refused"));
    }

    #[test]
    fn of_any_one_in_time_is_enough() {
        assert_eq!(of(Pass::Any, &[(SLOW, bad()), (QUICK, Ok(()))]), passed(QUICK));
        let why = "tcp: it took 300ms, and may take 200ms; tcp: refused";
        assert_eq!(of(Pass::Any, &[(SLOW, Ok(())), (QUICK, bad())]), failed(SLOW, why));
    }

    #[test]
    fn what_could_not_be_looked_at_counts_neither_way() {
        let none = Err("no descriptor".to_owned());
        assert_eq!(of(Pass::All, &[(QUICK, Ok(())), (QUICK, ours())]), none);
        assert_eq!(
            of(Pass::All, &[(QUICK, bad()), (QUICK, ours())]),
            failed(QUICK, "tcp: refused")
        );
        assert_eq!(of(Pass::Any, &[(QUICK, Ok(())), (QUICK, ours())]), passed(QUICK));
        assert_eq!(of(Pass::Any, &[(QUICK, bad()), (QUICK, ours())]), none);
    }
}
