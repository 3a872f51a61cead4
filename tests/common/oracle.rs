//! What must become of a packet, by the RFCs alone: silence, a header, or a whole reply, and what
//! every reply keeps to. Shares nothing with the crate under test.
//!
//! Left out: which records a name has.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "tests and fuzz targets each use their own part of it"
)]

use super::wire::{self, A, AAAA, ANY, CNAME, HEADER_LEN, HINFO, Message, OPT, SOA, Section};

pub const NOERROR: u16 = 0;
pub const FORMERR: u16 = 1;
pub const SERVFAIL: u16 = 2;
pub const NXDOMAIN: u16 = 3;
pub const NOTIMP: u16 = 4;
pub const REFUSED: u16 = 5;
pub const BADVERS: u16 = 16;

const NSID: u16 = 3;
const SUBNET: u16 = 8;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const EXTENDED_ERROR: u16 = 15;
const CLASS_IN: u16 = 1;
const DNSSEC_OK: u32 = 0x8000;

/// The largest reply by UDP to who says nothing, and to who says anything.
const UDP_MIN: usize = 512;
const UDP_MAX: usize = 1232;

/// What must come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Silence,
    /// A header with this code alone.
    Bare(u16),
    /// A reply with the question.
    Whole(Asked),
}

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where it ends in the packet.
    pub end: usize,
    pub kind: u16,
    pub class: u16,
    pub edns: Option<Edns>,
    /// Nothing stands in the packet but the question, and an OPT record behind it.
    pub is_tidy: bool,
}

/// What an OPT record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edns {
    pub payload: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    pub nsid: bool,
    pub keepalive: bool,
    pub subnet: Option<Vec<u8>>,
    pub cookie: Option<Vec<u8>>,
}

/// What must become of a packet.
pub fn expected(packet: &[u8]) -> Expected {
    let Some(header) = packet.first_chunk::<HEADER_LEN>() else { return Expected::Silence };
    if header[2] & 0x80 != 0 {
        return Expected::Silence;
    }
    if header[2] & 0x78 != 0 {
        return Expected::Bare(NOTIMP);
    }
    asked(packet, header).map_or(Expected::Bare(FORMERR), Expected::Whole)
}

/// The question of a packet that is well-formed as far as it matters.
fn asked(packet: &[u8], header: &[u8; HEADER_LEN]) -> Option<Asked> {
    if wire::count(header, 0) != 1 {
        return None;
    }
    let mut name = Vec::new();
    let at = wire::name(packet, HEADER_LEN, &mut name).ok()?;
    let [kind_0, kind_1, class_0, class_1] = *packet.get(at..)?.first_chunk()?;
    let end = at + 4;
    let (mut rest, mut edns, mut others) = (&packet[end..], None, false);
    for section in 1..=3 {
        for _ in 0..wire::count(header, section) {
            let record = RawRecord::split_first(&mut rest)?;
            if record.kind != OPT {
                others = true;
                continue;
            }
            // RFC 6891 §6.1.1: at the root, in the additional section, and one at most.
            if section != 3 || !record.is_at_root || edns.is_some() {
                return None;
            }
            edns = Some(record.edns()?);
        }
    }
    let kind = u16::from_be_bytes([kind_0, kind_1]);
    let class = u16::from_be_bytes([class_0, class_1]);
    Some(Asked { end, kind, class, edns, is_tidy: !others && rest.is_empty() })
}

/// A record of a question, of which nobody looks at names.
struct RawRecord<'p> {
    is_at_root: bool,
    kind: u16,
    class: u16,
    ttl: u32,
    data: &'p [u8],
}

impl<'p> RawRecord<'p> {
    fn split_first(rest: &mut &'p [u8]) -> Option<Self> {
        let mut at = 0;
        let is_at_root = *rest.first()? == 0;
        while at <= 255 {
            match *rest.get(at)? {
                0 => break,
                len @ 1..=63 => at += 1 + usize::from(len),
                0xc0.. => {
                    at += 1;
                    break;
                }
                _ => return None,
            }
        }
        // Names of more than 255 octets are none.
        let fixed: &[u8; 10] = rest.get(at + 1..).filter(|_| at <= 255)?.first_chunk()?;
        let u16_at = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let begin = at + 11;
        let end = begin + usize::from(u16_at(8));
        let data = rest.get(begin..end)?;
        *rest = &rest[end..];
        let ttl = u32::from(u16_at(4)) << 16 | u32::from(u16_at(6));
        Some(Self { is_at_root, kind: u16_at(0), class: u16_at(2), ttl, data })
    }

