//! Datagrams: worker threads, each with a socket, a batch, a limiter and a block of counts of its
//! own, so that they share no memory that is written.
//!
//! A batch is read, looked up and answered together: what it costs to wait for memory and for the
//! system is paid once for all of it.

use std::{
    io,
    net::{Ipv6Addr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    DropCause, Packet, Plane, Transport,
    common::reply_in_place,
    counters::WorkerBlock,
    general::reply_general,
    kernel::{self, Batch, near},
    question::Question,
    responder::{Asker, Limit, Outcome, Responder, unix_secs},
    response::Given,
    rrl::{Class, Lengths, Limited, Limiter, NetworkHash},
};
use crate::{
    model::{ClientNetwork, Timestamp, mapped},
    table::{self, Answer, Asks, LOOKUPS_MAX, Table},
};

const _: () = assert!(Batch::DATAGRAMS_MAX <= LOOKUPS_MAX);
/// After an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(10);

/// Running workers; they end when this is dropped, after the datagrams that they have taken.
pub(super) struct Workers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// One worker for each socket; the sockets of one address together.
    pub(super) fn start(addresses: Vec<Vec<UdpSocket>>, plane: &Arc<Plane>) -> io::Result<Self> {
        let mut workers = Self { stop: Arc::default(), threads: Vec::new() };
        for sockets in addresses {
            let beside = sockets.len();
            for socket in sockets {
                workers.start_one(socket, beside, plane)?;
            }
        }
        Ok(workers)
    }

    fn start_one(
        &mut self,
        socket: UdpSocket,
        beside: usize,
        plane: &Arc<Plane>,
    ) -> io::Result<()> {
        kernel::prepare(&socket)?;
        let worker = Worker::new(socket, plane.counters.worker(), plane.limiter(beside));
        let (plane, stop) = (plane.clone(), self.stop.clone());
        let thread = thread::Builder::new().name(format!("dns-udp-{}", self.threads.len()));
        self.threads.push(thread.spawn(move || worker.run(&plane, &stop))?);
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // It has not panicked: what can is caught.
            let _ = thread.join();
        }
    }
}

struct Worker {
    socket: UdpSocket,
    batch: Batch,
    judge: Judge,
    /// The common questions of the batch.
    asked: Box<[Asked]>,
    /// The answers of the batch that name endpoints of a pool.
    given: Vec<(Given, ClientNetwork)>,
    /// A reply of the general path.
    general: Vec<u8>,
}

/// The limit of one worker.
struct Judge {
    limiter: Option<Limiter>,
    block: Arc<WorkerBlock>,
    now_millis: u32,
}

impl Judge {
    /// Finds the network of a client, for when its answer is there.
    #[inline(always)]
    fn find(&self, client: Ipv6Addr) -> NetworkHash {
        match &self.limiter {
            Some(limiter) => limiter.prefetch(client),
            None => NetworkHash::default(),
        }
    }

    /// The limit for a client whose network has been found.
    fn of(&mut self, network: NetworkHash) -> Found<'_> {
        Found { judge: self, network }
    }
}

/// The limit of one worker for one client.
struct Found<'j> {
    judge: &'j mut Judge,
    network: NetworkHash,
}

impl Limit for Found<'_> {
    #[inline(always)]
    fn judge(&mut self, client: Ipv6Addr, class: Class, proven: bool, lengths: Lengths) -> Limited {
        let Judge { limiter, block, now_millis } = &mut *self.judge;
        let Some(limiter) = limiter.as_mut().filter(|_| !proven) else { return Limited::Pass };
        let found = limiter.check(*now_millis, (client, self.network), class, lengths);
        if found != Limited::Pass {
            block.limited(found);
        }
        limiter.enforced(found)
    }
}

impl Limit for Judge {
    fn judge(&mut self, client: Ipv6Addr, class: Class, proven: bool, lengths: Lengths) -> Limited {
        let network = self.find(client);
        self.of(network).judge(client, class, proven, lengths)
    }
}

/// Which datagrams of a batch have been seen to.
#[derive(Default)]
struct Done(u64);

impl Done {
    /// The others of the first `count`.
    fn others(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let mut others = !self.0 & ((1 << count) - 1);
        std::iter::from_fn(move || {
            let first = others.trailing_zeros();
            // Takes the lowest bit away.
            others &= others.checked_sub(1)?;
            Some(first as usize)
        })
    }

    fn set(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    fn clear(&mut self, index: usize) {
        self.0 &= !(1 << index);
    }
}

impl Worker {
    fn new(socket: UdpSocket, block: Arc<WorkerBlock>, limiter: Option<Limiter>) -> Self {
        Self {
            socket,
            batch: Batch::new(),
            judge: Judge { limiter, block, now_millis: 0 },
            asked: (0..Batch::DATAGRAMS_MAX).map(|_| Asked::empty()).collect(),
            given: Vec::with_capacity(Batch::DATAGRAMS_MAX),
            general: Vec::new(),
        }
    }

