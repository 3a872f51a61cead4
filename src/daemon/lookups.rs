//! Looks the targets of pools up, again and again, so many at once and no more.
//!
//! When each is due is decided by [`Lookups`]; what is done with what was found, by the conductor.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinError, JoinSet},
};

use crate::{
    dns::Clock,
    model::{DnsName, Resolution},
    resolver::{look_up, resolvers},
    target::{Lookups, Trouble},
};

/// Names that are looked up at once, each by two sockets.
const CONCURRENT_MAX: usize = 16;
/// How long to sleep when nothing is due; a new name wakes us.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// What came of looking a name up. It may be wanted no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) name: DnsName,
    pub(super) result: Result<Resolution, Trouble>,
}

/// Looks up what is `wanted`, and tells what came of it, until nobody listens any more. When nobody can
/// say any more what is wanted, that stays as it was. Without `servers` those of the system are asked.
pub(super) async fn run<E: From<Looked>>(
    servers: Option<Vec<SocketAddr>>,
    own: Vec<DnsName>,
    clock: Clock,
    mut wanted: watch::Receiver<BTreeSet<DnsName>>,
    events: mpsc::Sender<E>,
) {
    let mut seeker = Seeker {
        lookups: Lookups::default(),
        running: JoinSet::new(),
        names: BTreeMap::new(),
        servers: servers.map(Arc::from),
        own: own.into(),
        clock,
    };
    seeker.follow(&mut wanted);
    let mut may_change = true;
    loop {
        seeker.begin_due().await;
        let wake = tokio::time::sleep(seeker.until_next());
        tokio::select! {
            changed = wanted.changed(), if may_change => match changed {
                Ok(()) => seeker.follow(&mut wanted),
                Err(_) => may_change = false,
            },
            Some(ended) = seeker.running.join_next_with_id() => {
                if let Some(looked) = seeker.ended(ended)
                    && events.send(looked.into()).await.is_err()
                {
                    return;
                }
            }
            () = events.closed() => return,
            () = wake => {}
        }
    }
}

struct Seeker {
    lookups: Lookups,
    /// Those that are dropped with us end.
    running: JoinSet<Result<Resolution, Trouble>>,
    names: BTreeMap<task::Id, DnsName>,
    servers: Option<Arc<[SocketAddr]>>,
    own: Arc<[DnsName]>,
    /// It does not jump: no name waits for hours because the system's time was set.
    clock: Clock,
}

impl Seeker {
    fn follow(&mut self, wanted: &mut watch::Receiver<BTreeSet<DnsName>>) {
        let names = wanted.borrow_and_update().clone();
        self.lookups.follow(self.clock.now(), names);
    }

    fn room(&self) -> usize {
        CONCURRENT_MAX.saturating_sub(self.running.len())
    }

    async fn begin_due(&mut self) {
        let due = self.lookups.take_due(self.clock.now(), self.room());
        if due.is_empty() {
            return;
        }
        let servers = match &self.servers {
            Some(servers) => servers.clone(),
            None => of_the_system().await,
        };
        for name in due {
            let (servers, own, asked) = (servers.clone(), self.own.clone(), name.clone());
            // In a task of its own, so that one that is slow, or broken, is one that fails.
            let task = self.running.spawn(async move { look_up(&servers, &asked, &own).await });
            self.names.insert(task.id(), name);
        }
    }

    fn ended(
        &mut self,
        ended: Result<(task::Id, Result<Resolution, Trouble>), JoinError>,
    ) -> Option<Looked> {
        let (id, result) = ended.unwrap_or_else(|error| (error.id(), Err(Trouble::BrokeOff)));
        let name = self.names.remove(&id)?;
        let is_wanted = self.lookups.note(self.clock.now(), &name, &result);
        is_wanted.then_some(Looked { name, result })
    }

    fn until_next(&self) -> Duration {
        let next = self.lookups.next_deadline().filter(|_| self.room() > 0);
        next.map_or(NOTHING_DUE, |at| at.since(self.clock.now()))
    }
}

