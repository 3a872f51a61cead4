//! Datagrams, through a plain socket.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::net::UdpSocket;

use super::{DropCause, Packet, Plane, Reply, Transport, responder::unix_secs};

/// Longer queries are cut: nothing that we answer needs more.
const QUERY_MAX: usize = 4096;
/// After an error that may come again at once.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn run(socket: Arc<UdpSocket>, plane: Arc<Plane>) {
    let mut buffer = [0; QUERY_MAX];
    loop {
        let Ok((len, client)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let octets = &buffer[..len];
        let packet = Packet { octets, client, transport: Transport::Udp, unix_secs: unix_secs() };
        let answered = guarded(|| plane.responder.reply(&plane.store.load(), packet));
        plane.counters.count(&answered, Transport::Udp);
        if let Reply::Send(octets, _) = answered {
            // A reply that cannot be sent is lost like any datagram: the client asks again.
            let _ = socket.send_to(&octets, client).await;
        }
    }
}

/// A fault in one reply must not end the answers to all others.
pub(super) fn guarded(make: impl FnOnce() -> Reply) -> Reply {
    catch_unwind(AssertUnwindSafe(make)).unwrap_or(Reply::Drop(DropCause::Internal))
}
