//! Events out: each transition is told to every hook of the settings, in order, until it is taken.
//!
//! [`outbox`] is the conductor's end: it gives the numbers, and has events kept in the transaction that
//! keeps their transitions. What is kept and published goes into [`queue`], from which each hook takes at
//! its own pace: one task for each (`deliver`), which tries again by the schedule of `backoff`. What an
//! event looks like outside is [`crate::admin::cloud`]; those who listen to the stream of events are told
//! the same, by [`ToldEvents`].
//!
//! At least once: how far a hook has come is kept later than it has come there, with what is to be kept
//! next, or alone when that does not come for a while. The conductor waits for no hook, and no more than
//! [`queue::PENDING_MAX`] events wait. Left out: what a receiver answers, but for its status.

mod backoff;
mod counters;
mod deliver;
mod outbox;
mod queue;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use prometheus::Registry;
use tokio::task::AbortHandle;

pub(super) use outbox::Outbox;

use crate::{
    admin::told::ToldEvents,
    dns::Clock,
    model::{DnsName, Hook, Label},
    store::FoundEvents,
    web::Client,
};
use counters::Counters;
use deliver::Delivery;
use queue::Queue;

/// Goes on with what was found; begins to tell once the outbox is opened.
pub(super) fn start(
    hooks: Vec<Hook>,
    zone: &DnsName,
    found: Option<FoundEvents>,
    clock: Clock,
    registry: &Registry,
) -> Result<Started, prometheus::Error> {
    let names: Vec<_> = hooks.iter().map(|hook| hook.name.clone()).collect();
    let counters = Counters::register(registry, &names)?;
    let (queue, numbering) = go_on(names, found, counters);
    let client = Client::new();
    let deliver = |hook| {
        let (zone, queue, client) = (zone.clone(), queue.clone(), client.clone());
        tokio::spawn(Delivery::new(hook, zone, queue, client, clock).run()).abort_handle()
    };
    let tasks = hooks.into_iter().map(deliver).collect();
    let outbox = Outbox::new(queue, numbering, zone.clone());
    Ok(Started { told: outbox.told(), outbox, tasks })
}

/// What goes on telling.
pub(super) struct Started {
    /// The conductor's end.
    pub(super) outbox: Outbox,
    /// For those who listen.
    pub(super) told: Arc<ToldEvents>,
    /// One for each hook.
    pub(super) tasks: Vec<AbortHandle>,
}

/// Of what was found, what the hooks that there are have not been told. A hook that is new is told what
/// happens from now on.
fn go_on(
    names: Vec<Label>,
    found: Option<FoundEvents>,
    counters: Counters,
) -> (Arc<Queue>, Option<outbox::Numbering>) {
    let numbering = found.as_ref().map(|found| {
        let after = found.events.last().map_or(0, |event| event.sequence + 1);
        outbox::Numbering { instance: found.instance, next: found.next.max(after) }
    });
    let next = numbering.as_ref().map_or(outbox::FIRST, |numbering| numbering.next);
    let (events, positions) = match found {
        Some(FoundEvents { events, positions, wrong, .. }) => {
            for (number, why) in wrong {
                tracing::error!(number, %why, "an event that was kept cannot be understood");
            }
            (events, positions)
        }
        None => (Vec::new(), BTreeMap::new()),
    };
    let position = |name| {
        let position = positions.get(&name).copied().unwrap_or(next).min(next);
        (name, position)
    };
    let positions = names.into_iter().map(position).collect();
    (Arc::new(Queue::new(events, positions, counters)), numbering)
}
