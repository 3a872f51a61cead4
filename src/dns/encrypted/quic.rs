//! DNS over QUIC (RFC 9250): one question per stream of a connection.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};

use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ReadToEndError, RecvStream,
    SendStream, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::QuicServerConfig,
};
use socket2::{Protocol, Type};
use tokio::{task::JoinSet, time::timeout};
use tokio_rustls::rustls::version::TLS13;

use super::{
    Context, DRAIN, EncryptedError, HANDSHAKE, MESSAGE, OPEN_QUESTIONS_MAX, QUERY_LEN_MAX,
    admission::{Admitted, Over},
    all_ended,
    certificate::{self, Certificates},
};
use crate::dns::{Inherited, Purpose, Transport, sockets};

const ALPN: &[u8] = b"doq";
/// Codes at the end of a connection or a stream (RFC 9250 §4.3).
const NO_ERROR: VarInt = VarInt::from_u32(0);
const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);
/// A question with its length before it.
const FRAMED_LEN_MAX: u32 = 2 + QUERY_LEN_MAX as u32;
/// Octets of replies on their way, per connection.
const SEND_WINDOW: u64 = 128 << 10;
/// How long a connection may be silent; questions have a stricter limit.
const SILENCE_MS: u32 = 10_000;
/// Connections that wait to be looked at, and octets that are kept for them.
const WAITING_MAX: usize = 256;
const WAITING_LEN_MAX: u64 = 8 << 10;
const WAITING_ALL_LEN_MAX: u64 = 1 << 20;
/// How long the end of a connection may take to be told.
const FAREWELL: Duration = Duration::from_secs(1);

/// The endpoints, and another hold on the socket of each.
pub(super) fn bind(
    addresses: &[SocketAddr],
    certificates: &Certificates,
    inherited: &mut Inherited,
) -> Result<Vec<(Endpoint, OwnedFd)>, EncryptedError> {
    let config = config(certificates);
    let bound = addresses.iter().map(|address| {
        let opened = open(*address, inherited).and_then(|socket| {
            let (config, runtime) = (Some(config.clone()), Arc::new(TokioRuntime));
            let lent = socket.try_clone()?.into();
            Ok((Endpoint::new(EndpointConfig::default(), config, socket, runtime)?, lent))
        });
        let (address, over) = (*address, "QUIC");
        opened.map_err(|reason| EncryptedError::Bind { address, over, reason })
    });
    bound.collect()
}

fn open(address: SocketAddr, inherited: &mut Inherited) -> io::Result<UdpSocket> {
    match inherited.take_datagrams(Purpose::Quic, address).pop() {
        Some(socket) => Ok(socket),
        None => Ok(sockets::bound(address, Type::DGRAM, Protocol::UDP)?.into()),
    }
}

fn config(certificates: &Certificates) -> ServerConfig {
    let tls = certificate::config(certificates, &[&TLS13], ALPN);
    let crypto = QuicServerConfig::try_from(tls)
        .expect("invariant: ring has the cipher suite of the first packets");
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(OPEN_QUESTIONS_MAX.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(FRAMED_LEN_MAX.into())
        .receive_window((OPEN_QUESTIONS_MAX * FRAMED_LEN_MAX).into())
        .send_window(SEND_WINDOW)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(SILENCE_MS))));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport))
        // A connection counts for the network that it came from.
        .migration(false)
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(WAITING_LEN_MAX)
        .incoming_buffer_size_total(WAITING_ALL_LEN_MAX);
    config
}

pub(super) async fn run(endpoint: Endpoint, context: Context) {
    let mut conversations = JoinSet::new();
    loop {
        while conversations.try_join_next().is_some() {}
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = context.stopped() => break,
        };
        let Some(incoming) = incoming else { break };
        let client = incoming.remote_address();
        if client.port() == 0 {
            incoming.ignore();
        } else if !incoming.remote_address_validated() && context.admission.is_busy(client.ip()) {
            // A forged address must not take the seat of one that is real.
            if let Err(refused) = incoming.retry() {
                refused.into_incoming().ignore();
            }
        } else {
            let admitted = context.admission.admit(client.ip());
            conversations.spawn(converse(incoming, client, admitted, context.clone()));
        }
    }
    // No new connection; those that are open end by themselves.
    endpoint.set_server_config(None);
    let _ = timeout(DRAIN, all_ended(&mut conversations)).await;
    endpoint.close(NO_ERROR, b"");
    let _ = timeout(FAREWELL, endpoint.wait_idle()).await;
}

