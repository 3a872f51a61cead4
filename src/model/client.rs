//! Who asks: the network that a client stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Family, Network};

/// The network of a client, as its resolver tells it (EDNS Client Subnet, RFC 7871).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The address, with zeroes after its prefix.
    pub address: IpAddr,
    /// How many of its leading bits are told.
    pub prefix: u8,
}

/// What the stickiness of an answer hangs on: a client keeps its answer for as long as it asks
/// from one network, because resolvers ask from changing addresses of one.
///
/// /24 for IPv4, /48 for IPv6: of the subnet that the resolver tells, if it tells one, else of
/// the resolver.
///
/// A number, because it is handed on for each question: its octets, the first one lowest; above them
/// how many bits of it were told, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientNetwork(u64);

const LEN_SHIFT: u32 = 56;
const PREFIX_SHIFT: u32 = 48;
const PREFIX_MASK: u64 = 0xff << PREFIX_SHIFT;

/// The bits of a mapped address before those of the IPv4 address.
const MAPPED: u128 = 0xffff;

/// One form for the addresses of both families, which is handed on with fewer instructions than
/// two: IPv4 as mapped addresses (RFC 4291 §2.5.5.2).
#[inline]
pub const fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

impl ClientNetwork {
    /// A /24.
    #[inline]
    pub const fn v4([a, b, c]: [u8; 3]) -> Self {
        Self(u64::from_le_bytes([a, b, c, 0, 0, 0, Self::prefix_max(Family::V4), 3]))
    }

    /// A /48.
    #[inline]
    pub const fn v6([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self(u64::from_le_bytes([a, b, c, d, e, f, Self::prefix_max(Family::V6), 6]))
    }

    /// The longest prefix that makes a difference.
    pub const fn prefix_max(family: Family) -> u8 {
        match family {
            Family::V4 => 24,
            Family::V6 => 48,
        }
    }

    /// The network of a client behind the resolver at `resolver`.
    ///
    /// A subnet of no bits is a wish not to be told apart (RFC 7871 §7.1.2): the resolver counts.
    #[inline]
    pub fn of(resolver: Ipv6Addr, subnet: Option<Subnet>) -> Self {
        match subnet {
            Some(subnet) if subnet.prefix > 0 => Self::told(subnet),
            _ => Self::around(resolver),
        }
    }

    /// The network that a subnet is, or begins with.
    fn told(Subnet { address, prefix }: Subnet) -> Self {
        let (whole, prefix_max) = match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                (Self::v4([a, b, c]), Self::prefix_max(Family::V4))
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, ..] = address.octets();
                (Self::v6([a, b, c, d, e, f]), Self::prefix_max(Family::V6))
            }
        };
        let prefix = u64::from(prefix.min(prefix_max)) << PREFIX_SHIFT;
        Self(whole.0 & !PREFIX_MASK | prefix)
    }

    /// How many of its bits are known.
    #[inline]
    const fn prefix(self) -> u64 {
        (self.0 & PREFIX_MASK) >> PREFIX_SHIFT
    }

    #[inline]
    fn around(address: Ipv6Addr) -> Self {
        let bits = address.to_bits();
        match bits >> 32 {
            MAPPED => {
                let [a, b, c, _] = (bits as u32).to_be_bytes();
                Self::v4([a, b, c])
            }
            _ => {
                let [a, b, c, d, e, f, ..] = bits.to_be_bytes();
                Self::v6([a, b, c, d, e, f])
            }
        }
    }

    /// How many octets are the same for all of it, and a number that has them, the first one lowest.
    #[inline]
    pub const fn octets(self) -> (usize, u64) {
        ((self.0 >> LEN_SHIFT) as usize, self.0 & ((1 << PREFIX_SHIFT) - 1))
    }
}

/// Clients whose networks begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRange {
    mask: u64,
    /// With how many bits these are where a client has how many were told.
    value: u64,
}

impl ClientRange {
    /// How long it is as octets.
    pub const LEN: usize = 16;

