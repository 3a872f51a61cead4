//! Who may stay connected: at most so many connections in all and from one client network, and
//! whoever must go when one more comes or when time is up.
//!
//! Pure: time is an argument, and what stands behind a connection is the caller's `Handle`. Every
//! operation takes O(log n).

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    time::{Duration, Instant},
};

use super::tcp::Cause;

#[cfg(test)]
mod tests;

/// Connections in all, over TCP and again over the encrypted transports; fewer where the process
/// may not have so many descriptors.
pub const CONNECTIONS_MAX: usize = 1024;
/// Of which one client network may hold so many.
pub const CONNECTIONS_PER_NETWORK_MAX: usize = 64;

/// How much is granted to clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections in all.
    pub(super) total: usize,
    /// Connections from one /24 or /56.
    pub(super) per_network: usize,
    /// Silence between messages, and before the first one; and until the client has taken its
    /// replies. Not shorter for these: whoever does not read would only come back sooner.
    pub(super) idle: Duration,
    /// From the first octet of a message to its last.
    pub(super) message: Duration,
}

/// What a connection is doing, in the order in which it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// We have said our last; the client has not closed yet.
    Leaving,
    /// All that was asked is answered (RFC 7766 §6.1: may be closed).
    Idle,
    /// All that was read is answered, and the client does not take it.
    Stuck,
    /// Nothing was answered yet. Kept before idle ones for as long as a message may take: if not,
    /// a flood of half-written messages would push out every new client before it has asked.
    Fresh,
    /// In the middle of a message.
    Busy,
}

impl Standing {
    const ALL: [Self; 5] = [Self::Leaving, Self::Idle, Self::Stuck, Self::Fresh, Self::Busy];

    fn patience(self, limits: &Limits) -> (Duration, Cause) {
        match self {
            Self::Idle | Self::Fresh => (limits.idle, Cause::Idle),
            Self::Stuck => (limits.idle, Cause::Slow),
            Self::Leaving | Self::Busy => (limits.message, Cause::Slow),
        }
    }
}

/// The clients that one person can easily pose as: an IPv4 /24, an IPv6 /56.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(u64);

impl Network {
    pub(super) fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(ip) => Self(1 << 63 | u64::from(ip.to_bits() >> 8)),
            IpAddr::V6(ip) => Self((ip.to_bits() >> 72) as u64),
        }
    }
}

/// A connection's name here; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Admission<Handle> {
    limits: Limits,
    last_id: u64,
    entries: HashMap<Id, Entry<Handle>>,
    all: Line,
    networks: HashMap<Network, Line>,
}

#[derive(Debug)]
struct Entry<Handle> {
    network: Network,
    place: Place,
    handle: Handle,
}

/// A standing and its beginning.
type Place = (Standing, Instant);

impl<Handle> Admission<Handle> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            last_id: 0,
            entries: HashMap::new(),
            all: Line::default(),
            networks: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are in all and from one network.
    pub(super) fn counts(&self, network: Network) -> (usize, usize) {
        (self.entries.len(), self.networks.get(&network).map_or(0, Line::len))
    }

    /// Takes one in, and out the one that has to make room, if any.
    pub(super) fn admit(
        &mut self,
        network: Network,
        now: Instant,
        handle: Handle,
    ) -> (Id, Option<Handle>) {
        let crowd =
            self.networks.get(&network).filter(|line| line.len() >= self.limits.per_network);
        let victim = match crowd {
            Some(line) => line.victim(now, &self.limits),
            None if self.all.len() >= self.limits.total => self.all.victim(now, &self.limits),
            None => None,
        };
        let victim = victim.and_then(|id| self.remove(id));
        self.last_id += 1;
        let id = Id(self.last_id);
        let place = (Standing::Fresh, now);
        self.all.insert(id, place);
        self.networks.entry(network).or_default().insert(id, place);
        self.entries.insert(id, Entry { network, place, handle });
        (id, victim)
    }

    /// It does something else, or the same anew, since then.
    pub(super) fn touch(&mut self, id: Id, standing: Standing, since: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.place, (standing, since));
        let line = self.networks.get_mut(&entry.network);
        for line in [&mut self.all].into_iter().chain(line) {
            line.remove(id, before);
            line.insert(id, entry.place);
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Handle> {
        let Entry { network, place, handle } = self.entries.remove(&id)?;
        self.all.remove(id, place);
        if let Some(line) = self.networks.get_mut(&network) {
            line.remove(id, place);
            if line.len() == 0 {
                self.networks.remove(&network);
            }
        }
        Some(handle)
    }

    /// Takes out the one that is missed the least.
    pub(super) fn shed(&mut self, now: Instant) -> Option<Handle> {
        let victim = self.all.victim(now, &self.limits)?;
        self.remove(victim)
    }

    /// Takes out one whose time is up; with why.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(Handle, Cause)> {
        let overdue = Standing::ALL.into_iter().find_map(|standing| {
            let (patience, cause) = standing.patience(&self.limits);
            let (since, id) = self.all.first(standing)?;
            (now.saturating_duration_since(since) >= patience).then_some((id, cause))
        });
        let (id, cause) = overdue?;
        Some((self.remove(id)?, cause))
    }

    /// Those who owe nothing, are owed nothing, and have been so since `since` or longer.
    pub(super) fn quiet_since(&self, since: Instant) -> impl Iterator<Item = &Handle> {
        let idle = self.all.0[Standing::Idle as usize].iter();
        let quiet = idle.take_while(move |(at, _)| *at <= since);
        quiet.filter_map(|(_, id)| Some(&self.entries.get(id)?.handle))
    }

    /// All of them.
    pub(super) fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.entries.values().map(|entry| &entry.handle)
    }
}

/// Connections by standing, the longest first.
#[derive(Debug, Default)]
struct Line([BTreeSet<(Instant, Id)>; Standing::ALL.len()]);

impl Line {
    fn len(&self) -> usize {
        self.0.iter().map(BTreeSet::len).sum()
    }

    fn insert(&mut self, id: Id, (standing, since): Place) {
        self.0[standing as usize].insert((since, id));
    }

    fn remove(&mut self, id: Id, (standing, since): Place) {
        self.0[standing as usize].remove(&(since, id));
    }

    fn first(&self, standing: Standing) -> Option<(Instant, Id)> {
        self.0[standing as usize].first().copied()
    }

    fn victim(&self, now: Instant, limits: &Limits) -> Option<Id> {
        let [leaving, idle, stuck, fresh, busy] =
            Standing::ALL.map(|standing| self.first(standing));
        let is_stale =
            |(since, _): &(Instant, Id)| now.saturating_duration_since(*since) >= limits.message;
        let silent = [idle, stuck, fresh.filter(is_stale)].into_iter().flatten().min();
        let engaged = [fresh, busy].into_iter().flatten().min();
        leaving.or(silent).or(engaged).map(|(_, id)| id)
    }
}
