//! Where a DNS server is asked.

use std::net::{IpAddr, SocketAddr};

/// The port of DNS (RFC 1035 §4.2).
pub const DNS_PORT: u16 = 53;

/// A server that is written as an address, with a port or without: then it is asked at the usual one.
pub fn dns_server(text: &str) -> Option<SocketAddr> {
    let plain = || text.parse().ok().map(|it: IpAddr| SocketAddr::new(it, DNS_PORT));
    text.parse().ok().or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_port_or_the_usual_one() {
        let server = |text| dns_server(text).map(|it| it.to_string());
        assert_eq!(server("192.0.2.1").as_deref(), Some("192.0.2.1:53"));
        assert_eq!(server("192.0.2.1:5353").as_deref(), Some("192.0.2.1:5353"));
        assert_eq!(server("2001:db8::1").as_deref(), Some("[2001:db8::1]:53"));
        assert_eq!(server("[2001:db8::1]:5353").as_deref(), Some("[2001:db8::1]:5353"));
        assert_eq!(server("ns.example.test").or(server("192.0.2.1:99999")), None);
    }
}
