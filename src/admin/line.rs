//! How long a connection may still take: whoever is at its other end, it is not held for ever.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// A connection, for those who have a hand in how long it lasts.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<watch::Sender<Instant>>);

impl Line {
    /// One that may take so long from now on.
    pub(super) fn new(time: Duration) -> Self {
        Self(Arc::new(watch::Sender::new(Instant::now() + time)))
    }

    /// It may take so long from now on, and no longer.
    pub(super) fn allow(&self, time: Duration) {
        self.0.send_replace(Instant::now() + time);
    }

    /// Waits until its time is up.
    pub(super) async fn over(&self) {
        let mut deadline = self.0.subscribe();
        loop {
            let at = *deadline.borrow_and_update();
            tokio::select! {
                () = sleep_until(at) => return,
                // The sender is ours.
                _ = deadline.changed() => {}
            }
        }
    }
}
