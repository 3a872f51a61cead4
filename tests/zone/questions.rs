//! Questions by the ten thousand: names of the zone, below them, beside them, and with random labels.

use std::fmt;

/// Made from the zone's own names.
pub(crate) struct Questions {
    names: Vec<Vec<Vec<u8>>>,
}

pub(crate) struct Question {
    /// From the leaf on.
    labels: Vec<Vec<u8>>,
    pub(crate) kind: u16,
    recursion_desired: bool,
    /// The size of replies that are taken.
    edns: Option<u16>,
}

const KINDS: [u16; 25] = [
    1, 1, 1, 28, 2, 5, 6, 12, 13, 15, 16, 16, 29, 33, 35, 39, 39, 43, 44, 52, 64, 65, 255, 257,
    65_280,
];
const LABELS: [&[u8]; 14] = [
    b"a",
    b"b",
    b"x",
    b"*",
    b"host",
    b"ns",
    b"www",
    b"nothing",
    b"sub",
    b"target",
    b"dn",
    b"w",
    b"f",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}

impl Questions {
    /// The first word of each line is a name, or there is a blank.
    pub(crate) fn new(zone: &str) -> Self {
        let lines = zone.lines().filter(|line| !line.starts_with([' ', ';', '$', '\t']));
        let owners = lines.filter_map(|line| line.split_whitespace().next());
        let labels = |owner: &str| match owner {
            "@" => Vec::new(),
            "a\\.b" => vec![b"a.b".to_vec()],
            "sp\\032ace" => vec![b"sp ace".to_vec()],
            owner => owner.split('.').map(|label| label.as_bytes().to_vec()).collect(),
        };
        let mut names: Vec<_> = owners.map(labels).collect();
        names.dedup();
        Self { names }
    }

    pub(crate) fn question(&self, number: u64) -> Question {
        let mut chance = Chance(number.wrapping_mul(0xd134_2543_de82_ef95));
        let mut labels = self.names[chance.below(self.names.len())].clone();
        match chance.below(10) {
            0..=3 => {}
            4 if !labels.is_empty() => drop(labels.remove(0)),
            5 => labels.insert(0, random(&mut chance)),
            6 if !labels.is_empty() => labels[0] = LABELS[chance.below(LABELS.len())].to_vec(),
            _ => {
                for _ in 0..=chance.below(3) {
                    labels.insert(0, LABELS[chance.below(LABELS.len())].to_vec());
                }
            }
        }
        let apex: &[&[u8]] =
            if chance.below(200) == 0 { &[b"elsewhere", b"test"] } else { &[b"zone", b"test"] };
        labels.extend(apex.iter().map(|label| label.to_vec()));
        while labels.iter().map(|label| label.len() + 1).sum::<usize>() > 254 {
            labels.remove(0);
        }
        if chance.below(3) == 0 {
            labels.iter_mut().flatten().for_each(|octet| {
                if octet.is_ascii_alphabetic() && chance.below(2) == 0 {
                    *octet ^= 0x20;
                }
            });
        }
        Question {
            labels,
            kind: KINDS[chance.below(KINDS.len())],
            recursion_desired: chance.below(2) == 0,
            edns: (chance.below(2) == 0).then_some(1232),
        }
    }
}

fn random(chance: &mut Chance) -> Vec<u8> {
    (0..=chance.below(12))
        .map(|_| b"abcdefghijklmnopqrstuvwxyz0123456789-_"[chance.below(38)])
        .collect()
}

impl Question {
    pub(crate) fn packet(&self, id: u16) -> Vec<u8> {
        let mut packet = id.to_be_bytes().to_vec();
        packet.extend([
            self.recursion_desired.into(),
            0,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            self.edns.is_some().into(),
        ]);
        for label in &self.labels {
            packet.push(label.len() as u8);
            packet.extend(label);
        }
        packet.push(0);
        packet.extend(self.kind.to_be_bytes());
        packet.extend([0, 1]);
        if let Some(size) = self.edns {
            packet.extend([0, 0, 41]);
            packet.extend(size.to_be_bytes());
            packet.extend([0; 6]);
        }
        packet
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in &self.labels {
            write!(f, "{}.", String::from_utf8_lossy(label))?;
        }
        write!(f, " TYPE{} rd {} edns {:?}", self.kind, self.recursion_desired, self.edns)
    }
}

/// A question without EDNS.
pub(crate) fn packet(name: &str, kind: u16) -> Vec<u8> {
    let labels = name.split('.').map(|label| label.as_bytes().to_vec()).collect();
    Question { labels, kind, recursion_desired: false, edns: None }.packet(7)
}
