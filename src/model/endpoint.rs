//! One address that can serve.

use std::{net::IpAddr, num::NonZeroU16};

use super::Weight;

/// How many endpoints a pool has at most.
pub const ENDPOINTS_MAX: usize = 1_000;

/// Why an address cannot be an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// `0.0.0.0` or `::`.
    #[error("{0} is the unspecified address: no client can reach it")]
    Unspecified(IpAddr),
    /// Multicast or broadcast.
    #[error("{0} is not the address of one host")]
    NotUnicast(IpAddr),
    /// `::ffff:192.0.2.1`.
    #[error("{0} is an IPv4 address in IPv6 clothes: write the IPv4 address")]
    Mapped(IpAddr),
}

/// The two kinds of address, each with a record type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// An address, its weight among the endpoints of its pool, and where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    address: IpAddr,
    weight: Weight,
    port: Option<NonZeroU16>,
}

impl Endpoint {
    /// An endpoint, if the address is one that a client can connect to.
    pub fn new(address: IpAddr, weight: Weight) -> Result<Self, EndpointError> {
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if address.is_unspecified() {
            Err(EndpointError::Unspecified(address))
        } else if address.is_multicast() || broadcast {
            Err(EndpointError::NotUnicast(address))
        } else if mapped {
            Err(EndpointError::Mapped(address))
        } else {
            Ok(Self { address, weight, port: None })
        }
    }

    /// The same on a port, if one is known.
    pub const fn on_port(self, port: Option<NonZeroU16>) -> Self {
        Self { port, ..self }
    }

    /// The address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The weight.
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    /// The port that records with ports have of it.
    pub const fn port(&self) -> Option<NonZeroU16> {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_one_host() {
        let endpoint = |text: &str| Endpoint::new(text.parse().expect("an address"), Weight::ONE);
        assert!(endpoint("192.0.2.1").is_ok());
        assert!(endpoint("2001:db8::1").is_ok());
        assert!(matches!(endpoint("0.0.0.0"), Err(EndpointError::Unspecified(_))));
        assert!(matches!(endpoint("::"), Err(EndpointError::Unspecified(_))));
        assert!(matches!(endpoint("224.0.0.1"), Err(EndpointError::NotUnicast(_))));
        assert!(matches!(endpoint("255.255.255.255"), Err(EndpointError::NotUnicast(_))));
        assert!(matches!(endpoint("::ffff:192.0.2.1"), Err(EndpointError::Mapped(_))));
    }
}
