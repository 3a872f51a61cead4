//! Who may hold a connection: so many in all and so many per network. When there are too many, the
//! one that has been idle longest makes room, so that whoever holds connections without asking
//! never keeps out those who ask.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};

/// Connections of all encrypted transports together.
pub const CONNECTIONS_MAX: usize = 1024;
/// Of which one network, a /24 of IPv4 or a /56 of IPv6, may hold so many.
pub const CONNECTIONS_PER_NETWORK_MAX: usize = 64;
/// How long a connection may be open without a question.
const IDLE: Duration = Duration::from_secs(10);
/// Above this part of a limit a sender has to prove its address before it takes a seat.
const BUSY_PART: usize = 4;

/// The connections that there are.
pub(super) struct Admission {
    began: Instant,
    seats: Mutex<Vec<Arc<Seat>>>,
}

impl Default for Admission {
    fn default() -> Self {
        Self { began: Instant::now(), seats: Mutex::default() }
    }
}

impl Admission {
    /// Takes a seat for a client, and another one's seat away if it has to.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr) -> Admitted {
        let seat = Arc::new(Seat {
            network: network(client),
            active_ms: AtomicU64::new(self.now_ms()),
            evicted: Notify::new(),
        });
        let mut seats = self.seats();
        if let Some(at) = to_make_room(&seats, seat.network) {
            seats.swap_remove(at).evicted.notify_one();
        }
        seats.push(seat.clone());
        Admitted { seat, admission: self.clone() }
    }

    /// Takes away the seat that has been idle longest: the system has no file left to accept with.
    /// False: there is none.
    pub(super) fn make_room(&self) -> bool {
        let mut seats = self.seats();
        let longest = (0..seats.len()).min_by_key(|at| seats[*at].active_ms());
        let evicted = longest.map(|at| seats.swap_remove(at));
        evicted.map(|seat| seat.evicted.notify_one()).is_some()
    }

    /// Whether there are so many connections that addresses have to be proved.
    pub(super) fn is_busy(&self, client: IpAddr) -> bool {
        let (seats, network) = (self.seats(), network(client));
        let near = seats.iter().filter(|seat| seat.network == network).count();
        seats.len() >= CONNECTIONS_MAX / BUSY_PART
            || near >= CONNECTIONS_PER_NETWORK_MAX / BUSY_PART
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        // No invariant is half made when a thread panics here.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of the connection that has to go before one more of `network` may come, if any.
fn to_make_room(seats: &[Arc<Seat>], network: IpAddr) -> Option<usize> {
    let near = || (0..seats.len()).filter(|at| seats[*at].network == network);
    if near().count() >= CONNECTIONS_PER_NETWORK_MAX {
        return near().min_by_key(|at| seats[*at].active_ms());
    }
    if seats.len() >= CONNECTIONS_MAX {
        return (0..seats.len()).min_by_key(|at| seats[*at].active_ms());
    }
    None
}

struct Seat {
    network: IpAddr,
    /// When it last asked, in milliseconds since the beginning.
    active_ms: AtomicU64,
    evicted: Notify,
}

impl Seat {
    fn active_ms(&self) -> u64 {
        self.active_ms.load(Ordering::Relaxed)
    }
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
    admission: Arc<Admission>,
}

impl Admitted {
    /// The client has asked something.
    pub(super) fn touch(&self) {
        self.seat.active_ms.store(self.admission.now_ms(), Ordering::Relaxed);
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
            let idle_ms = self.admission.now_ms().saturating_sub(self.seat.active_ms());
            match IDLE.checked_sub(Duration::from_millis(idle_ms)) {
                Some(left) if !left.is_zero() => sleep(left).await,
                _ => return,
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut seats = self.admission.seats();
        if let Some(at) = seats.iter().position(|seat| Arc::ptr_eq(seat, &self.seat)) {
            seats.swap_remove(at);
        }
    }
}

/// Clients that are counted together.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 56)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(network: [u8; 4], active_ms: u64) -> Arc<Seat> {
        let active_ms = AtomicU64::new(active_ms);
        Arc::new(Seat { network: network.into(), active_ms, evicted: Notify::new() })
    }

    fn is_evicted(seat: &Admitted) -> bool {
        let admission = seat.admission.seats();
        !admission.iter().any(|kept| Arc::ptr_eq(kept, &seat.seat))
    }

    #[test]
    fn networks_are_24_and_56_bits_long() {
        let same = |a: &str, b: &str| {
            network(a.parse().expect("an address")) == network(b.parse().expect("an address"))
        };
        assert!(same("192.0.2.1", "192.0.2.255") && !same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8:0:1::1", "2001:db8:0:ff:ffff::"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:100::1"));
    }

    #[test]
    fn a_full_network_makes_room_by_itself() {
        let mut seats: Vec<_> = (0..63).map(|at| seat([192, 0, 2, 0], 100 + at)).collect();
        // Older, but of another network.
        seats.push(seat([198, 51, 100, 0], 1));
        let here: IpAddr = [192, 0, 2, 0].into();
        assert_eq!(to_make_room(&seats, here), None);
        seats.push(seat([192, 0, 2, 0], 50));
        assert_eq!(to_make_room(&seats, here), Some(64), "the longest idle of the 64");
        assert_eq!(to_make_room(&seats, [203, 0, 113, 0].into()), None);
    }

    #[test]
    fn a_full_house_makes_room_by_the_longest_idle_of_all() {
        let each = |at: usize| seat([10, (at / 50) as u8, 0, 0], 2_000 - at as u64);
        let mut seats: Vec<_> = (0..CONNECTIONS_MAX - 1).map(each).collect();
        let here: IpAddr = [192, 0, 2, 0].into();
        assert_eq!(to_make_room(&seats, here), None);
        seats.push(seat([203, 0, 113, 0], 1_999));
        assert_eq!(to_make_room(&seats, here), Some(CONNECTIONS_MAX - 2));
    }

    #[tokio::test]
    async fn who_is_evicted_learns_of_it_and_who_leaves_gives_the_seat_back() {
        let admission = Arc::new(Admission::default());
        let client: IpAddr = [192, 0, 2, 1].into();
        assert!(!admission.is_busy(client));
        let mut held: Vec<_> =
            (0..CONNECTIONS_PER_NETWORK_MAX).map(|_| admission.admit(client)).collect();
        assert!(admission.is_busy(client) && !admission.is_busy([198, 51, 100, 1].into()));
        let one_more = admission.admit(client);
        assert_eq!(admission.seats().len(), CONNECTIONS_PER_NETWORK_MAX);
        let at = held.iter().position(is_evicted).expect("one of them");
        assert_eq!(held[at].over().await, Over::Evicted);
        assert!(!is_evicted(&one_more));
        held.clear();
        assert_eq!(admission.seats().len(), 1);
        assert!(admission.make_room());
        assert_eq!(one_more.over().await, Over::Evicted);
        assert!(!admission.make_room());
    }
}
