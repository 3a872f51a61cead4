//! One thread: its own runtime, its own hold on each listener, and the connections that it took.

use std::{
    io,
    net::{self, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    Answer,
    accept::{Desk, Remedy, accept, remedy},
    conversation::converse,
    line::Line,
    registry::Registry,
};
use crate::dns::sockets::TCP_BACKLOG;

/// Looks for connections whose time is up, in a part of the shortest time.
const LOOKS_PER_PATIENCE: u32 = 8;
/// Looks for connections that can be dismissed, in parts of the drain's patience.
const LOOKS_PER_DRAIN: u32 = 40;
/// A connection that was silent for this part of the drain's patience is dismissed.
const QUIETS_PER_DRAIN: u32 = 8;
/// Without descriptors, the connections that wait when we end are taken in so many tries.
const SWEEP_TRIES: usize = 8;
const SWEEP_PAUSE: Duration = Duration::from_millis(5);

/// What a thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Serve,
    /// Take nobody new, and let everyone go within this time.
    Drain {
        patience: Duration,
        queue: Queue,
    },
    Stop,
}

/// What becomes of connections that the system has taken and we have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dns) enum Queue {
    /// They are ours: when the listener closes, those that are left are reset.
    Take,
    /// They are for another process that has the same listener.
    Leave,
}

/// Tells once whether a thread has begun.
pub(super) struct Begun(pub(super) std::sync::mpsc::Sender<io::Result<()>>);

impl Begun {
    fn tell(self, begun: io::Result<()>) {
        // Nobody listens any more when another thread could not begin.
        let _ = self.0.send(begun);
    }
}

/// What a thread needs.
pub(super) struct Thread<A> {
    /// Its own hold on each.
    pub(super) listeners: Vec<net::TcpListener>,
    pub(super) registry: Arc<Registry>,
    pub(super) answerer: Arc<A>,
    pub(super) orders: watch::Receiver<Order>,
    /// The shortest time that a connection can run out of.
    pub(super) shortest: Duration,
}

impl<A: Answer> Thread<A> {
    /// Serves until it is ordered to end.
    pub(super) fn run(self, begun: Begun) {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return begun.tell(Err(error)),
        };
        runtime.block_on(async {
            let own = self.listeners.into_iter().map(TcpListener::from_std);
            match own.collect::<io::Result<Vec<_>>>() {
                Ok(listeners) => {
                    begun.tell(Ok(()));
                    let Self { registry, answerer, orders, shortest, .. } = self;
                    serve(listeners, &registry, answerer, orders, shortest).await;
                }
                Err(error) => begun.tell(Err(error)),
            }
        });
        // The runtime ends here, and whatever connections are left with it.
    }
}

async fn serve<A: Answer>(
    listeners: Vec<TcpListener>,
    registry: &Arc<Registry>,
    answerer: Arc<A>,
    mut orders: watch::Receiver<Order>,
    shortest: Duration,
) {
    let (presence, mut gone) = mpsc::channel(1);
    let come = Arc::new(Notify::new());
    tokio::spawn(reap(registry.clone(), come.clone(), shortest / LOOKS_PER_PATIENCE));
    let line = Arc::<Line>::default();
    let (calling, registry_seen) = (line.clone(), registry.clone());
    tokio::spawn(async move { calling.call(&registry_seen).await });
    let registry_held = registry.clone();
    let reception = Arc::new(Reception { registry: registry_held, answerer, line, presence, come });
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(attend(listener, reception.clone(), orders.clone()));
    }
    // Ends also when nobody is left to give orders.
    let _ = orders.wait_for(|order| *order != Order::Serve).await;
    let Order::Drain { patience, .. } = *orders.borrow() else { return };
    doors.join_all().await;
    // From here on only connections are present.
    drop(reception);
    tokio::select! {
        () = dismiss(registry, patience) => {}
        _ = gone.recv() => {}
        _ = orders.wait_for(|order| *order == Order::Stop) => {}
    }
}

/// Takes connections from one listener; at the end also those that the system has taken already.
async fn attend<A: Answer>(
    listener: TcpListener,
    reception: Arc<Reception<A>>,
    mut orders: watch::Receiver<Order>,
) {
    tokio::select! {
        // Whoever comes after the order is not taken before it is seen.
        biased;
        _ = orders.wait_for(|order| *order != Order::Serve) => {}
        never = accept(&listener, &*reception) => match never {},
    }
    if matches!(*orders.borrow(), Order::Drain { queue: Queue::Take, .. }) {
        sweep(listener, &reception).await;
    }
}

async fn sweep<A: Answer>(listener: TcpListener, reception: &Reception<A>) {
    // Asks the system itself: the runtime may not have heard yet of those who came last.
    let Ok(listener) = listener.into_std() else { return };
    let mut tries = SWEEP_TRIES;
    // Where the listener stays open for others, more keep coming.
    for _ in 0..TCP_BACKLOG {
        if tries == 0 {
            return;
        }
        let taken = listener.accept().and_then(|(stream, client)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, client))
        });
        match taken {
            Ok((stream, client)) => reception.admit(stream, client),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                tries -= 1;
                if remedy(&error) == Remedy::MakeRoom {
                    reception.shed();
                    sleep(SWEEP_PAUSE).await;
                }
            }
        }
    }
}

/// Lets everyone go, first those who are silent, in the end everyone.
async fn dismiss(registry: &Registry, patience: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if begin.elapsed() < patience / 2 {
            registry.dismiss_quiet(patience / QUIETS_PER_DRAIN);
        } else {
            // What is left of the time is for clients to close, so that nobody is reset.
            registry.dismiss_all();
        }
        sleep(patience / LOOKS_PER_DRAIN).await;
    }
}

/// Ends connections whose time is up. Sleeps while there is none.
async fn reap(registry: Arc<Registry>, come: Arc<Notify>, every: Duration) {
    loop {
        come.notified().await;
        loop {
            sleep(every).await;
            if !registry.expire() {
                break;
            }
        }
    }
}

/// Gives each connection a place and a task.
struct Reception<A> {
    registry: Arc<Registry>,
    answerer: Arc<A>,
    line: Arc<Line>,
    /// Of this thread's connections: closed when the last one is gone.
    presence: mpsc::Sender<()>,
    come: Arc<Notify>,
}

impl<A: Answer> Desk<TcpStream> for Reception<A> {
    fn admit(&self, stream: TcpStream, client: SocketAddr) {
        let place = self.registry.enter(client, self.line.clone(), self.presence.clone());
        self.come.notify_one();
        tokio::spawn(converse(stream, client, place, self.answerer.clone()));
    }

    fn shed(&self) -> bool {
        self.registry.shed()
    }

    fn is_crowded(&self) -> bool {
        self.registry.is_crowded()
    }
}
