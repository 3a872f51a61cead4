//! The line in which greedy connections wait: those that have sent more than one turn takes.
//!
//! One of them has a turn for each look at the sockets, so a new client waits for one such turn,
//! not for one of each connection that a flood keeps busy. When there are many connections, turns
//! are rationed: what a flood of clients asks for and never reads, to ask again on the next
//! connection, costs little then.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::yield_now, time::sleep};

use super::registry::{Bell, Registry};

/// Between two turns of a thread's line when there are many connections. A turn takes some
/// 50 µs.
pub(super) const RATION: Duration = Duration::from_millis(5);

/// More connections than there may be: then some of those in line have gone.
const LENGTH_MAX: usize = 4096;

/// One thread's line.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: Mutex<VecDeque<Arc<Bell>>>,
    joined: Notify,
}

impl Line {
    pub(super) fn join(&self, bell: Arc<Bell>) {
        let mut waiting = self.waiting();
        if waiting.len() >= LENGTH_MAX {
            waiting.retain(|bell| bell.waits());
        }
        waiting.push_back(bell);
        drop(waiting);
        self.joined.notify_one();
    }

    /// Calls one after the other, for ever.
    pub(super) async fn call(&self, registry: &Registry) -> Infallible {
        loop {
            let next = self.waiting().pop_front();
            match next {
                // Who has gone meanwhile takes no turn.
                Some(bell) => {
                    if !bell.call_in() {
                        continue;
                    }
                    // Comes back when the runtime has looked at the sockets, behind all that is
                    // ready then.
                    yield_now().await;
                    if registry.is_busy() {
                        sleep(RATION).await;
                    }
                }
                None => self.joined.notified().await,
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Bell>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
