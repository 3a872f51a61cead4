//! Datagrams: worker threads, each with a socket, a batch, a limiter and a block of counts of its
//! own, so that they share no memory that is written.
//!
//! A batch is read, looked up and answered together: what it costs to wait for memory and for the
//! system is paid once for all of it.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    DropCause, Packet, Plane, Transport,
    common::reply_in_place,
    counters::Block,
    general::reply_general,
    kernel::{self, Batch},
    question::Question,
    responder::{Limit, Outcome, Responder, unix_secs},
    rrl::{Class, Lengths, Limited, Limiter},
};
use crate::{
    model::ClientNetwork,
    table::{self, Answer, LOOKUPS_MAX, Table, Tally},
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
    began: Instant,
    /// The common questions of the batch, and where in the batch each stands.
    questions: Vec<Question>,
    places: Vec<usize>,
    /// What the answers of the batch count for.
    tallies: Vec<Tally>,
    /// A reply of the general path.
    general: Vec<u8>,
}

/// The limit of one worker.
struct Judge {
    limiter: Option<Limiter>,
    block: Arc<Block>,
    now_millis: u32,
}

impl Limit for Judge {
    #[inline]
    fn judge(&mut self, client: IpAddr, class: Class, proven: bool, lengths: Lengths) -> Limited {
        match &mut self.limiter {
            Some(limiter) if !proven => {
                let found = limiter.check(self.now_millis, client, class, lengths);
                if found != Limited::Pass {
                    self.block.limited(found);
                }
                limiter.enforced(found)
            }
            _ => Limited::Pass,
        }
    }
}

/// Which datagrams of a batch have been seen to.
#[derive(Default)]
struct Done(u64);

impl Done {
    fn is(&self, index: usize) -> bool {
        self.0 & 1 << index != 0
    }

    fn set(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    fn clear(&mut self, index: usize) {
        self.0 &= !(1 << index);
    }
}

impl Worker {
    fn new(socket: UdpSocket, block: Arc<Block>, limiter: Option<Limiter>) -> Self {
        Self {
            socket,
            batch: Batch::new(),
            judge: Judge { limiter, block, now_millis: 0 },
            began: Instant::now(),
            questions: Vec::with_capacity(Batch::DATAGRAMS_MAX),
            places: Vec::with_capacity(Batch::DATAGRAMS_MAX),
            tallies: Vec::with_capacity(Batch::DATAGRAMS_MAX),
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
        // Milliseconds wrap after 49 days, and the limiter knows.
        self.judge.now_millis = self.began.elapsed().as_millis() as u32;
        let at = Moment { responder: &plane.responder, table: &table, unix_secs: unix_secs() };
        let mut done = Done::default();
        // A fault in one reply must not end the answers to all others: whatever is not done is
        // tried by itself on the general path.
        let _ = catch_unwind(AssertUnwindSafe(|| self.answer_common(at, count, &mut done)));
        for index in 0..count {
            if done.is(index) {
                continue;
            }
            let reply = catch_unwind(AssertUnwindSafe(|| self.answer_general(at, index)));
            let outcome = reply.unwrap_or(Outcome::Dropped(DropCause::Internal));
            self.judge.block.general();
            self.count(&outcome);
        }
        // All at once, so that these too wait for memory together.
        for tally in self.tallies.drain(..) {
            self.judge.block.tally(tally);
        }
        let sent = self.batch.send(&self.socket);
        self.judge.block.batch(count, sent.failed, table.generation());
    }

    /// Answers the common questions of the batch.
    fn answer_common(&mut self, at: Moment<'_>, count: usize, done: &mut Done) {
        self.questions.clear();
        self.places.clear();
        for index in 0..count {
            let slot = self.batch.slot(index);
            if slot.cut || slot.client.port() == 0 {
                continue;
            }
            let Some(question) = Question::read(&slot.buffer[..slot.len]) else { continue };
            if let Some(limiter) = &self.judge.limiter {
                limiter.prefetch(slot.client.ip());
            }
            self.questions.push(question);
            self.places.push(index);
        }
        let nobody = ClientNetwork::V4([0; 3]);
        let mut asked = [table::Question { name: &[], kind: 0, client: nobody }; LOOKUPS_MAX];
        let mut answers = [Answer::Refused; LOOKUPS_MAX];
        let count = self.questions.len();
        for ((asked, question), &index) in asked.iter_mut().zip(&self.questions).zip(&self.places) {
            *asked = question.for_table(self.batch.client(index).ip());
        }
        at.table.answers(&asked[..count], &mut answers);
        for ((question, &index), answer) in self.questions.iter().zip(&self.places).zip(answers) {
            let slot = self.batch.slot(index);
            let client = slot.client;
            let response = at.responder.respond(answer, question.edns.as_ref(), &at.packet(client));
            // What a fault leaves half written is not answered.
            done.set(index);
            let judge = &mut self.judge;
            match reply_in_place(response, question, client.ip(), judge, slot.buffer, slot.len) {
                Some((outcome, len)) => {
                    self.batch.reply(index, len);
                    self.judge.block.count(&outcome, Transport::Udp);
                    self.tallies.extend(outcome.tally());
                }
                None => done.clear(index),
            }
        }
    }

    fn answer_general(&mut self, at: Moment<'_>, index: usize) -> Outcome {
        let slot = self.batch.slot(index);
        let packet = Packet { octets: &slot.buffer[..slot.len], ..at.packet(slot.client) };
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

    fn count(&mut self, outcome: &Outcome) {
        self.judge.block.count(outcome, Transport::Udp);
        self.tallies.extend(outcome.tally());
    }
}

/// What all answers of a batch are made from.
#[derive(Clone, Copy)]
struct Moment<'m> {
    responder: &'m Responder,
    table: &'m Table,
    unix_secs: u32,
}

impl Moment<'_> {
    /// A datagram that has been read already.
    fn packet(&self, client: SocketAddr) -> Packet<'static> {
        Packet { octets: &[], client, transport: Transport::Udp, unix_secs: self.unix_secs }
    }
}
