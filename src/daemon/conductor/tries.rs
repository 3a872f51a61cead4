//! What the tries of probes mean: for an endpoint, and for whether it is us when they fail. And what was
//! found out besides.

use tracing::{info, warn};

use super::{Conductor, Service};
use crate::{
    daemon::{
        examiner::{Found, What},
        lookups::Looked,
    },
    model::{ProbeSetting, ServiceName, Timestamp},
    probe::Tried,
};

impl Conductor {
    /// An endpoint was tried.
    pub(super) fn weigh(&mut self, now: Timestamp, tried: Tried) {
        let Tried { service: name, address, spec, outcome } = tried;
        let Some(service) = self.services.get_mut(&name) else { return };
        if !service.health.is_judged_by(&ProbeSetting::On(spec)) {
            return;
        }
        let was_doubted = self.doubt.since().is_some();
        let has_passed = outcome.as_ref().ok().map(|outcome| outcome.result.is_ok());
        self.doubt.tried(now, &name, address, has_passed);
        let is_doubted = self.doubt.since().is_some();
        match outcome {
            // It says nothing of the endpoint.
            Err(why) => service.health.hindered(address, why),
            Ok(outcome) => {
                let reason = outcome.result.clone().err();
                if service.tried(now, address, outcome, is_doubted) {
                    let verdict = service.health.verdict(address).name();
                    info!(service = %name, endpoint = %address, verdict, reason, "verdict");
                    self.observe(now, name);
                }
            }
        }
        if was_doubted != is_doubted {
            self.undoubted_at = now;
            self.tell_doubt(is_doubted);
            self.spread_doubt(now);
        }
    }

    /// A name that pools point to was looked up.
    pub(super) fn note_looked(&mut self, now: Timestamp, looked: Looked) {
        let users = self.targets.note(now, &looked);
        let Looked { name, result } = looked;
        let failure = result.as_ref().err().map(ToString::to_string);
        for user in users {
            let Some(service) = self.services.get_mut(&user) else { continue };
            service.health.lookups.note(&name, failure.clone());
            if let Ok(resolution) = &result
                && !service.cutover.follows(&name, resolution)
            {
                let told = service.resolve(now, &name, resolution, &self.around);
                self.keep(now, &user, told);
            }
            self.observe(now, user);
        }
    }

    /// Something was found out about a release.
    pub(super) fn note_found(&mut self, now: Timestamp, found: Found) {
        let Found { service: name, scope, what } = found;
        let Some(service) = self.services.get_mut(&name) else { return };
        let (doubted, undoubted_at) = (self.doubt.since().is_some(), self.undoubted_at);
        let is_doubted = |begun: Timestamp| doubted || begun < undoubted_at;
        let evidence = &mut service.health.evidence;
        if evidence.scope() != Some(scope) {
            return;
        }
        match what {
            What::Tested(subject, test, mut tested) => {
                let begun = tested.at.since_epoch().saturating_sub(tested.latency);
                tested.finding.doubt(is_doubted(Timestamp::default() + begun));
                evidence.tests.tested(subject, &test, tested);
            }
            What::Measured(performance, mut measured) => {
                measured.finding.doubt(is_doubted(measured.begun));
                evidence.performance.measured(&performance, measured);
            }
            What::Read(guard, reading) => evidence.guards.read(&guard, reading),
            What::Answered(name, answer) => evidence.answered(name, answer),
            // Nothing is decided by it.
            What::Progress(done, of) => return evidence.performance.go_on(done, of),
        }
        self.observe(now, name);
    }

    /// Releases stand still without data, and go on with some.
    fn spread_doubt(&mut self, now: Timestamp) {
        let since = self.doubt.since();
        self.services.values_mut().for_each(|service| service.health.set_doubted(since));
        let is_released = |service: &Service| service.cutover.phase().release().is_some();
        let released = self.services.iter().filter(|(_, service)| is_released(service));
        let released: Vec<ServiceName> = released.map(|(name, _)| name.clone()).collect();
        released.into_iter().for_each(|name| self.observe(now, name));
    }

    fn tell_doubt(&self, is_doubted: bool) {
        self.metrics.probes_doubted(is_doubted);
        match is_doubted {
            true => warn!(
                "every probe of every pool fails: this daemon may be cut off; verdicts stay, and \
                 releases go neither back nor on because of them"
            ),
            false => info!("not every probe fails any more: failures count again"),
        }
    }
}