    /// Reads this OPT record, unless it does not keep to its format.
    fn edns(&self) -> Option<Edns> {
        let version = (self.ttl >> 16) as u8;
        let dnssec_ok = self.ttl & DNSSEC_OK != 0;
        let mut edns = Edns { payload: self.class, version, dnssec_ok, ..Edns::default() };
        if version > 0 {
            return Some(edns);
        }
        for (code, data) in wire::options(self.data)? {
            match code {
                NSID => edns.nsid = true,
                KEEPALIVE => edns.keepalive = true,
                SUBNET if edns.subnet.is_none() => {
                    edns.subnet = Some(is_subnet(data).then(|| data.to_vec())?);
                }
                COOKIE if edns.cookie.is_none() => {
                    // RFC 7873 §4: 8 octets, or 8 and 8 to 32.
                    let is_cookie = matches!(data.len(), 8 | 16..=40);
                    edns.cookie = Some(is_cookie.then(|| data.to_vec())?);
                }
                _ => {}
            }
        }
        Some(edns)
    }
}

/// RFC 7871 §6: a family, a prefix, a scope of 0, and as many octets as the prefix needs, with
/// nothing behind it.
fn is_subnet(data: &[u8]) -> bool {
    let [0, family, prefix, 0, address @ ..] = data else { return false };
    let bits = match family {
        1 => 32,
        2 => 128,
        _ => return false,
    };
    let spare = (8 - prefix % 8) % 8;
    let is_clean = address.last().is_none_or(|last| last.trailing_zeros() >= spare.into());
    *prefix <= bits && address.len() == usize::from(*prefix).div_ceil(8) && is_clean
}

/// Who replies.
#[derive(Clone, Copy, Debug)]
pub struct Server<'s> {
    /// Its zone, in wire form and lower case.
    pub apex: &'s [u8],
    pub nsid: Option<&'s [u8]>,
}

impl Server<'_> {
    /// Looks at what became of a packet; panics if that is not as it must be. Says what was
    /// replied.
    pub fn check(self, packet: &[u8], is_udp: bool, reply: Option<&[u8]>) -> Option<Message> {
        let expected = expected(packet);
        let Some(octets) = reply else {
            assert_eq!(expected, Expected::Silence, "there must be a reply");
            return None;
        };
        assert_ne!(expected, Expected::Silence, "there must be no reply");
        let reply = Message::read(octets).unwrap_or_else(|fault| panic!("{fault:?}: {octets:?}"));
        assert_eq!(octets[..2], packet[..2], "the ID");
        assert_eq!(octets[2] & 0xf9, 0x80 | packet[2] & 0x79, "QR, opcode, RD");
        assert_eq!(octets[3] & 0xe0, 0, "RA, Z, AD");
        match expected {
            Expected::Bare(code) => {
                assert_eq!((octets.len(), reply.code()), (HEADER_LEN, code), "a header alone");
                assert!(!reply.is_authoritative() && !reply.is_truncated());
            }
            Expected::Whole(asked) => {
                assert_eq!(octets[3] & 0x10, packet[3] & 0x10, "CD");
                let question = &packet[HEADER_LEN..asked.end];
                assert_eq!(&octets[reply.question.clone()], question, "the question");
                let limit = if is_udp { asked.udp_limit() } else { usize::from(u16::MAX) };
                assert!(octets.len() <= limit, "{} octets of {limit}", octets.len());
                assert!(is_udp || !reply.is_truncated(), "a stream has room for everything");
                self.check_sections(&reply, &asked, question);
                self.check_edns(&reply, asked.edns.as_ref(), is_udp);
                let records = octets.len() - reply.answer_len();
                assert!(records <= 3 * packet.len(), "{records} for {} octets", packet.len());
            }
            Expected::Silence => {}
        }
        Some(reply)
    }

    /// Records where they belong, and authority only where there is one.
    fn check_sections(self, reply: &Message, asked: &Asked, question: &[u8]) {
        let name = question[..question.len() - 4].to_ascii_lowercase();
        let answers = reply.section(Section::Answer).count();
        let authorities = reply.section(Section::Authority).count();
        for record in reply.section(Section::Answer) {
            assert_eq!(reply.owner(record), name, "the owner of an answer");
            assert_eq!(record.class, CLASS_IN);
            let kinds = [asked.kind, CNAME, if asked.kind == ANY { HINFO } else { asked.kind }];
            assert!(kinds.contains(&record.kind), "{} for {}", record.kind, asked.kind);
        }
        for record in reply.section(Section::Authority) {
            assert_eq!((reply.owner(record), record.kind), (self.apex, SOA), "the authority");
            assert_eq!(record.class, CLASS_IN);
        }
        let others = reply.section(Section::Additional).filter(|record| record.kind != OPT);
        assert_eq!(others.count(), 0, "additional records");
        let sections = (reply.code(), reply.is_authoritative(), answers, authorities);
        match sections {
            (NOERROR | NXDOMAIN, true, 0, 0) => assert!(reply.is_truncated(), "nothing at all"),
            (NOERROR, true, 1.., 0) | (NOERROR | NXDOMAIN, true, 0, 1) => {
                assert!(!reply.is_truncated(), "truncated, and not cut");
                assert!(name.ends_with(self.apex), "not ours");
                assert_eq!(asked.class, CLASS_IN);
            }
            (SERVFAIL, false, 0, 0) => assert!(name.ends_with(self.apex), "not ours"),
            (REFUSED | NOTIMP | FORMERR, false, 0, 0) => {}
            (BADVERS, false, 0, 0) => {}
            _ => panic!("code, AA, answers, authorities: {sections:?}"),
        }
        let is_other = asked.edns.as_ref().is_some_and(|edns| edns.version > 0);
        assert_eq!(reply.code() == BADVERS, is_other, "RFC 6891 §6.1.3");
    }

    /// An OPT record exactly when there was one, with nothing that was not asked for.
    fn check_edns(self, reply: &Message, asked: Option<&Edns>, is_udp: bool) {
        let opts: Vec<_> = reply.records.iter().filter(|record| record.kind == OPT).collect();
        assert_eq!(opts.len(), usize::from(asked.is_some()), "OPT records");
        let (Some(opt), Some(asked)) = (opts.first(), asked) else { return };
        assert_eq!((opt.section, reply.owner(opt)), (Section::Additional, &[0][..]));
        assert_eq!(usize::from(opt.class), UDP_MAX, "the payload size");
        let dnssec_ok = if asked.dnssec_ok { DNSSEC_OK } else { 0 };
        assert_eq!(opt.ttl & 0x00ff_ffff, dnssec_ok, "version 0, DO as it came, no other flag");
        let options = reply.options();
        for (index, (code, data)) in options.iter().enumerate() {
            assert!(options[..index].iter().all(|(other, _)| other != code), "{code} twice");
            match *code {
                NSID => assert!(asked.nsid && Some(*data) == self.nsid, "NSID"),
                SUBNET => {
                    let mut echo = asked.subnet.clone().expect("a subnet that was not asked for");
                    echo[3] = data[3];
                    assert!(*data == echo && data[3] <= data[2], "subnet {data:?}");
                }
                COOKIE => {
                    let client = asked.cookie.as_ref().expect("a cookie that was not asked for");
                    assert_eq!((data.len(), &data[..8]), (24, &client[..8]), "the cookie");
                }
                KEEPALIVE => assert!(asked.keepalive && !is_udp && data.len() == 2, "keepalive"),
                EXTENDED_ERROR => assert!(data.len() >= 2 && reply.code() != NOERROR, "error"),
                _ => panic!("option {code}"),
            }
        }
        let has = |code| options.iter().any(|(other, _)| *other == code);
        assert_eq!(has(COOKIE), asked.cookie.is_some(), "the cookie");
        assert_eq!(has(KEEPALIVE), asked.keepalive && !is_udp, "keepalive");
        if !reply.is_truncated() && reply.code() != BADVERS {
            assert_eq!(has(SUBNET), asked.subnet.is_some(), "the subnet");
            assert_eq!(has(NSID), asked.nsid && self.nsid.is_some(), "NSID");
        }
    }
}

