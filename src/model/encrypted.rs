//! Where questions are answered over encrypted transports, and with which certificate.

use std::{net::SocketAddr, path::PathBuf};

/// Listeners for encrypted transports; at least one of the three lists has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedListen {
    /// DNS over TLS (RFC 7858), by TCP.
    pub tls: Vec<SocketAddr>,
    /// DNS over QUIC (RFC 9250), by UDP.
    pub quic: Vec<SocketAddr>,
    /// DNS over HTTPS (RFC 8484), HTTP/2 by TCP.
    pub https: Vec<SocketAddr>,
    /// The PEM file of the certificate and those that vouch for it, the server's first.
    pub certificate: PathBuf,
    /// The PEM file of its private key.
    pub key: PathBuf,
    /// The path of the address that HTTPS questions are sent to.
    pub https_path: String,
}