    fn run(mut self, plane: &Plane, stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            match self.batch.receive(&self.socket) {
                Ok(0) => {}
                Ok(count) => self.answer(plane, count),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    fn answer(&mut self, plane: &Plane, count: usize) {
        let table = plane.store.load();
        let now = plane.clock.now();
        // Milliseconds wrap after 49 days, and the limiter knows.
        self.judge.now_millis = (now.unix_micros() / 1_000) as u32;
        let responder = &plane.responder;
        let at = Moment { responder, table: &table, unix_secs: unix_secs(), now };
        let mut done = Done::default();
        // A fault in one reply must not end the answers to all others: whatever is not done is
        // tried by itself on the general path.
        let _ = catch_unwind(AssertUnwindSafe(|| self.answer_common(at, &mut done)));
        for index in done.others(count) {
            let reply = catch_unwind(AssertUnwindSafe(|| self.answer_general(at, index)));
            let outcome = reply.unwrap_or(Outcome::Dropped(DropCause::Internal));
            self.judge.block.general();
            self.count(&outcome, index);
        }
        let sent = self.batch.send(&self.socket);
        // All at once, so that these too wait for memory together. With the time after sending, and
        // before the table is let go: once nobody has it, its answers are all known.
        if !self.given.is_empty() {
            let now = plane.clock.now();
            self.given.drain(..).for_each(|given| self.judge.block.given(given, now));
        }
        self.judge.block.batch(count, sent.failed, table.generation());
    }

    /// Answers the common questions of the batch.
    #[inline(never)] // A function of its own has the registers for itself.
    fn answer_common(&mut self, at: Moment<'_>, done: &mut Done) {
        let asked = self.read(at.unix_secs);
        let Self { batch, judge, given, asked: read, .. } = self;
        let asked = &mut read[..asked];
        for asked in &mut *asked {
            asked.network = judge.find(asked.asker.client);
        }
        // Two loops for what one could do: each has the registers for itself.
        let mut answers = [Answer::Refused; LOOKUPS_MAX];
        let show = |place, answer| answers[place] = answer;
        at.table.answers(asked, at.now, near, rand::random, show);
        for (asked, answer) in asked.iter().zip(&answers) {
            let replied = match asked.question.is_plain() && answer.is_about_records() {
                true => reply(at, asked, *answer, judge, batch, done),
                false => reply_to_other(at, asked, *answer, judge, batch, done),
            };
            match replied {
                Some((outcome, len)) => {
                    batch.reply(asked.index, len);
                    judge.block.count(&outcome, Transport::Udp);
                    let client = || asked.question().client;
                    given.extend(outcome.given().map(|given| (given, client())));
                }
                None => done.clear(asked.index),
            }
        }
    }

    /// Reads the common questions of the batch; says how many they are.
    #[inline(never)]
    fn read(&mut self, unix_secs: u32) -> usize {
        let mut asked = 0;
        for (index, (packet, (client, port))) in self.batch.received().enumerate() {
            let next = &mut self.asked[asked];
            let Some(packet) = packet.filter(|_| port != 0) else { continue };
            if next.question.read_from(packet).is_none() {
                continue;
            }
            next.asker = Asker { client, transport: Transport::Udp, unix_secs };
            (next.index, next.len) = (index, packet.len());
            asked += 1;
        }
        asked
    }

    fn answer_general(&mut self, at: Moment<'_>, index: usize) -> Outcome {
        let slot = self.batch.slot(index);
        let packet = Packet {
            octets: &slot.buffer[..slot.len],
            client: slot.client,
            transport: Transport::Udp,
            unix_secs: at.unix_secs,
            now: at.now,
        };
        self.general.clear();
        let outcome =
            reply_general(at.responder, at.table, packet, &mut self.judge, &mut self.general);
        let Some(reply) = slot.buffer.get_mut(..self.general.len()) else {
            return Outcome::Dropped(DropCause::Internal);
        };
        reply.copy_from_slice(&self.general);
        self.batch.reply(index, self.general.len());
        outcome
    }

    fn count(&mut self, outcome: &Outcome, index: usize) {
        self.judge.block.count(outcome, Transport::Udp);
        if let Some(given) = outcome.given() {
            let client = mapped(self.batch.slot(index).client.ip());
            self.given.push((given, ClientNetwork::of(client, None)));
        }
    }
}

/// Writes the reply to a question over it, as far as it may be sent; says what became of it, and
/// how long the reply is.
#[inline(always)] // Twice: below, and where it is known that there are no options to care for.
fn reply(
    at: Moment<'_>,
    asked: &Asked,
    answer: Answer<'_>,
    judge: &mut Judge,
    batch: &mut Batch,
    done: &mut Done,
) -> Option<(Outcome, usize)> {
    let Asked { asker, network, index, len, question } = asked;
    let response = at.responder.respond(answer, question.edns.as_ref(), asker);
    // What a fault leaves half written is not answered.
    done.set(*index);
    let (datagram, limit) = (batch.buffer(*index), &mut judge.of(*network));
    reply_in_place(&response, question, asker.client, limit, datagram, *len)
}

/// The same for questions and answers that are not plain.
#[inline(never)]
fn reply_to_other(
    at: Moment<'_>,
    asked: &Asked,
    answer: Answer<'_>,
    judge: &mut Judge,
    batch: &mut Batch,
    done: &mut Done,
) -> Option<(Outcome, usize)> {
    reply(at, asked, answer, judge, batch, done)
}

/// A common question, who asked it, and which datagram it is.
struct Asked {
    asker: Asker,
    network: NetworkHash,
    index: usize,
    len: usize,
    question: Question,
}

impl Asks for Asked {
    #[inline(always)] // Each of its callers needs a part of it.
    fn question(&self) -> table::Question<'_> {
        self.question.for_table(self.asker.client)
    }
}

impl Asked {
    fn empty() -> Self {
        let client = Ipv6Addr::UNSPECIFIED;
        let asker = Asker { client, transport: Transport::Udp, unix_secs: 0 };
        let network = NetworkHash::default();
        Self { asker, network, index: 0, len: 0, question: Question::empty() }
    }
}

/// What all answers of a batch are made from.
#[derive(Clone, Copy)]
struct Moment<'m> {
    responder: &'m Responder,
    table: &'m Table,
    unix_secs: u32,
    now: Timestamp,
}
