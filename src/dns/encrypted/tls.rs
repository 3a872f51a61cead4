//! DNS over TLS (RFC 7858): messages behind their length, one after the other.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    Context, MESSAGE, QUERY_LEN_MAX,
    admission::{Admitted, Over},
};
use crate::dns::Transport;

pub(super) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    client: SocketAddr,
    admitted: &Admitted,
    context: &Context,
) {
    tokio::select! {
        // However it ended, the connection does.
        _ = questions(&mut stream, client, admitted, context) => {}
        over = admitted.over() => if over == Over::Evicted { return },
    }
    // Says that the end is meant (close_notify).
    let _ = timeout(MESSAGE, stream.shutdown()).await;
}

async fn questions(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    client: SocketAddr,
    admitted: &Admitted,
    context: &Context,
) -> io::Result<()> {
    loop {
        let first = tokio::select! {
            first = stream.read_u8() => first?,
            () = context.stopped() => return Ok(()),
        };
        let packet = timeout(MESSAGE, message(stream, first)).await??;
        admitted.touch();
        let answered = context.answer(&packet, client, Transport::Tls);
        let Ok(octets) = answered else { return Ok(()) };
        timeout(MESSAGE, send(stream, &octets)).await??;
    }
}

/// The message whose length begins with `first`.
async fn message(stream: &mut (impl AsyncRead + Unpin), first: u8) -> io::Result<Vec<u8>> {
    let len = usize::from(u16::from_be_bytes([first, stream.read_u8().await?]));
    if len > QUERY_LEN_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut packet = vec![0; len];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> io::Result<()> {
    let len = u16::try_from(octets.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), octets].concat()).await?;
    stream.flush().await
}
