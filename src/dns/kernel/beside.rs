//! What the kernel writes beside a datagram: who sent it, and to which of our addresses.
//!
//! Octets in the kernel's layout become values here, with checks and without unsafe code. Nothing
//! is taken for granted: unknown or short data gives no address, never a fault.

use std::{
    mem::{offset_of, size_of},
    net::Ipv6Addr,
    ops::Range,
};

use libc::{c_int, in_pktinfo, in6_pktinfo, sockaddr_in, sockaddr_in6};

/// Room for an address of either family: `sockaddr_in` or `sockaddr_in6`.
#[repr(C, align(8))]
pub(super) struct Name(pub(super) [u8; size_of::<sockaddr_in6>()]);

/// Room for control messages. Ours needs 40 octets; whoever passes a socket may have asked for
/// others before it (systemd: `Timestamping=`).
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; 256]);

/// The kernel's `cmsghdr`: the length with this head, the level, the type. Written down here
/// because libc's differ from each other in how they declare the length.
const HEAD: usize = size_of::<usize>() + 2 * size_of::<c_int>();

/// What stands before the IPv4 address in a mapped one. Numbers are handed on in registers, octets
/// are not.
const MAPPED: u128 = 0xffff << 32;

/// Nobody: the caller drops what comes from port 0.
const NOBODY: (Ipv6Addr, u16) = (Ipv6Addr::UNSPECIFIED, 0);

/// The client's address and port, from the first `filled` octets of its name.
///
/// An IPv4 client is given as a mapped address, whatever the socket. The interface of a link-local
/// client is left out: replies are sent to the name, where it stands.
#[inline]
pub(super) fn client(name: &Name, filled: usize) -> (Ipv6Addr, u16) {
    let name = &name.0;
    let family = c_int::from(u16::from_ne_bytes(octets(name, 0)));
    let port = u16::from_be_bytes(octets(name, offset_of!(sockaddr_in, sin_port)));
    if family == libc::AF_INET && filled >= size_of::<sockaddr_in>() {
        let address = u32::from_be_bytes(octets(name, offset_of!(sockaddr_in, sin_addr)));
        return (Ipv6Addr::from_bits(MAPPED | u128::from(address)), port);
    }
    if family == libc::AF_INET6 && filled >= size_of::<sockaddr_in6>() {
        let address = u128::from_be_bytes(octets(name, offset_of!(sockaddr_in6, sin6_addr)));
        return (Ipv6Addr::from_bits(address), port);
    }
    NOBODY
}

/// Turns the packet info among the received control messages into that of the reply: from the
/// address that was asked. Says where it stands; an empty range when there is none.
///
/// The interface is cleared, so that routing decides where the reply leaves; only a link-local
/// address means nothing without it.
#[inline]
pub(super) fn reply_from_asked(control: &mut Control, filled: usize) -> Range<usize> {
    let filled = filled.min(control.0.len());
    let mut start = 0;
    while start + HEAD <= filled {
        let message = &mut control.0[start..filled];
        let len = usize::from_ne_bytes(octets(message, 0));
        if len < HEAD || len > message.len() {
            break;
        }
        let level = c_int::from_ne_bytes(octets(message, size_of::<usize>()));
        let kind = c_int::from_ne_bytes(octets(message, size_of::<usize>() + size_of::<c_int>()));
        let space = len.next_multiple_of(size_of::<usize>());
        if clear_interface(level, kind, &mut message[HEAD..len]) {
            return start..(start + space).min(filled);
        }
        start += space;
    }
    0..0
}

/// Whether this is packet info; if so, it now suits a reply.
fn clear_interface(level: c_int, kind: c_int, info: &mut [u8]) -> bool {
    let (interface, keep) = match (level, kind, info.len()) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO, len) if len == size_of::<in_pktinfo>() => {
            (offset_of!(in_pktinfo, ipi_ifindex), false)
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, len) if len == size_of::<in6_pktinfo>() => {
            let asked: [u8; 16] = octets(info, offset_of!(in6_pktinfo, ipi6_addr));
            let interface = offset_of!(in6_pktinfo, ipi6_ifindex);
            (interface, Ipv6Addr::from(asked).is_unicast_link_local())
        }
        _ => return false,
    };
    if !keep {
        info[interface..interface + size_of::<c_int>()].fill(0);
    }
    true
}

