//! Makes up packets: questions as resolvers send them, and everything that can be wrong with one.
//!
//! Chance comes from outside, one number for each decision, so a seed or a fuzzer's octets tell
//! all about a packet. The first choice is mostly the usual one: a packet that is odd in every way
//! is refused for the first of them.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "tests and fuzz targets each use their own part of it"
)]

use super::zone::{APEX, NAMES};

/// Gives a number below the one given.
pub type Chance<'c> = &'c mut dyn FnMut(u32) -> u32;

/// A and AAAA as often as all others together, and of those SRV and HTTPS most often.
const TYPES: [u16; 40] = [
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 28, 28, 28, 255, 6, 2, 16, 16, 15, 33, 33, 33, 257, 65,
    65, 5, 13, 12, 64, 43, 41, 251, 252, 253, 250, 128, 1,
];
const CLASSES: [u16; 5] = [3, 4, 254, 255, 0];
const PAYLOADS: [u16; 9] = [1232, 4096, 512, 0, 511, 513, 1231, 1233, u16::MAX];
/// NSID, client subnet, cookie, keepalive; then those that nobody here knows.
const OPTIONS: [u16; 12] = [10, 8, 3, 11, 12, 15, 9, 5, 14, 0, 65_001, u16::MAX];

/// Makes packets for one server.
pub struct Packets {
    /// A COOKIE option that the server believes.
    pub cookie: [u8; 24],
}

/// Whether something happens that does once in `times`.
fn seldom(chance: Chance<'_>, times: u32) -> bool {
    chance(times) == times - 1
}

fn pick<T: Copy>(chance: Chance<'_>, of: &[T]) -> T {
    of[chance(of.len() as u32) as usize]
}

fn octets(chance: Chance<'_>, len_max: u32, out: &mut Vec<u8>) {
    for _ in 0..chance(len_max + 1) {
        out.push(chance(256) as u8);
    }
}

fn u16_of(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}

impl Packets {
    /// One packet.
    pub fn packet(&self, chance: Chance<'_>) -> Vec<u8> {
        let mut packet = header(chance);
        name(chance, &mut packet);
        let kind = if seldom(chance, 8) { chance(0x1_0000) as u16 } else { pick(chance, &TYPES) };
        packet.extend(kind.to_be_bytes());
        let class = if seldom(chance, 16) { pick(chance, &CLASSES) } else { 1 };
        packet.extend(class.to_be_bytes());
        for section in 1..4 {
            if seldom(chance, 24) {
                record(chance, section, &mut packet);
            }
        }
        if chance(3) > 0 {
            self.opt(chance, &mut packet);
            if seldom(chance, 48) {
                self.opt(chance, &mut packet);
            }
            if seldom(chance, 32) {
                record(chance, 3, &mut packet);
            }
        }
        if seldom(chance, 32) {
            octets(chance, 40, &mut packet);
        }
        if seldom(chance, 8) {
            spoil(chance, &mut packet);
        }
        packet
    }

    fn opt(&self, chance: Chance<'_>, packet: &mut Vec<u8>) {
        let mut options = Vec::new();
        for _ in 0..chance(5) {
            self.option(chance, &mut options);
        }
        if seldom(chance, 64) {
            octets(chance, 6, &mut options);
        }
        let owner = if seldom(chance, 64) { &b"\x01x\x00"[..] } else { b"\x00" };
        packet.extend(owner);
        packet.extend([0, 41]);
        packet.extend(pick(chance, &PAYLOADS).to_be_bytes());
        let code_high = if seldom(chance, 32) { chance(256) as u8 } else { 0 };
        let version = if seldom(chance, 24) { chance(256) as u8 } else { 0 };
        packet.extend([code_high, version, (chance(2) as u8) << 7, 0]);
        if seldom(chance, 32) {
            let flags = packet.len() - 2;
            packet[flags] = chance(256) as u8;
            packet[flags + 1] = chance(256) as u8;
        }
        let wrong = if seldom(chance, 64) { chance(9) as usize } else { 0 };
        packet.extend(u16_of(options.len() + wrong));
        packet.extend(options);
        count(packet, 3);
    }

    fn option(&self, chance: Chance<'_>, options: &mut Vec<u8>) {
        let code = pick(chance, &OPTIONS);
        let mut data = Vec::new();
        match code {
            _ if seldom(chance, 24) => octets(chance, 48, &mut data),
            10 => self.cookie(chance, &mut data),
            8 => subnet(chance, &mut data),
            3 | 11 if !seldom(chance, 8) => {}
            _ => octets(chance, 12, &mut data),
        }
        options.extend(code.to_be_bytes());
        let wrong = if seldom(chance, 64) { chance(9) as usize } else { 0 };
        options.extend(u16_of(data.len() + wrong));
        options.extend(data);
    }

