//! What strangers send, and what must come of each: by RFC 1035, 6891, 7871, 7873 and 8906.

#![allow(unreachable_pub, reason = "a module of a test")]

use crate::oracle::{BADVERS, FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED};

/// The zone, in wire form.
pub const APEX: &[u8] = b"\x04zone\x04test\x00";
/// A service of it with two addresses.
pub const API: &[u8] = b"\x03api\x04zone\x04test\x00";
const IN: u16 = 1;
const A: u16 = 1;
const OPT: u16 = 41;

/// What must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Silence,
    Code(u16),
}
use Want::{Code, Silence};

/// A packet with a name.
#[derive(Clone, Debug)]
pub struct Case {
    pub what: String,
    pub packet: Vec<u8>,
    pub want: Want,
}

/// All of them.
pub fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    cases.headers();
    cases.cut();
    cases.counts();
    cases.names();
    cases.types_and_classes();
    cases.opt_records();
    cases.cookies();
    cases.subnets();
    cases.records();
    cases.0
}

/// A question, with ID 0 for the sender to fill in.
pub fn question(name: &[u8], kind: u16, class: u16) -> Vec<u8> {
    let header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header[..], name, &kind.to_be_bytes(), &class.to_be_bytes()].concat()
}

/// Adds a record to one of the sections 1 to 3.
fn with_record(
    mut packet: Vec<u8>,
    section: usize,
    owner: &[u8],
    kind: u16,
    data: &[u8],
) -> Vec<u8> {
    let low = 5 + 2 * section;
    packet[low] = packet[low].wrapping_add(1);
    packet[low - 1] += u8::from(packet[low] == 0);
    packet.extend(owner);
    packet.extend(kind.to_be_bytes());
    // As a class it is IN, as a payload size too small.
    packet.extend([0, 1, 0, 0, 0, 0]);
    packet.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    packet.extend(data);
    packet
}