/// Read each time: a machine that moves to another network gets others.
async fn of_the_system() -> Arc<[SocketAddr]> {
    // Files may hang, and the control plane must not.
    task::spawn_blocking(resolvers).await.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::{Message, MessageType},
        rr::{RData, Record, RecordType, rdata},
    };
    use tokio::net::UdpSocket;

    use super::*;

    /// Answers with one address, of names that do not begin with `slow`.
    async fn resolver() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let at = socket.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                let mut message = Message::from_vec(&buffer[..len]).expect("a question");
                let query = message.queries[0].clone();
                if query.name.to_string().starts_with("slow") {
                    continue;
                }
                message.metadata.message_type = MessageType::Response;
                message.metadata.recursion_available = true;
                if query.query_type == RecordType::A {
                    let data = RData::A(rdata::A::new(192, 0, 2, 1));
                    message.add_answer(Record::from_rdata(query.name, 60, data));
                }
                let reply = message.to_vec().expect("a message");
                socket.send_to(&reply, from).await.expect("sent");
            }
        });
        at
    }

    fn names<const N: usize>(texts: [&str; N]) -> BTreeSet<DnsName> {
        texts.map(|text| text.parse().expect("a name")).into()
    }

    #[tokio::test]
    async fn names_are_told_as_they_are_found_and_one_that_is_slow_holds_nobody_up() {
        let (want, wanted) = watch::channel(names(["slow.example", "a.example"]));
        let (events, mut told) = mpsc::channel::<Looked>(1);
        let own = vec!["svc.example.test".parse().expect("a name")];
        let servers = Some(vec![resolver().await]);
        let task = tokio::spawn(run(servers, own, Clock::start(), wanted, events));
        let first = told.recv().await.expect("told");
        assert_eq!(first.name.to_string(), "a.example");
        assert_eq!(first.result.expect("an address").addresses.len(), 1);
        let others = ["slow.example", "a.example", "b.example", "api.svc.example.test"];
        want.send(names(others)).expect("heard");
        let mut seen = BTreeMap::new();
        for _ in 0..3 {
            let Looked { name, result } = told.recv().await.expect("told");
            seen.insert(name.to_string(), result);
        }
        assert!(seen["b.example"].is_ok());
        assert!(matches!(seen["api.svc.example.test"], Err(Trouble::Loop(_))));
        assert!(matches!(seen["slow.example"], Err(Trouble::Silent { .. })));
        // What nobody wants any more is not told of; without anybody to tell it ends.
        drop(want);
        assert!(!task.is_finished());
        drop(told);
        task.await.expect("ended");
    }

    #[tokio::test]
    async fn more_names_than_can_be_looked_up_at_once_have_their_turn() {
        let all: BTreeSet<DnsName> = (0..3 * CONCURRENT_MAX)
            .map(|n| format!("n{n}.example").parse().expect("a name"))
            .collect();
        let (_want, wanted) = watch::channel(all.clone());
        let (events, mut told) = mpsc::channel::<Looked>(1);
        let servers = Some(vec![resolver().await]);
        tokio::spawn(run(servers, Vec::new(), Clock::start(), wanted, events));
        let mut seen = BTreeSet::new();
        while seen.len() < all.len() {
            let Looked { name, result } = told.recv().await.expect("told");
            assert!(result.is_ok(), "{result:?}");
            assert!(seen.insert(name), "told twice");
        }
        assert_eq!(seen, all);
    }

    #[tokio::test]
    async fn one_that_breaks_is_one_that_fails() {
        let mut seeker = Seeker {
            lookups: Lookups::default(),
            running: JoinSet::new(),
            names: BTreeMap::new(),
            servers: Some(Arc::from([])),
            own: Arc::from([]),
            clock: Clock::start(),
        };
        let now = seeker.clock.now();
        seeker.lookups.follow(now, names(["a.example"]));
        let name = seeker.lookups.take_due(now, 1).remove(0);
        let task = seeker.running.spawn(std::future::pending());
        seeker.names.insert(task.id(), name);
        task.abort();
        let ended = seeker.running.join_next_with_id().await.expect("ended");
        let looked = seeker.ended(ended).expect("told");
        assert_eq!(looked.result, Err(Trouble::BrokeOff));
        assert!(seeker.until_next() > Duration::ZERO, "and is looked up again");
        assert!(seeker.until_next() <= Duration::from_secs(5));
    }
}