    /// The clients of a network; nothing if it is smaller than what clients are told apart by.
    pub fn of(network: &Network) -> Option<Self> {
        let (address, prefix) = (network.address(), network.prefix());
        if prefix > ClientNetwork::prefix_max(Family::of(address)) {
            return None;
        }
        let begin = ClientNetwork::around(mapped(address));
        let mask = match address {
            IpAddr::V4(_) => Network::of(Ipv4Addr::BROADCAST.into(), prefix),
            IpAddr::V6(_) => Network::of(Ipv6Addr::from_bits(u128::MAX).into(), prefix),
        };
        let mask = ClientNetwork::around(mapped(mask.address())).0 & !PREFIX_MASK;
        let mask = mask | 0xff << LEN_SHIFT;
        Some(Self { mask, value: begin.0 & mask | u64::from(prefix) << PREFIX_SHIFT })
    }

    /// Whether the client is known to be one of them: of a network that only begins with theirs, others
    /// would be told the same (RFC 7871 §7.2.1).
    #[inline]
    pub const fn has(self, client: ClientNetwork) -> bool {
        let is_like = (client.0 ^ self.value) & self.mask == 0;
        is_like && client.prefix() >= ClientNetwork(self.value).prefix()
    }

    /// As octets.
    pub fn to_octets(self) -> [u8; Self::LEN] {
        (u128::from(self.mask) << u64::BITS | u128::from(self.value)).to_le_bytes()
    }

    /// What [`ClientRange::to_octets`] gave.
    pub fn from_octets(octets: [u8; Self::LEN]) -> Self {
        let number = u128::from_le_bytes(octets);
        Self { mask: (number >> u64::BITS) as u64, value: number as u64 }
    }
}

impl Subnet {
    /// A subnet, if the prefix fits the family and no bit is set after it.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let rest_is_zero = match address {
            IpAddr::V4(v4) => prefix <= 32 && tail(u32::from(v4).into(), 32, prefix) == 0,
            IpAddr::V6(v6) => prefix <= 128 && tail(u128::from(v6), 128, prefix) == 0,
        };
        rest_is_zero.then_some(Self { address, prefix })
    }

    /// A subnet from the octets of an option: those that its prefix needs and no more.
    pub fn from_octets(family: Family, prefix: u8, octets: &[u8]) -> Option<Self> {
        if octets.len() != usize::from(prefix).div_ceil(8) {
            return None;
        }
        let address = match family {
            Family::V4 => {
                let mut all = [0; 4];
                all.get_mut(..octets.len())?.copy_from_slice(octets);
                Ipv4Addr::from(all).into()
            }
            Family::V6 => {
                let mut all = [0; 16];
                all.get_mut(..octets.len())?.copy_from_slice(octets);
                Ipv6Addr::from(all).into()
            }
        };
        Self::new(address, prefix)
    }
}

