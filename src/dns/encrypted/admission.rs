//! The connections of all encrypted transports: who may hold one is decided as for TCP
//! ([`crate::dns::admission`]); here are the seats, and how their holders learn that they must go.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};

use crate::dns::admission::{
    self, CONNECTIONS_MAX, CONNECTIONS_PER_NETWORK_MAX, Id, Limits, Network, Standing,
};

/// How long a connection may be open without a question.
const IDLE: Duration = Duration::from_secs(10);
/// Above this part of a limit a sender has to prove its address before it takes a seat.
const BUSY_PART: usize = 4;

/// The connections that there are.
pub(super) struct Admission(Mutex<admission::Admission<Arc<Seat>>>);

impl Default for Admission {
    fn default() -> Self {
        let limits = Limits {
            total: CONNECTIONS_MAX,
            per_network: CONNECTIONS_PER_NETWORK_MAX,
            idle: IDLE,
            message: super::MESSAGE,
        };
        Self(Mutex::new(admission::Admission::new(limits)))
    }
}

impl Admission {
    /// Takes a seat for a client, and another one's seat away if it has to.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr) -> Admitted {
        let now = Instant::now();
        let seat = Arc::new(Seat { active: Mutex::new(now), evicted: Notify::new() });
        let (id, victim) = self.seats().admit(Network::of(client), now, seat.clone());
        victim.inspect(|victim| victim.evicted.notify_one());
        Admitted { seat, id, admission: self.clone() }
    }

    /// Takes away the seat that is missed the least: the system has no file left to accept with.
    /// False: nobody has one.
    pub(super) fn make_room(&self) -> bool {
        let victim = self.seats().shed(Instant::now());
        victim.inspect(|victim| victim.evicted.notify_one()).is_some()
    }

    /// Whether there are so many connections that addresses have to be proved.
    pub(super) fn is_busy(&self, client: IpAddr) -> bool {
        let (all, near) = self.seats().counts(Network::of(client));
        all >= CONNECTIONS_MAX / BUSY_PART || near >= CONNECTIONS_PER_NETWORK_MAX / BUSY_PART
    }

    fn seats(&self) -> MutexGuard<'_, admission::Admission<Arc<Seat>>> {
        locked(&self.0)
    }
}

struct Seat {
    /// When it last asked.
    active: Mutex<Instant>,
    evicted: Notify,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No invariant is half made when a thread panics here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Another one has its seat already: there is no time for a farewell.
    Evicted,
    /// Nothing was asked for too long.
    Idle,
}

/// A connection that is allowed; dropping it gives the seat back.
pub(super) struct Admitted {
    seat: Arc<Seat>,
    id: Id,
    admission: Arc<Admission>,
}

impl Admitted {
    /// The client has asked something.
    pub(super) fn touch(&self) {
        let now = Instant::now();
        *locked(&self.seat.active) = now;
        self.admission.seats().touch(self.id, Standing::Idle, now);
    }

    /// Waits until the connection has to end.
    pub(super) async fn over(&self) -> Over {
        tokio::select! {
            () = self.seat.evicted.notified() => Over::Evicted,
            () = self.idle() => Over::Idle,
        }
    }

    async fn idle(&self) {
        loop {
            let silent = locked(&self.seat.active).elapsed();
            match IDLE.checked_sub(silent) {
                Some(left) if !left.is_zero() => sleep(left).await,
                _ => return,
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.seats().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_evicted_learns_of_it_and_who_leaves_gives_the_seat_back() {
        let admission = Arc::new(Admission::default());
        let client: IpAddr = [192, 0, 2, 1].into();
        let count = || admission.seats().counts(Network::of(client)).0;
        assert!(!admission.is_busy(client));
        let mut held: Vec<_> =
            (0..CONNECTIONS_PER_NETWORK_MAX).map(|_| admission.admit(client)).collect();
        assert!(admission.is_busy(client) && !admission.is_busy([198, 51, 100, 1].into()));
        held[1..].iter().for_each(Admitted::touch);
        let one_more = admission.admit(client);
        assert_eq!(count(), CONNECTIONS_PER_NETWORK_MAX);
        // Of those that have asked the one that did so first; the new ones are given time to ask.
        assert_eq!(held[1].over().await, Over::Evicted);
        held.clear();
        assert_eq!(count(), 1);
        assert!(admission.make_room());
        assert_eq!(one_more.over().await, Over::Evicted);
        assert!(!admission.make_room());
        drop(one_more);
        assert_eq!(count(), 0);
    }
}