/// A question with these EDNS options.
fn with_options(options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (code, option) in options {
        data.extend(code.to_be_bytes());
        data.extend(u16::try_from(option.len()).expect("short").to_be_bytes());
        data.extend_from_slice(option);
    }
    with_record(question(API, A, IN), 3, b"\0", OPT, &data)
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, what: impl Into<String>, packet: Vec<u8>, want: Want) {
        self.0.push(Case { what: what.into(), packet, want });
    }

    fn headers(&mut self) {
        for opcode in 0..16u8 {
            let mut packet = question(APEX, 6, IN);
            packet[2] = 0x80 | opcode << 3;
            self.add(format!("a response of opcode {opcode}"), packet.clone(), Silence);
            packet[2] &= 0x7f;
            let want = if opcode == 0 { NOERROR } else { NOTIMP };
            self.add(format!("opcode {opcode}"), packet.clone(), Code(want));
            // DSO and others have no question at all.
            packet.truncate(12);
            packet[5] = 0;
            let want = if opcode == 0 { FORMERR } else { NOTIMP };
            self.add(format!("opcode {opcode} and a header alone"), packet, Code(want));
        }
        for flags in 0..=255u8 {
            let mut packet = question(API, A, IN);
            packet[3] = flags;
            self.add(format!("RA, Z, AD, CD, RCODE: {flags:08b}"), packet, Code(NOERROR));
        }
        for flags in [1, 2, 4, 7] {
            let mut packet = question(API, A, IN);
            packet[2] = flags;
            self.add(format!("AA, TC, RD: {flags:03b}"), packet, Code(NOERROR));
        }
    }

    fn cut(&mut self) {
        let cookie = with_options(&[(3, b""), (10, b"clicooki")]);
        for packet in [question(API, A, IN), cookie] {
            for len in 0..packet.len() {
                let want = if len < 12 { Silence } else { Code(FORMERR) };
                self.add(format!("the first {len} octets"), packet[..len].to_vec(), want);
            }
        }
        for len in [0, 1, 11, 12, 13, 500, 1_200] {
            let want = if len < 12 { Silence } else { Code(FORMERR) };
            self.add(format!("{len} zeros"), vec![0; len], want);
            // QR is set.
            self.add(format!("{len} ones"), vec![0xff; len], Silence);
        }
    }

    fn counts(&mut self) {
        for count in [0, 2, 3, 255, 256, u16::MAX] {
            let mut packet = question(API, A, IN);
            packet[4..6].copy_from_slice(&count.to_be_bytes());
            self.add(format!("{count} questions announced"), packet, Code(FORMERR));
        }
        for (section, at) in [("answers", 6), ("authorities", 8), ("additionals", 10)] {
            for count in [1, 2, 255, 256, u16::MAX] {
                let mut packet = question(API, A, IN);
                packet[at..at + 2].copy_from_slice(&count.to_be_bytes());
                self.add(format!("{count} {section} announced"), packet, Code(FORMERR));
            }
        }
        let mut two = question(API, A, IN);
        let again = two[12..].to_vec();
        two.extend(again);
        self.add("octets behind the question", two.clone(), Code(NOERROR));
        two[5] = 2;
        self.add("two questions", two, Code(FORMERR));
    }

    fn names(&mut self) {
        for octet in 0x40..=0xff_u8 {
            let name = [&[octet, 12], APEX].concat();
            self.add(
                format!("a name that begins with {octet:#x}"),
                question(&name, A, IN),
                Code(FORMERR),
            );
        }
        let pointers: [(&str, &[u8]); 5] = [
            ("a name that points to itself", b"\xc0\x0c"),
            ("a name that points to the header", b"\xc0\x00"),
            ("a name that points ahead", b"\xc0\x10"),
            ("a label and a pointer back to it", b"\x01a\xc0\x0c"),
            ("half a pointer", b"\xc0"),
        ];
        for (what, name) in pointers {
            self.add(what, question(name, A, IN), Code(FORMERR));
        }
        self.add("a label beyond the end", question(b"\x3fab", A, IN), Code(FORMERR));
        for count in [1, 100, 122, 123, 200] {
            let name = [b"\x01a".repeat(count).as_slice(), APEX].concat();
            let want = if name.len() <= 255 { NXDOMAIN } else { FORMERR };
            self.add(format!("{count} labels in front"), question(&name, A, IN), Code(want));
        }
        for octet in 0..=255u8 {
            // Any octet may stand in a label (RFC 2181 §11), and none of these names is there.
            let name = [&[2, octet, b'-'], APEX].concat();
            self.add(format!("a label with {octet:#x}"), question(&name, A, IN), Code(NXDOMAIN));
        }
        let longest = [&[63][..], &[b'x'; 63], APEX].concat();
        self.add("the longest label", question(&longest, A, IN), Code(NXDOMAIN));
        for name in
            [&b"\0"[..], b"\x04test\0", b"\x05azone\x04test\0", b"\x04zone\x04test\x03com\0"]
        {
            self.add("a name that is not ours", question(name, A, IN), Code(REFUSED));
        }
    }

    fn types_and_classes(&mut self) {
        for kind in (0..=300).chain([32_768, 32_769, 65_280, 65_535]) {
            let want = match kind {
                OPT => FORMERR,
                // IXFR, AXFR.
                251 | 252 => REFUSED,
                // MAILB, MAILA.
                253 | 254 => NOTIMP,
                _ => NOERROR,
            };
            self.add(format!("type {kind}"), question(API, kind, IN), Code(want));
        }
        for class in [0, 2, 3, 4, 5, 254, 255, 256, 257, u16::MAX] {
            self.add(format!("class {class}"), question(API, A, class), Code(REFUSED));
        }
        let version = b"\x07version\x04bind\x00";
        self.add("version.bind", question(version, 16, 3), Code(REFUSED));
    }

    fn opt_records(&mut self) {
        let plain = || with_options(&[]);
        // From behind: length 2, flags 2, version, code, payload size 2.
        for version in 1..=255u8 {
            let mut packet = plain();
            let at = packet.len() - 5;
            packet[at] = version;
            self.add(format!("EDNS version {version}"), packet, Code(BADVERS));
        }
        for bit in 0..16 {
            let mut packet = plain();
            let at = packet.len() - 4 + bit / 8;
            packet[at] |= 1 << (bit % 8);
            self.add(format!("EDNS flag {bit}"), packet, Code(NOERROR));
        }
        for payload in [0, 1, 511, 512, 1232, 4096, u16::MAX] {
            let mut packet = plain();
            let at = packet.len() - 8;
            packet[at..at + 2].copy_from_slice(&payload.to_be_bytes());
            self.add(format!("a payload size of {payload}"), packet, Code(NOERROR));
        }
        for code in (0..=64).filter(|code| ![8, 10].contains(code)).chain([65_001, u16::MAX]) {
            for data in [&b""[..], &[0; 9]] {
                let what = format!("option {code} with {} octets", data.len());
                self.add(what, with_options(&[(code, data)]), Code(NOERROR));
            }
        }
        let many: Vec<(u16, &[u8])> = (0..250).map(|code| (1_000 + code, &b""[..])).collect();
        self.add("250 options", with_options(&many), Code(NOERROR));
        for (data, what) in
            [(&[0][..], "1 octet"), (&[0, 3, 0], "3 octets"), (&[0, 3, 0, 1], "a length beyond")]
        {
            let packet = with_record(question(API, A, IN), 3, b"\0", OPT, data);
            self.add(format!("an option of {what}"), packet, Code(FORMERR));
        }
        let two = with_record(plain(), 3, b"\0", OPT, b"");
        self.add("two OPT records", two, Code(FORMERR));
        for (section, owner) in [(1, &b"\0"[..]), (2, b"\0"), (3, b"\x01a\0"), (3, b"\xc0\x0c")] {
            let packet = with_record(question(API, A, IN), section, owner, OPT, b"");
            self.add(
                format!("an OPT record of {owner:?} in section {section}"),
                packet,
                Code(FORMERR),
            );
        }
        for wrong in [1, 255] {
            let mut packet = plain();
            *packet.last_mut().expect("octets") = wrong;
            self.add(
                format!("an OPT record with {wrong} octets that are not there"),
                packet,
                Code(FORMERR),
            );
        }
    }

    fn cookies(&mut self) {
        for len in 0..=64 {
            let want = if matches!(len, 8 | 16..=40) { NOERROR } else { FORMERR };
            let packet = with_options(&[(10, &vec![7; len])]);
            self.add(format!("a cookie of {len} octets"), packet, Code(want));
        }
        let twice = with_options(&[(10, b"clicooki"), (10, b"x")]);
        self.add("a second cookie that is none", twice, Code(NOERROR));
    }

    fn subnets(&mut self) {
        for family in 0..=3u8 {
            for prefix in [0, 1, 7, 8, 24, 32, 33, 56, 128, 129, 255] {
                let bits = match family {
                    1 => 32,
                    2 => 128,
                    _ => 0,
                };
                let is_good = matches!(family, 1 | 2) && prefix <= bits;
                let want = if is_good { NOERROR } else { FORMERR };
                let len = usize::from(prefix).div_ceil(8);
                let data = [&[0, family, prefix, 0], vec![0; len].as_slice()].concat();
                let what = format!("a subnet of family {family} and {prefix} bits");
                self.add(what.clone(), with_options(&[(8, &data)]), Code(want));
                let longer = [&data[..], &[0]].concat();
                self.add(
                    format!("{what}, an octet more"),
                    with_options(&[(8, &longer)]),
                    Code(FORMERR),
                );
            }
        }
        for data in [
            &b""[..],
            &[0],
            &[0, 1],
            &[0, 1, 0],
            &[0, 1, 24, 24, 1, 2, 3],
            &[0, 1, 20, 0, 1, 2, 0xff],
        ] {
            self.add(format!("a subnet of {data:?}"), with_options(&[(8, data)]), Code(FORMERR));
        }
    }

    fn records(&mut self) {
        for section in 1..=3 {
            for (kind, what) in [(250, "TSIG"), (24, "SIG(0)"), (6, "SOA"), (1, "A"), (249, "TKEY")]
            {
                for data in [&b""[..], &[0xff; 40]] {
                    let packet = with_record(question(API, A, IN), section, b"\0", kind, data);
                    self.add(
                        format!("a record of {what} in section {section}"),
                        packet,
                        Code(NOERROR),
                    );
                }
            }
            let mut packet = question(API, A, IN);
            for _ in 0..90 {
                packet = with_record(packet, section, b"\xc0\x0c", A, b"\x7f\0\0\x01");
            }
            self.add(format!("90 records in section {section}"), packet.clone(), Code(NOERROR));
            packet.pop();
            self.add(format!("almost 90 records in section {section}"), packet, Code(FORMERR));
        }
        let mut padded = question(API, A, IN);
        padded.resize(1_600, 0);
        self.add("1,600 octets", padded, Code(NOERROR));
    }
}
