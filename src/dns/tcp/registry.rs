//! The open connections, shared by the threads: the admission table behind a lock, and the bell
//! by which a connection is told to go.
//!
//! The lock is taken when a connection begins, ends, or changes its standing; never while a
//! question is answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{Cause, Count, line::Line};
use crate::dns::admission::{Admission, Id, Limits, Network, Standing};

/// A standing is told to the table when it has begun anew by more than this part of the time that
/// a message may take: a busy connection does not lock the table for each message.
const GRAINS_PER_MESSAGE: u32 = 32;

/// Connections that were given up and that their threads have not closed yet: beyond, nobody is let
/// in, because descriptors are counted without them.
const LEAVERS_MAX: usize = 64;

/// With this part of the connections that there may be, it is busy here.
const BUSY_PART: usize = 4;

pub(super) struct Registry {
    admission: Mutex<Admission<Arc<Bell>>>,
    count: Arc<Count>,
    /// Connections that may hold a descriptor, whether or not they still have a place.
    open_max: u64,
    busy_from: u64,
    grain: Duration,
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            admission: Mutex::new(Admission::new(limits)),
            count: Arc::default(),
            open_max: (limits.total + LEAVERS_MAX) as u64,
            busy_from: limits.total.div_ceil(BUSY_PART) as u64,
            grain: limits.message / GRAINS_PER_MESSAGE,
        }
    }

    pub(super) fn count(&self) -> &Arc<Count> {
        &self.count
    }

    /// A place for a client that has just come; another may have to go for it. `line` is that of
    /// its thread; `presence` is dropped when the connection is closed.
    pub(super) fn enter(
        self: &Arc<Self>,
        client: SocketAddr,
        line: Arc<Line>,
        presence: mpsc::Sender<()>,
    ) -> Place {
        let now = Instant::now();
        let bell = Arc::new(Bell::default());
        let (id, victim) = self.admission().admit(Network::of(client.ip()), now, bell.clone());
        self.count.accepted();
        if let Some(victim) = victim {
            victim.ring(Call::Close(Cause::Limit));
        }
        let told = (Standing::Fresh, now);
        Place { registry: self.clone(), id, bell, line, told, cause: None, _presence: presence }
    }

    /// So many are open that greedy ones are to leave time for others.
    pub(super) fn is_busy(&self) -> bool {
        self.count.snapshot().open >= self.busy_from
    }

    /// Too many that were given up are not closed yet.
    pub(super) fn is_crowded(&self) -> bool {
        self.count.snapshot().open >= self.open_max
    }

    /// Gives up the connection that is missed the least; false: there is none.
    pub(super) fn shed(&self) -> bool {
        let victim = self.admission().shed(Instant::now());
        victim.map(|victim| victim.ring(Call::Close(Cause::Limit))).is_some()
    }

    /// Ends those whose time is up; false: no connection is left.
    pub(super) fn expire(&self) -> bool {
        let now = Instant::now();
        loop {
            let mut admission = self.admission();
            let Some((overdue, cause)) = admission.expire(now) else {
                return !admission.is_empty();
            };
            drop(admission);
            overdue.ring(Call::Close(cause));
        }
    }

    /// Asks those to leave that have been quiet for so long.
    pub(super) fn dismiss_quiet(&self, quiet: Duration) {
        let Some(since) = Instant::now().checked_sub(quiet) else { return };
        let quiet: Vec<_> = self.admission().quiet_since(since).cloned().collect();
        quiet.iter().for_each(|bell| bell.ring(Call::Leave));
    }

    /// Asks everyone to part.
    pub(super) fn dismiss_all(&self) {
        let all: Vec<_> = self.admission().handles().cloned().collect();
        all.iter().for_each(|bell| bell.ring(Call::Part));
    }

    fn admission(&self) -> MutexGuard<'_, Admission<Arc<Bell>>> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Answer what has come, then say goodbye; but not in the middle of a message.
    Leave,
    /// Answer what has come, then say goodbye.
    Part,
    /// Close now.
    Close(Cause),
}

/// Wakes the task of a connection from any thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    call: AtomicU8,
    /// The connection waits in its thread's line.
    waits: AtomicBool,
    /// The task's waker, from its first turn on. The lock makes that turn see a call that was made
    /// before it.
    waker: Mutex<Option<Waker>>,
}

impl Bell {
    const SILENT: u8 = 0;
    const LEAVE: u8 = 1;
    const PART: u8 = 2;
    /// From here on: close, and the cause.
    const CLOSE: u8 = 3;

    /// A later call counts if it asks for more.
    fn ring(&self, call: Call) {
        let code = match call {
            Call::Leave => Self::LEAVE,
            Call::Part => Self::PART,
            Call::Close(cause) => Self::CLOSE + cause as u8,
        };
        self.call.fetch_max(code, Ordering::Release);
        self.wake();
    }

    /// Ends the wait in the line; false: nobody waits any more.
    pub(super) fn call_in(&self) -> bool {
        let waits = self.waits.swap(false, Ordering::AcqRel);
        if waits {
            self.wake();
        }
        waits
    }

    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waker.as_ref() {
            waker.wake_by_ref();
        }
    }

    fn listen(&self, context: &Context<'_>) {
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *waker = Some(context.waker().clone());
    }

    fn call(&self) -> Option<Call> {
        match self.call.load(Ordering::Acquire) {
            Self::SILENT => None,
            Self::LEAVE => Some(Call::Leave),
            Self::PART => Some(Call::Part),
            code => {
                let cause = Cause::ALL.get(usize::from(code - Self::CLOSE));
                Some(Call::Close(*cause.unwrap_or(&Cause::Limit)))
            }
        }
    }
}

/// One connection's place among the others; dropping it leaves.
pub(super) struct Place {
    registry: Arc<Registry>,
    id: Id,
    bell: Arc<Bell>,
    line: Arc<Line>,
    /// What the table believes of this connection.
    told: (Standing, Instant),
    cause: Option<Cause>,
    _presence: mpsc::Sender<()>,
}

impl Place {
    /// Has this task woken when the connection is called. A task's waker is the same for life.
    pub(super) fn listen(&self, context: &Context<'_>) {
        self.bell.listen(context);
    }

    pub(super) fn call(&self) -> Option<Call> {
        self.bell.call()
    }

    /// Has others go first; until it is its turn again, nothing is to be done.
    pub(super) fn stand_in_line(&self) {
        self.bell.waits.store(true, Ordering::Release);
        self.line.join(self.bell.clone());
    }

    pub(super) fn is_in_line(&self) -> bool {
        self.bell.waits()
    }

    /// When the client came.
    pub(super) fn since(&self) -> Instant {
        self.told.1
    }

    /// What the connection is doing, and since when.
    pub(super) fn stand(&mut self, standing: Standing, since: Instant) {
        let (before, at) = self.told;
        if before == standing && since.saturating_duration_since(at) <= self.registry.grain {
            return;
        }
        self.told = (standing, since);
        self.registry.admission().touch(self.id, standing, since);
    }

    /// Why the connection is about to end; the first reason counts.
    pub(super) fn ends_by(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.bell.waits.store(false, Ordering::Release);
        self.registry.admission().remove(self.id);
        let called = match self.bell.call() {
            Some(Call::Close(cause)) => Some(cause),
            _ => None,
        };
        // Without any reason the runtime has ended under it.
        let cause = self.cause.or(called).unwrap_or(Cause::Drain);
        self.registry.count.closed(cause);
    }
}
