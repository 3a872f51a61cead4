//! Answers to messages on streams: those that are there together, from one table and at one time.
//!
//! What it costs to look at the clock and to take hold of the table is paid once for all of them,
//! as with a batch of datagrams.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use arc_swap::Guard;

use super::{
    DropCause, Packet, Plane, Transport,
    common::reply_common,
    counters::StreamBlock,
    general::reply_general,
    responder::{Outcome, Unlimited, unix_secs},
    response::Given,
    tcp,
};
use crate::{
    model::{ClientNetwork, Timestamp, mapped},
    table::Table,
};

pub(super) struct Sitting<'p> {
    plane: &'p Plane,
    table: Guard<Arc<Table>>,
    unix_secs: u32,
    now: Timestamp,
    /// The answers so far that name endpoints of a pool.
    given: Vec<(Given, ClientNetwork)>,
}

impl<'p> Sitting<'p> {
    pub(super) fn begin(plane: &'p Plane) -> Self {
        let (table, now) = (plane.store.load(), plane.clock.now());
        Self { plane, table, unix_secs: unix_secs(), now, given: Vec::new() }
    }

    /// Appends the reply to a message, if there is one.
    pub(super) fn answer(
        &mut self,
        octets: &[u8],
        client: SocketAddr,
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> Result<(), DropCause> {
        let Self { table, unix_secs, now, .. } = &*self;
        let (responder, block) = (&self.plane.responder, self.block());
        let packet = Packet { octets, client, transport, unix_secs: *unix_secs, now: *now };
        // A fault in one reply must not end the answers to all others.
        let reply = catch_unwind(AssertUnwindSafe(|| {
            let replied = reply_common(responder, table, packet, out);
            replied.map(Outcome::Replied).unwrap_or_else(|| {
                block.general();
                reply_general(responder, table, packet, &mut Unlimited, out)
            })
        }));
        let outcome = reply.unwrap_or(Outcome::Dropped(DropCause::Internal));
        block.count(&outcome, transport);
        let network = || ClientNetwork::of(mapped(client.ip()), None);
        self.given.extend(outcome.given().map(|given| (given, network())));
        match outcome {
            Outcome::Replied(_) => Ok(()),
            Outcome::Dropped(cause) => Err(cause),
        }
    }

    /// Notes until when caches may hold the answers, sent now or at most so much later.
    pub(super) fn end(self, delay: Duration) {
        if !self.given.is_empty() {
            let sent_at = self.plane.clock.now() + delay;
            self.given.iter().for_each(|given| self.block().given(*given, sent_at));
        }
    }

    fn block(&self) -> &'p StreamBlock {
        self.plane.counters.streams()
    }
}

impl tcp::Answer for Plane {
    fn sit(&self) -> impl tcp::Sitting {
        Sitting::begin(self)
    }
}

impl tcp::Sitting for Sitting<'_> {
    fn answer(&mut self, packet: &[u8], client: SocketAddr, out: &mut Vec<u8>) -> bool {
        self.answer(packet, client, Transport::Tcp, out).is_ok()
    }

    fn end(self, delay: Duration) {
        self.end(delay);
    }
}
