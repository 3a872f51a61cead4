//! TLS for the kinds that are spoken over it, and the `tls` probe: a handshake succeeds, and the
//! certificate is for the name, signed by someone trusted, and good for long enough.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use humantime::{format_duration, format_rfc3339_seconds};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        CertificateError, Error as TlsError,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{CertificateDer, ServerName as Name, UnixTime},
    },
};

use super::{
    Failure, Passed,
    tcp::connect,
    trust::{Protocol, Trust},
};
use crate::model::{ServerName, TlsProbe, TlsSettings};

pub(super) async fn attempt(probe: &TlsProbe, address: IpAddr, trust: &Trust) -> Passed {
    let to = SocketAddr::new(address, probe.port);
    secure(to, &probe.tls, Protocol::Unnamed, trust).await.map(|(_, warning)| warning)
}

/// Connects and shakes hands; with what is to be said of a certificate that is not good for long.
pub(super) async fn secure(
    to: SocketAddr,
    tls: &TlsSettings,
    protocol: Protocol,
    trust: &Trust,
) -> Result<(TlsStream<TcpStream>, Option<String>), Failure> {
    let signers = trust.signers(tls.ca.as_deref())?;
    let name = wire_name(&tls.server_name)?;
    let stream = connect(to).await?;
    let connector = TlsConnector::from(signers.config(protocol));
    let shaken = connector.connect(name.clone(), stream).await;
    let stream = shaken.map_err(|error| {
        Failure::Endpoint(format!("no TLS with {} at {to}: {error}", tls.server_name))
    })?;
    let (_, session) = stream.get_ref();
    if protocol == Protocol::Http2 && session.alpn_protocol() != Some(b"h2") {
        return Err(Failure::Endpoint("it does not agree to HTTP/2".to_owned()));
    }
    let chain = session.peer_certificates().unwrap_or_default();
    let warning = look_ahead(&signers.verifier, chain, &name, tls)?;
    Ok((stream, warning))
}

fn wire_name(name: &ServerName) -> Result<Name<'static>, Failure> {
    let name = match name {
        ServerName::Address(address) => return Ok(Name::IpAddress((*address).into())),
        ServerName::Name(name) => name.clone(),
    };
    let shown = name.clone();
    Name::try_from(name)
        .map_err(|error| Failure::Ours(format!("{shown} cannot be asked for by TLS: {error}")))
}

/// Looks at a chain, which is good now, as if it were later.
fn look_ahead(
    verifier: &Arc<WebPkiServerVerifier>,
    chain: &[CertificateDer<'_>],
    name: &Name<'_>,
    tls: &TlsSettings,
) -> Result<Option<String>, Failure> {
    let Some((end_entity, intermediates)) = chain.split_first() else { return Ok(None) };
    let expiry_within = |ahead: Duration| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let later = UnixTime::since_unix_epoch(now + ahead);
        let verified = verifier.verify_server_cert(end_entity, intermediates, name, &[], later);
        verified.err().map(|error| tell_expiry(&error))
    };
    let [min, warn] = [tls.validity_min, tls.validity_warn];
    match expiry_within(min.max(warn)) {
        None => Ok(None),
        Some(expiry) if expiry_within(min).is_none() => {
            Ok(Some(format!("its certificate {expiry}")))
        }
        Some(_) if min.is_zero() => Ok(None),
        Some(expiry) => {
            let min = format_duration(min);
            Err(Failure::Endpoint(format!("its certificate {expiry}, and must be good for {min}")))
        }
    }
}

fn tell_expiry(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            let at = UNIX_EPOCH + Duration::from_secs(not_after.as_secs());
            format!("expires at {}", format_rfc3339_seconds(at))
        }
        other => format!("will not be good any more: {other}"),
    }
}