impl Asked {
    /// The longest reply by UDP.
    pub fn udp_limit(&self) -> usize {
        self.edns.as_ref().map_or(UDP_MIN, |edns| usize::from(edns.payload).clamp(UDP_MIN, UDP_MAX))
    }

    /// Whether this is what resolvers ask all day: such a question must not take the long way.
    pub fn is_common(&self) -> bool {
        let is_version_0 = self.edns.as_ref().is_none_or(|edns| edns.version == 0);
        let is_frequent = matches!(self.kind, A | AAAA | ANY | 1..=40 | 64 | 65 | 257);
        self.is_tidy && is_version_0 && is_frequent && self.class == CLASS_IN
    }
}

impl Message {
    /// How many octets the answers take.
    pub fn answer_len(&self) -> usize {
        self.section(Section::Answer).map(|record| record.len).sum()
    }
}

/// Looks at the replies to one packet by UDP and by TCP together: TC exactly when there was no
/// room, and otherwise the same.
pub fn check_truncation(packet: &[u8], udp: (&Message, &[u8]), tcp: (&Message, &[u8])) {
    let Expected::Whole(asked) = expected(packet) else { return };
    // What only streams are told: two octets, behind a code and a length.
    let keepalive = asked.edns.as_ref().is_some_and(|edns| edns.keepalive);
    let whole_len = tcp.1.len() - if keepalive { 6 } else { 0 };
    let ((udp, udp_octets), (tcp, tcp_octets)) = (udp, tcp);
    assert_eq!(udp.is_truncated(), whole_len > asked.udp_limit(), "TC, and {whole_len} octets");
    if udp.is_truncated() {
        assert!(udp.records.iter().all(|record| record.kind == OPT), "cut to the question");
    } else if !keepalive {
        assert_eq!(udp.meaning(udp_octets), tcp.meaning(tcp_octets), "UDP and TCP");
    }
}
