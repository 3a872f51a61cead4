//! What probes may do: a release file says what is probed, the settings how far that goes.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use super::Network;

/// Where clouds tell a host its secrets, beside the link-local 169.254.169.254: AWS, Google Cloud,
/// Alibaba Cloud, Azure.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Whoever edits a release file is not to do in the daemon's name what this does not have.
///
/// All addresses may be probed, but for those that are of this host's own surroundings and no
/// endpoint's. No command may be run, and no file read but those that name signers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Networks that may be probed all the same.
    pub networks: Vec<Network>,
    /// Programs that may be run; absolute.
    pub commands: Vec<PathBuf>,
    /// Folders in which files may be read; absolute.
    pub folders: Vec<PathBuf>,
}

impl Permit {
    /// The most that each of them has.
    pub const EACH_MAX: usize = 64;

    /// Why a program is not run, if it is not.
    pub fn refusal_of_command(&self, command: &Path) -> Option<String> {
        let is_allowed = self.commands.iter().any(|allowed| allowed == command);
        (!is_allowed).then(|| {
            let command = command.display();
            format!("{command} is not run unless `probes.commands` in the settings has it")
        })
    }

    /// Why a file is not read, if it is not; the path has no `..`.
    pub fn refusal_of_file(&self, path: &Path) -> Option<String> {
        let is_allowed = self.folders.iter().any(|folder| path.starts_with(folder));
        (!is_allowed).then(|| {
            let path = path.display();
            format!("{path} is not read unless `probes.folders` in the settings has a folder of it")
        })
    }

    /// Why an address is not probed, if it is not.
    pub fn refusal_of_address(&self, address: IpAddr) -> Option<String> {
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
        let is_allowed = self.networks.iter().any(|network| network.contains(address));
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
        let refused = |permit: &Permit, text: &str| {
            permit.refusal_of_address(text.parse().expect("an address")).is_some()
        };
        let permit = Permit::default();
        for address in ["127.0.0.1", "10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"] {
            assert!(!refused(&permit, address), "{address}");
        }
        for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200"] {
            assert!(refused(&permit, address), "{address}");
        }
        let networks = vec!["169.254.0.0/16".parse().expect("a network")];
        let permit = Permit { networks, ..Permit::default() };
        assert!(!refused(&permit, "169.254.1.1"));
        assert!(refused(&permit, "fe80::1"));
    }

    #[test]
    fn no_command_and_no_file_unless_they_are_allowed() {
        let permit = Permit {
            commands: vec!["/usr/lib/check".into()],
            folders: vec!["/run/health".into()],
            ..Permit::default()
        };
        assert_eq!(permit.refusal_of_command(Path::new("/usr/lib/check")), None);
        assert!(permit.refusal_of_command(Path::new("/usr/lib/check2")).is_some());
        assert_eq!(permit.refusal_of_file(Path::new("/run/health/a/b")), None);
        assert!(permit.refusal_of_file(Path::new("/run/healthy")).is_some());
        assert!(Permit::default().refusal_of_file(Path::new("/etc/passwd")).is_some());
    }
}