    fn cookie(&self, chance: Chance<'_>, data: &mut Vec<u8>) {
        data.extend(self.cookie);
        match chance(4) {
            0 => {}
            1 => data.truncate(8),
            2 => {
                let at = chance(24) as usize;
                data[at] ^= 1 << chance(8);
            }
            _ => {
                data.truncate(8);
                octets(chance, 36, data);
            }
        }
    }
}

/// A header with one question; RD is a coin, and other flags are seldom.
fn header(chance: Chance<'_>) -> Vec<u8> {
    let mut header = vec![chance(256) as u8, chance(256) as u8, chance(2) as u8, 0];
    if seldom(chance, 8) {
        header[3] = pick(chance, &[0x10, 0x20, 0x30, 0x40, 0x80, 0x0f, 0xff]);
    }
    if seldom(chance, 24) {
        header[2] = chance(256) as u8;
    }
    header.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    if seldom(chance, 64) {
        let at = 4 + chance(8) as usize;
        header[at] = chance(4) as u8;
    }
    header
}

/// Counts one more record in a section.
fn count(packet: &mut [u8], section: usize) {
    let low = 5 + 2 * section;
    packet[low] = packet[low].wrapping_add(1);
}

/// The name of a question.
fn name(chance: Chance<'_>, packet: &mut Vec<u8>) {
    let begin = packet.len();
    match chance(16) {
        0..=10 => packet.extend(pick(chance, &NAMES)),
        11 => packet.extend(b"\x07nothing"),
        12 => {
            packet.extend(b"\x01x");
            packet.extend(pick(chance, &NAMES));
        }
        13 => labels(chance, 4, 12, packet),
        14 => labels(chance, 6, 63, packet),
        _ => {
            packet.extend(pick(chance, &[&b"\x00"[..], b"\x04test\x00", b"\x01a\x01b\x00"]));
            return;
        }
    }
    packet.extend(if seldom(chance, 24) { &b"\x03com\x00"[..] } else { APEX });
    if chance(2) > 0 {
        for octet in &mut packet[begin..] {
            if octet.is_ascii_alphabetic() && chance(2) > 0 {
                *octet ^= 0x20;
            }
        }
    }
}

fn labels(chance: Chance<'_>, count_max: u32, len_max: u32, packet: &mut Vec<u8>) {
    for _ in 0..chance(count_max) {
        let len = 1 + chance(len_max);
        packet.push(len as u8);
        let any = seldom(chance, 8);
        let letter = b'a' + chance(26) as u8;
        for _ in 0..len {
            packet.push(if any { chance(256) as u8 } else { letter });
        }
    }
}

/// A record that no question needs.
fn record(chance: Chance<'_>, section: usize, packet: &mut Vec<u8>) {
    let owner = pick(chance, &[&b"\x00"[..], b"\xc0\x0c", b"\x01a\x00", b"\xc0\xff", b"\x80"]);
    packet.extend(owner);
    // A, SOA, TXT, OPT, TSIG, SIG, NS, one that is none.
    packet.extend(pick(chance, &[1u16, 6, 16, 41, 250, 24, 2, 65_280]).to_be_bytes());
    packet.extend([0, 1, 0, 0, 0, 60]);
    let mut data = Vec::new();
    octets(chance, 24, &mut data);
    packet.extend(u16_of(data.len()));
    packet.extend(data);
    count(packet, section);
}

/// RFC 7871.
fn subnet(chance: Chance<'_>, data: &mut Vec<u8>) {
    let (family, bits) = pick(chance, &[(1, 32), (2, 128)]);
    let prefix = chance(bits + 1);
    let address_len = prefix.div_ceil(8) as usize;
    data.extend([0, family, prefix as u8, 0]);
    for _ in 0..address_len {
        data.push(chance(256) as u8);
    }
    if let (Some(last), true) = (data.last_mut(), !prefix.is_multiple_of(8)) {
        *last &= 0xff << (8 - prefix % 8);
    }
    if seldom(chance, 8) {
        let at = chance(data.len() as u32) as usize;
        data[at] = chance(256) as u8;
    }
}

/// Some octets changed, or the end cut off, or a part repeated.
fn spoil(chance: Chance<'_>, packet: &mut Vec<u8>) {
    for _ in 0..=chance(4) {
        let at = chance(packet.len() as u32) as usize;
        match chance(4) {
            0 => packet[at] = chance(256) as u8,
            1 => packet[at] ^= 1 << chance(8),
            2 => packet.truncate(at.max(1)),
            _ => packet.extend_from_within(at..),
        }
    }
}
