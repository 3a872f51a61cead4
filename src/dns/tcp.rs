//! Streams (RFC 7766), one task per connection, one message at a time.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Packet, Plane, Reply, Transport, responder::unix_secs, udp::guarded};

/// Connections in all; further ones wait in the kernel's queue. Half of the usual limit of 1,024
/// descriptors: probes, files and pages need theirs too, whatever strangers do.
pub(super) const CONNECTIONS_MAX: usize = 512;
/// How long a connection may be silent between messages.
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// How long one message may take, each way.
const MESSAGE: Duration = Duration::from_secs(2);
/// After an error of `accept` that may come again at once, such as "too many open files".
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(listener: TcpListener, plane: Arc<Plane>, connections: Arc<Semaphore>) {
    // Ends with this task, and its connections with it.
    let mut conversations = JoinSet::new();
    loop {
        while conversations.try_join_next().is_some() {}
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        let Ok((stream, client)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let plane = plane.clone();
        conversations.spawn(async move {
            // Whatever ends a connection is the client's business; the counters tell the rest.
            let _ = converse(stream, client, &plane).await;
            drop(permit);
        });
    }
}

async fn converse(mut stream: TcpStream, client: SocketAddr, plane: &Plane) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let len = timeout(IDLE, stream.read_u16()).await??;
        let mut packet = vec![0; usize::from(len)];
        timeout(MESSAGE, stream.read_exact(&mut packet)).await??;
        let packet =
            Packet { octets: &packet, client, transport: Transport::Tcp, unix_secs: unix_secs() };
        let answered = guarded(|| plane.responder.reply(&plane.store.load(), packet));
        plane.counters.count(&answered, Transport::Tcp);
        let Reply::Send(octets, _) = answered else { return Ok(()) };
        let len = u16::try_from(octets.len()).map_err(io::Error::other)?;
        let framed = [&len.to_be_bytes(), octets.as_slice()].concat();
        timeout(MESSAGE, stream.write_all(&framed)).await??;
    }
}
