//! Accepts streams, lets those that are admitted shake hands, and hands them to their transport.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{Context, DRAIN, HANDSHAKE, admission::Admitted, all_ended, https, tls};

/// After an error of `accept` that may come again at once.
const PAUSE: Duration = Duration::from_millis(100);
/// Until a connection that had to make room is closed.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

/// What is spoken inside TLS.
#[derive(Clone)]
pub(super) enum Kind {
    /// DNS messages, each behind its length.
    Tls,
    /// HTTP/2 with this path.
    Https(Arc<str>),
}

impl Kind {
    /// The name of the protocol in the handshake.
    pub(super) fn alpn(&self) -> &'static [u8] {
        match self {
            Self::Tls => b"dot",
            Self::Https(_) => b"h2",
        }
    }
}

pub(super) async fn run(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    kind: Kind,
    context: Context,
) {
    let mut conversations = JoinSet::new();
    loop {
        while conversations.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = context.stopped() => break,
        };
        match accepted {
            Ok((_, client)) if client.port() == 0 => {}
            Ok((stream, client)) => {
                let admitted = context.admission.admit(client.ip());
                let (acceptor, kind, context) = (acceptor.clone(), kind.clone(), context.clone());
                conversations.spawn(converse(stream, client, admitted, acceptor, kind, context));
            }
            Err(error) => {
                let is_out_of_files =
                    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
                let has_made_room = is_out_of_files && context.admission.make_room();
                sleep(if has_made_room { SHORT_PAUSE } else { PAUSE }).await;
            }
        }
    }
    drop(listener);
    // Those that are not done by then end with this task.
    let _ = timeout(DRAIN, all_ended(&mut conversations)).await;
}

/// Whatever ends a connection is the client's business; the counters tell the rest.
async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    admitted: Admitted,
    acceptor: TlsAcceptor,
    kind: Kind,
    context: Context,
) {
    // Without it only the delay of replies changes.
    let _ = stream.set_nodelay(true);
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
        _ = admitted.over() => return,
        () = context.stopped() => return,
    };
    let Ok(Ok(stream)) = shaken else { return };
    match kind {
        Kind::Tls => tls::converse(stream, client, &admitted, &context).await,
        Kind::Https(path) => https::converse(stream, client, admitted, context, path).await,
    }
}