#[inline]
fn octets<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    *from[at..].first_chunk().expect("invariant: the callers have compared lengths")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: usize = size_of::<sockaddr_in>();
    const V6: usize = size_of::<sockaddr_in6>();

    fn name(family: c_int, rest: &[u8]) -> Name {
        let mut name = Name([0; V6]);
        let family = u16::try_from(family).expect("small").to_ne_bytes();
        name.0[..2].copy_from_slice(&family);
        name.0[2..2 + rest.len()].copy_from_slice(rest);
        name
    }

    fn message(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
        let mut message = (HEAD + data.len()).to_ne_bytes().to_vec();
        message.extend(level.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(data);
        message.resize(message.len().next_multiple_of(size_of::<usize>()), 0);
        message
    }

    fn control(messages: &[Vec<u8>]) -> (Control, usize) {
        let octets = messages.concat();
        let mut control = Control([0xFF; 256]);
        control.0[..octets.len()].copy_from_slice(&octets);
        (control, octets.len())
    }

    fn info_v6(asked: &str) -> Vec<u8> {
        let asked: Ipv6Addr = asked.parse().expect("an address");
        let data = [asked.octets().as_slice(), &7_u32.to_ne_bytes()].concat();
        message(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
    }

    #[test]
    fn clients_of_both_families_are_read() {
        let ip = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
        let v4 = name(libc::AF_INET, &[0x14, 0xE9, 192, 0, 2, 1]);
        assert_eq!(client(&v4, V4), (ip("::ffff:192.0.2.1"), 5353));

        let mut v6 = name(libc::AF_INET6, &[0x14, 0xE9, 1, 2, 3, 4, 0xFE, 0x80]);
        v6.0[23] = 9;
        v6.0[24..].copy_from_slice(&3_u32.to_ne_bytes());
        assert_eq!(client(&v6, V6), (ip("fe80::9"), 5353));

        let mut mapped = name(libc::AF_INET6, &[0x14, 0xE9]);
        mapped.0[18..24].copy_from_slice(&[0xFF, 0xFF, 192, 0, 2, 1]);
        assert_eq!(client(&mapped, V6), (ip("::ffff:192.0.2.1"), 5353));
    }

    #[test]
    fn a_name_that_is_short_or_of_another_family_is_nobody() {
        let rest = [0x14, 0xE9, 192, 0, 2, 1];
        for (family, filled) in [
            (libc::AF_INET, 0),
            (libc::AF_INET, V4 - 1),
            (libc::AF_INET6, V4),
            (libc::AF_INET6, V6 - 1),
            (libc::AF_UNIX, 110),
            (libc::AF_UNSPEC, V6),
        ] {
            assert_eq!(client(&name(family, &rest), filled).1, 0, "{family} {filled}");
        }
    }

    #[test]
    fn the_reply_leaves_from_the_address_asked_by_any_interface() {
        let info = [7_u32.to_ne_bytes(), [192, 0, 2, 1], [192, 0, 2, 255]].concat();
        let info = message(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        let (mut octets, filled) = control(std::slice::from_ref(&info));
        assert_eq!(reply_from_asked(&mut octets, filled), 0..info.len());
        assert_eq!(octets.0[HEAD..HEAD + 8], [0, 0, 0, 0, 192, 0, 2, 1]);

        for (asked, interface) in [
            ("2001:db8::1", 0_u32),
            ("::1", 0),
            ("::ffff:192.0.2.1", 0),
            ("fe80::1", 7),
            ("febf::1", 7),
            ("fec0::1", 0),
        ] {
            let (mut octets, filled) = control(&[info_v6(asked)]);
            assert_eq!(reply_from_asked(&mut octets, filled), 0..info_v6(asked).len());
            let address = asked.parse::<Ipv6Addr>().expect("an address").octets();
            assert_eq!(octets.0[HEAD..HEAD + 16], address);
            assert_eq!(octets.0[HEAD + 16..HEAD + 20], interface.to_ne_bytes(), "{asked}");
        }
    }

    #[test]
    fn other_control_messages_are_passed_over() {
        let other = message(libc::SOL_SOCKET, libc::SO_TIMESTAMP, &[1; 13]);
        let (mut octets, filled) = control(&[other.clone(), info_v6("::1"), other.clone()]);
        let found = reply_from_asked(&mut octets, filled);
        assert_eq!(found, other.len()..other.len() + info_v6("::1").len());
    }

    #[test]
    fn control_messages_that_lie_about_their_length_are_not_used() {
        let whole = info_v6("::1");
        for filled in 0..whole.len() - 4 {
            let (mut octets, _) = control(std::slice::from_ref(&whole));
            assert_eq!(reply_from_asked(&mut octets, filled), 0..0, "{filled}");
        }
        for len in [0, 1, HEAD - 1, HEAD, HEAD + 19, 41, 257, usize::MAX - 7, usize::MAX] {
            let (mut octets, filled) = control(std::slice::from_ref(&whole));
            octets.0[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(reply_from_asked(&mut octets, filled), 0..0, "{len}");
        }
        let (mut octets, _) = control(&[whole]);
        assert_eq!(reply_from_asked(&mut octets, usize::MAX).start, 0, "more than there is room");
    }
}
