//! What clients, `cutover status` and whoever said a verb have seen of one life of a daemon.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use cutover::{
    admin::{client::status, orders::Told},
    model::Timestamp,
};
use tokio::{net::UdpSocket, task::JoinSet, time::timeout};

use crate::{
    common::{
        client::{query, read},
        pause,
    },
    now,
    process::Addresses,
    town::{CLIENTS, TOWNS},
};

/// Less than the life of any daemon; on loopback a reply comes at once or never.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);

/// Which client of which service was answered with which host.
pub(crate) type Answers = BTreeMap<(&'static str, u8), IpAddr>;

/// The same, with instants.
pub(crate) type Timed = BTreeMap<(&'static str, u8), (IpAddr, Timestamp)>;

/// All that was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The last answer that each client was given, and when.
    pub(crate) answers: Timed,
    /// Where the releases stood, as far as that was said to be kept.
    pub(crate) phases: BTreeSet<(String, u64, String)>,
    /// What was said to be done.
    pub(crate) done: Vec<(&'static str, Told)>,
    /// What must not be, whatever happens.
    pub(crate) wrong: Option<String>,
}

/// Those who look, until this is dropped.
pub(crate) struct Watching {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Watching {
    pub(crate) fn start(Addresses { dns, http }: Addresses) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_asking(dns, seen.clone()));
        tasks.spawn(keep_looking(http, seen.clone()));
        Self { seen, _tasks: tasks }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics with it")
    }
}

async fn keep_asking(dns: SocketAddr, seen: Arc<Mutex<Seen>>) {
    loop {
        for (service, client) in everybody() {
            let asked = ask(dns, service, client).await;
            let mut seen = seen.lock().expect("nobody panics with it");
            match asked {
                Some(Ok(host)) => drop(seen.answers.insert((service, client), (host, now()))),
                Some(Err(wrong)) => seen.wrong = Some(wrong),
                None => {}
            }
        }
        pause().await;
    }
}

async fn keep_looking(http: SocketAddr, seen: Arc<Mutex<Seen>>) {
    loop {
        if let Ok(status) = status(http).await {
            let mut seen = seen.lock().expect("nobody panics with it");
            for (name, service) in status.services {
                if let Some(release) = service.release.filter(|_| !service.unkept) {
                    seen.phases.insert((name, release.id, service.phase));
                }
            }
        }
        pause().await;
    }
}

/// Every client of every service.
pub(crate) fn everybody() -> impl Iterator<Item = (&'static str, u8)> {
    TOWNS.iter().flat_map(|town| (0..CLIENTS).map(|client| (town.name, client)))
}

/// Asks once; nothing without an answer. There is always one host to an answer.
pub(crate) async fn ask(
    dns: SocketAddr,
    service: &str,
    client: u8,
) -> Option<Result<IpAddr, String>> {
    let query = query(&format!("{service}.zone.test"), "A");
    let socket = UdpSocket::bind((IpAddr::from([127, 9, client, 1]), 0)).await.ok()?;
    socket.connect(dns).await.ok()?;
    socket.send(&query).await.ok()?;
    let mut reply = vec![0; 1232];
    let len = timeout(ANSWER_PATIENCE, socket.recv(&mut reply)).await.ok()?.ok()?;
    reply.truncate(len);
    let asked = read(&query, reply);
    Some(match asked.addresses.as_slice() {
        [host] if asked.rcode == "NOERROR" => Ok(*host),
        _ => Err(format!("{service}: client {client} was answered {asked:?}")),
    })
}

/// What everybody is answered; nothing if somebody is not.
pub(crate) async fn ask_everybody(dns: SocketAddr) -> Option<Result<Answers, String>> {
    let mut answers = Answers::new();
    for (service, client) in everybody() {
        match ask(dns, service, client).await? {
            Ok(host) => drop(answers.insert((service, client), host)),
            Err(wrong) => return Some(Err(wrong)),
        }
    }
    Some(Ok(answers))
}