/// The bits of an address of `width` bits after its prefix.
fn tail(bits: u128, width: u32, prefix: u8) -> u128 {
    bits & u128::MAX.checked_shr(128 - width + u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_subnet_has_no_bits_after_its_prefix() {
        for (address, prefix, good) in [
            ("192.0.2.0", 24, true),
            ("192.0.2.1", 24, false),
            ("192.0.2.1", 32, true),
            ("192.0.2.1", 33, false),
            ("0.0.0.0", 0, true),
            ("128.0.0.0", 0, false),
            ("2001:db8::", 32, true),
            ("2001:db8::1", 127, false),
            ("2001:db8::1", 128, true),
            ("2001:db8::1", 129, false),
        ] {
            assert_eq!(Subnet::new(ip(address), prefix).is_some(), good, "{address}/{prefix}");
        }
    }

    #[test]
    fn an_option_has_the_octets_that_its_prefix_needs() {
        let v4 = |prefix, octets: &[u8]| Subnet::from_octets(Family::V4, prefix, octets);
        assert_eq!(v4(24, &[192, 0, 2]), Subnet::new(ip("192.0.2.0"), 24));
        assert_eq!(v4(20, &[192, 0, 16]), Subnet::new(ip("192.0.16.0"), 20));
        assert_eq!(v4(0, &[]), Subnet::new(ip("0.0.0.0"), 0));
        for (prefix, octets) in
            [(24, &[192, 0][..]), (24, &[1; 4]), (20, &[192, 0, 17]), (40, &[1; 5])]
        {
            assert_eq!(v4(prefix, octets), None, "{prefix} {octets:?}");
        }
        assert!(Subnet::from_octets(Family::V6, 136, &[0; 17]).is_none());
    }

    #[test]
    fn ranges_of_clients() {
        let range = |text: &str| ClientRange::of(&text.parse().expect("a network"));
        let of = |text| ClientNetwork::of(mapped(ip(text)), None);
        let office = range("198.51.96.0/20").expect("large enough");
        assert!(office.has(of("198.51.100.7")) && !office.has(of("198.51.112.1")));
        assert!(!office.has(of("2001:db8::1")) && !office.has(of("::")));
        let v6 = range("2001:db8::/44").expect("large enough");
        assert!(v6.has(of("2001:db8:f::1")) && !v6.has(of("2001:db8:10::1")));
        let all = range("0.0.0.0/0").expect("large enough");
        assert!(all.has(of("0.0.0.0")) && all.has(of("192.0.2.1")) && !all.has(of("::")));
        assert_eq!(ClientRange::from_octets(v6.to_octets()), v6);
        // A mapped address would be of the other family.
        assert!(!range("::/0").expect("large enough").has(of("192.0.2.1")));
        assert_eq!((range("198.51.100.0/25"), range("2001:db8::/49")), (None, None));
    }

    #[test]
    fn a_range_has_nobody_of_whom_less_is_told_than_it_says() {
        let resolver = mapped(ip("198.51.100.7"));
        let told = |address, prefix| ClientNetwork::of(resolver, Subnet::new(ip(address), prefix));
        let office = ClientRange::of(&"192.0.0.0/20".parse().expect("a network")).expect("large");
        for (prefix, is_in) in [(24, true), (32, true), (20, true), (19, false), (16, false)] {
            assert_eq!(office.has(told("192.0.0.0", prefix)), is_in, "/{prefix}");
        }
        let v6 = ClientRange::of(&"2001:db8::/40".parse().expect("a network")).expect("large");
        for (prefix, is_in) in [(56, true), (48, true), (40, true), (39, false), (32, false)] {
            assert_eq!(v6.has(told("2001:db8::", prefix)), is_in, "/{prefix}");
        }
        // Without a subnet, all of the resolver's own is known.
        let around = ClientRange::of(&"198.51.100.0/24".parse().expect("a network"));
        assert!(around.expect("large").has(told("0.0.0.0", 0)));
        // Clients who have moved stay there, however much is told of them.
        assert_eq!(told("192.0.0.0", 16).octets(), told("192.0.0.0", 24).octets());
        // Of IPv6 that is said to be IPv4, as much is looked at as the scope says.
        assert_eq!(told("::ffff:192.0.2.0", 120), ClientNetwork::v6([0; 6]));
    }

    #[test]
    fn the_told_subnet_counts_and_else_the_resolver() {
        let resolver = mapped(ip("198.51.100.7"));
        let told = |address, prefix| ClientNetwork::of(resolver, Subnet::new(ip(address), prefix));
        assert_eq!(ClientNetwork::of(resolver, None), ClientNetwork::v4([198, 51, 100]));
        assert_eq!(told("192.0.2.77", 32), ClientNetwork::v4([192, 0, 2]));
        assert_eq!(told("0.0.0.0", 0), ClientNetwork::v4([198, 51, 100]));
        assert_eq!(told("2001:db8:1::", 48), ClientNetwork::v6([0x20, 1, 0x0d, 0xb8, 0, 1]));
    }
}
