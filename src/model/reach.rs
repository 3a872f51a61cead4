//! Which addresses may be probed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Network;

/// Where clouds tell a host its secrets, beside the link-local 169.254.169.254: AWS, Google Cloud,
/// Alibaba Cloud, Azure.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// All addresses, but for those that are of this host's own surroundings and no endpoint's: whoever
/// edits a release file is not to ask them in the daemon's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Networks that may be probed all the same.
    pub allowed: Vec<Network>,
}

impl Reach {
    /// The most networks in it.
    pub const ALLOWED_MAX: usize = 64;

    /// Why an address is not probed, if it is not.
    pub fn refusal(&self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        let is_link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let what = match (is_link_local, METADATA.contains(&address)) {
            (true, _) => "is link-local",
            (_, true) => "is where a cloud keeps the metadata of its hosts",
            _ => return None,
        };
        let is_allowed = self.allowed.iter().any(|network| network.contains(address));
        (!is_allowed).then(|| {
            format!("{address} {what}: not probed unless `probes.allow` in the settings has it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings_are_not_probed_unless_they_are_allowed() {
        let refused =
            |reach: &Reach, text: &str| reach.refusal(text.parse().expect("an address")).is_some();
        let reach = Reach::default();
        for address in ["127.0.0.1", "10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"] {
            assert!(!refused(&reach, address), "{address}");
        }
        for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200"] {
            assert!(refused(&reach, address), "{address}");
        }
        let allowed = vec!["169.254.0.0/16".parse().expect("a network")];
        let reach = Reach { allowed };
        assert!(!refused(&reach, "169.254.1.1"));
        assert!(refused(&reach, "fe80::1"));
    }
}
