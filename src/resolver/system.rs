//! The resolvers that this host uses.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use crate::model::DNS_PORT;

/// What the system's own resolver looks at (resolv.conf(5)).
const FILE: &str = "/etc/resolv.conf";
const RESOLVERS_MAX: usize = 3;

/// The resolvers in the order in which they are asked; none if the file is not there.
pub fn resolvers() -> Vec<SocketAddr> {
    parse(&fs::read_to_string(Path::new(FILE)).unwrap_or_default())
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_one = words.next() == Some("nameserver");
        is_one.then(|| words.next()?.parse().ok()).flatten()
    };
    let addresses = text.lines().filter_map(address).take(RESOLVERS_MAX);
    addresses.map(|address: IpAddr| (address, DNS_PORT).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_addresses_are_asked() {
        let text = "# nameserver 192.0.2.9\nsearch a.test\nnameserver 192.0.2.1\nnameserver nonsense\n\
                    nameserver\t2001:db8::1 # near\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let shown: Vec<String> = parse(text).iter().map(SocketAddr::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"]);
        assert!(parse("").is_empty());
    }
}
