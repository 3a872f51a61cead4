//! Two paths, one truth: made-up packets by the hundred thousand through both, judged by a reader
//! that shares nothing with them.
//!
//! The packets are the same in each run; the number of one is its seed. For many more of them:
//! `CUTOVER_PACKETS=20000000 cargo test --release --test replies both_paths`.

use std::{ops::Range, panic::catch_unwind, thread};

use cutover::{
    dns::{Reply, Responder, Transport},
    table::Table,
};

use crate::{
    oracle::{self, Expected},
    wire::{Message, Section},
    zone,
};

/// So many that a run without optimisation takes some seconds.
const PACKETS: u64 = 60_000;
/// The octets of IP and UDP headers before a message.
const HEADERS_LEN: usize = 28;

/// What was seen of many packets.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    packets: u64,
    replies: u64,
    by_common_path: u64,
    common: u64,
    answers: u64,
    truncated: u64,
    bare: u64,
}

#[test]
fn both_paths_say_the_same() {
    let wanted = std::env::var("CUTOVER_PACKETS").ok();
    let count = wanted.map_or(PACKETS, |count| count.parse().expect("a number of packets"));
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let part = count.div_ceil(threads);
    let seen = thread::scope(|scope| {
        let start = |thread| scope.spawn(move || run(part * thread..part * (thread + 1)));
        let running: Vec<_> = (0..threads).map(start).collect();
        let ended = running.into_iter().map(|thread| thread.join().expect("both say the same"));
        ended.reduce(Seen::and).expect("at least one thread")
    });
    // There was something to see, on each path and of each kind.
    let Seen { packets, replies, by_common_path, common, answers, truncated, bare } = seen;
    assert!(packets >= count, "{seen:?}");
    assert!(replies > packets * 9 / 10 && common > packets / 4, "{seen:?}");
    assert!(by_common_path >= common - truncated && by_common_path < replies, "{seen:?}");
    assert!(answers > packets / 15 && truncated > packets / 200, "{seen:?}");
    assert!(bare > packets / 20, "{seen:?}");
}

impl Seen {
    fn and(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            replies: self.replies + other.replies,
            by_common_path: self.by_common_path + other.by_common_path,
            common: self.common + other.common,
            answers: self.answers + other.answers,
            truncated: self.truncated + other.truncated,
            bare: self.bare + other.bare,
        }
    }
}

fn run(numbers: Range<u64>) -> Seen {
    let (table, responder) = (zone::table(), zone::responder());
    let packets = zone::packets(&table, &responder);
    let mut seen = Seen::default();
    for number in numbers {
        let octets = packets.packet(&mut chance(number));
        let looked = catch_unwind(|| look(&table, &responder, &octets, number, seen));
        seen = looked.unwrap_or_else(|_| panic!("packet {number}: {octets:02x?}"));
    }
    seen
}

/// SplitMix64: numbers that depend on the seed and on nothing else.
fn chance(seed: u64) -> impl FnMut(u32) -> u32 {
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95);
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % u64::from(below.max(1))) as u32
    }
}

/// Looks at what becomes of one packet on both paths.
fn look(table: &Table, responder: &Responder, octets: &[u8], number: u64, seen: Seen) -> Seen {
    let transport = if number % 4 == 3 { Transport::Tcp } else { Transport::Udp };
    let is_udp = transport == Transport::Udp;
    let packet = zone::packet(octets, transport);
    let common = responder.reply_common(table, packet);
    let general = responder.reply_general(table, packet);
    let mut seen = Seen { packets: seen.packets + 1, ..seen };
    let Reply::Send(general, code) = general else {
        assert_eq!(common, None, "the common path has no silence");
        assert!(zone::SERVER.check(octets, is_udp, None).is_none());
        return seen;
    };
    let says = zone::SERVER.check(octets, is_udp, Some(&general)).expect("a message");
    assert_eq!(says.code(), u16::from(code), "the code that is counted");
    let is_common = match oracle::expected(octets) {
        Expected::Whole(asked) => asked.is_common() && !zone::is_composed(table, octets),
        _ => false,
    };
    if let Some(common) = &common {
        let Reply::Send(common, common_code) = common else { panic!("{common:?}") };
        assert_eq!(*common_code, code, "the code");
        let common_says = Message::read(common).expect("a message");
        assert_eq!(common_says.meaning(common), says.meaning(&general));
    } else if is_common {
        assert!(says.is_truncated(), "a common question on the general path");
    }
    let answers = says.section(Section::Answer).count();
    if is_udp && answers <= 2 && !zone::is_composed(table, octets) {
        let (asked, replied) = (octets.len() + HEADERS_LEN, general.len() + HEADERS_LEN);
        assert!(replied <= 3 * asked && general.len() <= 3 * octets.len(), "{replied} for {asked}");
    }
    seen.replies += 1;
    seen.common += u64::from(is_common);
    seen.by_common_path += u64::from(common.is_some());
    seen.answers += u64::from(answers > 0);
    seen.truncated += u64::from(says.is_truncated());
    seen.bare += u64::from(says.question.is_empty());
    seen
}
