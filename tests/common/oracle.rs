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

use super::wire::{
    self, A, AAAA, ANY, CNAME, DNAME, HEADER_LEN, HINFO, MX, Message, NS, OPT, SOA, SRV, Section,
};

pub const NOERROR: u16 = 0;
pub const FORMERR: u16 = 1;
pub const SERVFAIL: u16 = 2;
pub const NXDOMAIN: u16 = 3;
pub const NOTIMP: u16 = 4;
pub const REFUSED: u16 = 5;
pub const YXDOMAIN: u16 = 6;
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
                // What the zone itself holds may be longer.
                let records = octets.len() - reply.held_len();
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
        let last = check_chain(reply, asked, &name);
        let kinds: Vec<u16> = reply.section(Section::Authority).map(|record| record.kind).collect();
        for record in reply.section(Section::Authority) {
            let owner = reply.owner(record);
            assert_eq!(record.class, CLASS_IN);
            match record.kind {
                SOA => assert_eq!((owner, kinds.len()), (self.apex, 1), "the authority"),
                NS => assert!(is_below(owner, self.apex) && is_within(&last, owner), "a referral"),
                other => panic!("{other} in the authority section"),
            }
        }
        self.check_additional(reply);
        let authority = kinds.first().copied();
        let sections = (reply.code(), reply.is_authoritative(), answers, authority);
        match sections {
            (NOERROR | NXDOMAIN | YXDOMAIN, _, 0, None) if reply.is_truncated() => {}
            (NOERROR, true, 1.., None | Some(NS))
            | (YXDOMAIN, true, 1.., None)
            | (NOERROR | NXDOMAIN, true, _, Some(SOA))
            | (NOERROR, false, 0, Some(NS)) => {
                assert!(!reply.is_truncated(), "truncated, and not cut");
                assert!(is_within(&name, self.apex), "not ours");
                assert_eq!(asked.class, CLASS_IN);
            }
            (SERVFAIL, false, 0, None) => assert!(is_within(&name, self.apex), "not ours"),
            (REFUSED | NOTIMP | FORMERR, false, 0, None) => {}
            (BADVERS, false, 0, None) => {}
            _ => panic!("code, AA, answers, authority: {sections:?}"),
        }
        let is_other = asked.edns.as_ref().is_some_and(|edns| edns.version > 0);
        assert_eq!(reply.code() == BADVERS, is_other, "RFC 6891 §6.1.3");
    }

    /// Addresses alone, of what the other sections name.
    fn check_additional(self, reply: &Message) {
        let named = |owner: &[u8]| {
            reply.records.iter().any(|record| {
                let data = reply.data(record);
                let name = match record.kind {
                    NS => data,
                    MX => &data[2..],
                    SRV => &data[6..],
                    _ => return false,
                };
                name.eq_ignore_ascii_case(owner)
            })
        };
        for record in reply.section(Section::Additional).filter(|record| record.kind != OPT) {
            let owner = reply.owner(record);
            assert!([A, AAAA].contains(&record.kind), "{} among the additional", record.kind);
            assert!(is_within(owner, self.apex) && named(owner), "nobody has named it");
        }
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

/// Each answer belongs to the name asked for, or to one to which those before it lead (RFC 1034 §3.6.2,
/// RFC 6672 §3.1); says to which name they lead.
fn check_chain(reply: &Message, asked: &Asked, name: &[u8]) -> Vec<u8> {
    let mut last = name.to_vec();
    for record in reply.section(Section::Answer) {
        let owner = reply.owner(record);
        assert_eq!(record.class, CLASS_IN);
        if record.kind == DNAME && is_below(&last, owner) {
            continue;
        }
        assert_eq!(owner, last, "the owner of an answer");
        let kinds = [asked.kind, CNAME, if asked.kind == ANY { HINFO } else { asked.kind }];
        assert!(kinds.contains(&record.kind), "{} for {}", record.kind, asked.kind);
        if record.kind == CNAME {
            last = reply.data(record).to_vec();
        }
    }
    last
}

/// Whether a name is another one, or below it.
fn is_within(name: &[u8], above: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > above.len() && rest[0] > 0 {
        rest = &rest[1 + usize::from(rest[0])..];
    }
    rest == above
}

fn is_below(name: &[u8], above: &[u8]) -> bool {
    name != above && is_within(name, above)
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
    /// How many octets those records take that the zone holds.
    pub fn held_len(&self) -> usize {
        let is_held = |record: &&wire::Record| match record.section {
            Section::Answer => true,
            Section::Authority => record.kind == NS,
            Section::Additional => record.kind != OPT,
        };
        self.records.iter().filter(is_held).map(|record| record.len).sum()
    }

    /// Owners, types and data of the answers and the authority.
    fn essence(&self) -> Vec<(&[u8], u16, u32, &[u8])> {
        let is_essential = |record: &&wire::Record| record.section != Section::Additional;
        let records = self.records.iter().filter(is_essential);
        records.map(|it| (self.owner(it), it.kind, it.ttl, self.data(it))).collect()
    }

    /// The same of records that nobody has asked for.
    pub fn additional_len(&self) -> usize {
        let additional = self.section(Section::Additional).filter(|record| record.kind != OPT);
        additional.map(|record| record.len).sum()
    }
}

/// Looks at the replies to one packet by UDP and by TCP together: TC only when there was no room for
/// what must be there, and otherwise the same, but for addresses that are sent along.
pub fn check_truncation(packet: &[u8], udp: (&Message, &[u8]), tcp: (&Message, &[u8])) {
    let Expected::Whole(asked) = expected(packet) else { return };
    // What only streams are told: two octets, behind a code and a length.
    let keepalive = asked.edns.as_ref().is_some_and(|edns| edns.keepalive);
    let whole_len = tcp.1.len() - if keepalive { 6 } else { 0 };
    let ((udp, udp_octets), (tcp, tcp_octets)) = (udp, tcp);
    let fits = whole_len <= asked.udp_limit();
    // What nobody has asked for is left out before something else is (RFC 2181 §9); the addresses of those
    // to whom is referred are needed.
    let is_referral = tcp.section(Section::Authority).any(|record| record.kind == NS);
    let needed_len = whole_len - tcp.additional_len();
    if !is_referral {
        let has_room = needed_len <= asked.udp_limit();
        assert_eq!(udp.is_truncated(), !has_room, "TC, and {needed_len} octets");
    }
    if udp.is_truncated() {
        assert!(!fits, "TC, and {whole_len} octets");
        assert!(udp.records.iter().all(|record| record.kind == OPT), "cut to the question");
        return;
    }
    assert_eq!(udp.essence(), tcp.essence(), "UDP and TCP");
    if !fits {
        let additional = |message: &Message| message.section(Section::Additional).count();
        assert!(additional(udp) < additional(tcp), "no TC, and {whole_len} octets");
    } else if !keepalive {
        assert_eq!(udp.meaning(udp_octets), tcp.meaning(tcp_octets), "UDP and TCP");
    }
}