/// Whatever ends a connection is the client's business; the counters tell the rest.
async fn converse(incoming: Incoming, client: SocketAddr, admitted: Admitted, context: Context) {
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE, incoming) => shaken,
        _ = admitted.over() => return,
        () = context.stopped() => return,
    };
    let Ok(Ok(connection)) = shaken else { return };
    // No more than the streams that a client may have open.
    let mut questions = JoinSet::new();
    loop {
        while questions.try_join_next().is_some() {}
        let (reply_to, question) = tokio::select! {
            accepted = connection.accept_bi() => match accepted {
                Ok(streams) => streams,
                Err(_) => return,
            },
            over = admitted.over() => match over {
                Over::Evicted => return connection.close(EXCESSIVE_LOAD, b""),
                Over::Idle => break,
            },
            () = context.stopped() => break,
        };
        admitted.touch();
        let (connection, context) = (connection.clone(), context.clone());
        questions.spawn(async move {
            answer(question, reply_to, client, &connection, &context).await;
        });
    }
    let _ = timeout(MESSAGE, all_ended(&mut questions)).await;
    connection.close(NO_ERROR, b"");
}

async fn answer(
    mut question: RecvStream,
    mut reply_to: SendStream,
    client: SocketAddr,
    connection: &Connection,
    context: &Context,
) {
    let received = timeout(MESSAGE, question.read_to_end(FRAMED_LEN_MAX as usize)).await;
    let framed = match received {
        Ok(Ok(framed)) => framed,
        Ok(Err(ReadToEndError::Read(_))) => return give_up(question, reply_to, NO_ERROR),
        Ok(Err(ReadToEndError::TooLong)) | Err(_) => {
            return give_up(question, reply_to, EXCESSIVE_LOAD);
        }
    };
    let Some(packet) = message(&framed) else { return connection.close(PROTOCOL_ERROR, b"") };
    let octets = match context.answer(packet, client, Transport::Quic) {
        Ok(octets) => octets,
        Err(_) => return give_up(question, reply_to, INTERNAL_ERROR),
    };
    // Our replies are never longer: their limit is that of all streams.
    let Ok(len) = u16::try_from(octets.len()) else {
        return give_up(question, reply_to, INTERNAL_ERROR);
    };
    let framed = [&len.to_be_bytes(), octets.as_slice()].concat();
    let sent = timeout(MESSAGE, async {
        reply_to.write_all(&framed).await?;
        let _ = reply_to.finish();
        // Until all of it has arrived, so that the connection is not closed before.
        let _ = reply_to.stopped().await;
        Ok::<_, quinn::WriteError>(())
    });
    if !matches!(sent.await, Ok(Ok(()))) {
        give_up(question, reply_to, EXCESSIVE_LOAD);
    }
}

/// The one message of a stream: its length, then nothing but itself, with the ID 0 (RFC 9250 §4.2).
fn message(framed: &[u8]) -> Option<&[u8]> {
    let (len, packet) = framed.split_first_chunk()?;
    let is_whole = usize::from(u16::from_be_bytes(*len)) == packet.len();
    (is_whole && packet.starts_with(&[0, 0])).then_some(packet)
}

/// Both streams may have ended already.
fn give_up(mut question: RecvStream, mut reply_to: SendStream, code: VarInt) {
    let _ = question.stop(code);
    let _ = reply_to.reset(code);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_whole_message_without_an_id() {
        assert_eq!(message(&[0, 3, 0, 0, 9]), Some([0, 0, 9].as_slice()));
        assert_eq!(message(&[0, 4, 0, 0, 9]), None, "too short");
        assert_eq!(message(&[0, 2, 0, 0, 9]), None, "something behind it");
        assert_eq!(message(&[0, 3, 0, 1, 9]), None, "an ID");
        assert_eq!((message(&[]), message(&[0]), message(&[0, 0])), (None, None, None));
    }
}
