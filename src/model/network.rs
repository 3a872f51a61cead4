//! A network: an address and how many of its leading bits count.

use std::{fmt, net::IpAddr, str::FromStr};

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No address before the slash.
    #[error("not a network: write \"192.0.2.0/24\", \"2001:db8::/32\" or one address")]
    Address,
    /// No number behind the slash, or one that is too large.
    #[error("the prefix of an {family} network is a whole number from 0 to {most}")]
    Prefix {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The bits of an address.
        most: u8,
    },
    /// Bits behind the prefix that are not zero.
    #[error("{0} has bits behind its prefix: the network is {1}")]
    HostBits(String, Network),
    /// `::ffff:192.0.2.0/120`.
    #[error("{0} is an IPv4 network in IPv6 clothes: write the IPv4 network")]
    Mapped(String),
}

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Zero behind the prefix.
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of `address` with this many leading bits; more than the address has count as
    /// all of them.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let prefix = prefix.min(bits_of(address));
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Self { address, prefix }
    }

    /// Its first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` belongs to it. An IPv4 address in IPv6 clothes is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let same_family = address.is_ipv4() == self.address.is_ipv4();
        same_family && Self::of(address, self.prefix).address == self.address
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        if address != address.to_canonical() {
            return Err(NetworkError::Mapped(text.to_owned()));
        }
        let most = bits_of(address);
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let prefix = match prefix {
            None => most,
            Some(prefix) => {
                let digits = prefix.bytes().all(|octet| octet.is_ascii_digit());
                let number = prefix.parse().ok().filter(|number| digits && *number <= most);
                number.ok_or(NetworkError::Prefix { family, most })?
            }
        };
        let network = Self::of(address, prefix);
        if network.address != address {
            return Err(NetworkError::HostBits(text.to_owned(), network));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_belongs_to_it() {
        let holds = |text: &str, inside: &str| network(text).contains(address(inside));
        assert!(holds("192.0.2.0/24", "192.0.2.255"));
        assert!(!holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(!holds("192.0.2.0/24", "2001:db8::1"));
        assert!(holds("192.0.2.1", "192.0.2.1"));
        assert!(!holds("192.0.2.1", "192.0.2.0"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/33", "2001:db8:8000::"));
        assert!(!holds("::/0", "192.0.2.1"));
    }

    #[test]
    fn mistakes_say_what_is_meant() {
        let error = |text: &str| text.parse::<Network>().expect_err("refused").to_string();
        assert_eq!(
            error("192.0.2.1/24"),
            "192.0.2.1/24 has bits behind its prefix: the network is 192.0.2.0/24"
        );
        assert_eq!(
            error("2001:db8::1/32"),
            "2001:db8::1/32 has bits behind its prefix: the network is 2001:db8::/32"
        );
        let wrong = "the prefix of an IPv4 network is a whole number from 0 to 32";
        for text in ["192.0.2.0/33", "192.0.2.0/", "192.0.2.0/+4", "192.0.2.0/256"] {
            assert_eq!(error(text), wrong, "{text}");
        }
        assert!(error("::/129").contains("IPv6 network is a whole number from 0 to 128"));
        assert!(error("::ffff:192.0.2.0/120").contains("write the IPv4 network"));
        for text in ["", "/24", "192.0.2/24", "example.test", " 192.0.2.0/24"] {
            assert!(error(text).starts_with("not a network"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_network_of_an_address_contains_it(of: IpAddr, other: IpAddr, prefix in 0u8..=128) {
            let of = of.to_canonical();
            let network = Network::of(of, prefix);
            prop_assert!(network.contains(of));
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
            let same = Network::of(other.to_canonical(), prefix) == network;
            prop_assert_eq!(network.contains(other), same);
        }
    }
}
