//! Whether the instants of a release file can be met to the second.

use std::time::Duration;

use tracing::warn;

use crate::{dns::Clock, model::Desired};

/// Less is not worth a word: caches count whole seconds.
const DRIFT_MAX: Duration = Duration::from_secs(1);

/// The clock of the control plane is not set while it runs. Says so when the system's clock has been,
/// and a service has an instant ahead.
pub(super) fn warn_of_drift(clock: &Clock, desired: &Desired) {
    let (now, drift) = (clock.now(), clock.drift());
    let instants = desired.services.values().filter_map(|spec| spec.release.at);
    if drift > DRIFT_MAX && instants.into_iter().any(|at| at > now) {
        warn!(
            drift_secs = drift.as_secs(),
            "the system's clock was set since the start: an instant of the release file is met by \
             the time of day as it was known then; restart the daemon to mend it"
        );
    }
}
