//! The `tcp` probe: a connection is accepted.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use crate::model::TcpProbe;

pub(super) async fn attempt(probe: &TcpProbe, address: IpAddr) -> Result<(), String> {
    connect(SocketAddr::new(address, probe.port)).await.map(drop)
}

/// Connects, or says why not; for every kind that speaks over TCP.
pub(super) async fn connect(to: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(to).await.map_err(|error| format!("cannot connect to {to}: {error}"))
}
