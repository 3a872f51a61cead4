//! The `tcp` probe: a connection is accepted.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::TcpStream;

use super::{Failure, Passed};
use crate::model::TcpProbe;

pub(super) async fn attempt(probe: &TcpProbe, address: IpAddr) -> Passed {
    connect(SocketAddr::new(address, probe.port)).await.map(|_| None)
}

/// Connects, or says why not; for every kind that speaks over TCP.
pub(super) async fn connect(to: SocketAddr) -> Result<TcpStream, Failure> {
    TcpStream::connect(to).await.map_err(|error| {
        let reason = format!("cannot connect to {to}: {error}");
        if is_ours(&error) { Failure::Ours(reason) } else { Failure::Endpoint(reason) }
    })
}

/// Whether this host has run out of something.
pub(super) fn is_ours(error: &io::Error) -> bool {
    const OURS: [i32; 5] =
        [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL];
    error.raw_os_error().is_some_and(|code| OURS.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_descriptors_is_not_the_endpoints_fault() {
        assert!(is_ours(&io::Error::from_raw_os_error(libc::EMFILE)));
        assert!(!is_ours(&io::Error::from_raw_os_error(libc::ECONNREFUSED)));
        assert!(!is_ours(&io::Error::from_raw_os_error(libc::EHOSTUNREACH)));
    }
}
