//! What an answer of each type that a service can have costs, against A: in instructions where valgrind
//! is installed, and in time.
//!
//! What is the same on all lines of a table: the services, how many records the answer has, the client.
//! The cost is taken twice: from names to records in a buffer, as many at once as a UDP worker takes, and
//! from one packet to its reply. Beside each stand two ratios. The first is to A of the service. The second
//! is to A at a name with as many labels, of the same lengths: a longer name costs more whatever is asked
//! for, and those of SVCB and SRV are longer.
//!
//! As many records are to the disadvantage of the others, whose records are longer, and of SRV more than
//! that, because the addresses of its targets come on top. Of HTTPS there is one record; in it are as many
//! addresses, of either family.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{io::ErrorKind, net::Ipv6Addr, num::NonZeroU16, process::Command, time::Instant};

use cutover::{
    dns::{Reply, Responder, near},
    model::{Binding, DnsName, Endpoint, Kinds, SrvAnswers, SrvSetting, Weight},
    table::{Answer, LOOKUPS_MAX, Part, Question, ServiceRecords, Shares, Table},
};
use divan::black_box;
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::RecordType,
};

use super::{ASKED, NOW, QUESTIONS, TTL, asked, endpoint, filled, owner, packet, pool, responder};

/// How many services there are, unless it is said otherwise. Of more only the time is taken: the
/// instructions are the same.
const SERVICES: usize = 1_000;
/// How many records an answer has.
const RECORDS: [u8; 2] = [1, 3];
/// Turns of which the time is measured.
const TURNS: usize = 401;
/// Turns of which instructions are counted: the difference is that of the questions alone.
const FEW: usize = 1;
const MANY: usize = 11;
const MEASURES: [(&str, Measure); 2] =
    [("decide and write", decide), ("packet to reply", reply_to_packets)];
/// Callgrind counts a string instruction once for each octet; without them glibc uses loops.
const NO_STRING_INSTRUCTIONS: &str = "glibc.cpu.x86_rep_stosb_threshold=1000000000\
                                      :glibc.cpu.x86_rep_movsb_threshold=1000000000";

type Measure = fn(&World, &[Asked]);

/// A line: what is asked, and of which other line it says the same in A.
struct Line {
    what: &'static str,
    prefix: &'static str,
    kind: RecordType,
    like: usize,
}

const LINES: [Line; 8] = [
    Line { what: "A", prefix: "", kind: RecordType::A, like: 0 },
    Line { what: "AAAA", prefix: "", kind: RecordType::AAAA, like: 0 },
    Line { what: "HTTPS", prefix: "", kind: RecordType::HTTPS, like: 0 },
    Line { what: "TXT", prefix: "", kind: RecordType::TXT, like: 0 },
    Line { what: "SVCB", prefix: "_dns.", kind: RecordType::SVCB, like: 5 },
    Line { what: "A, name of SVCB", prefix: "adns.", kind: RecordType::A, like: 5 },
    Line { what: "SRV", prefix: "_http._tcp.", kind: RecordType::SRV, like: 7 },
    Line { what: "A, name of SRV", prefix: "ahttp.atcp.", kind: RecordType::A, like: 7 },
];

struct World {
    table: Table,
    responder: Responder,
}

/// A question, and the packet that asks it.
struct Asked {
    name: Vec<u8>,
    kind: u16,
    packet: Vec<u8>,
}

/// Compares, with so many services as the arguments say. With `count`, and what a [`Count`] is, it is what
/// is counted in.
pub(crate) fn compare(arguments: &mut impl Iterator<Item = String>) {
    let numbers: Vec<usize> = arguments.filter_map(|argument| argument.parse().ok()).collect();
    match *numbers {
        [services, records, line, measure, turns] => {
            let world = World::new(services, records as u8);
            let asked = world.asked(services, &LINES[line], QUESTIONS);
            (0..turns).for_each(|_| MEASURES[measure].1(&world, &asked));
        }
        _ => {
            let services = numbers.first().copied().unwrap_or(SERVICES);
            for records in RECORDS {
                of_records(services, records);
            }
        }
    }
}

fn of_records(services: usize, records: u8) {
    let world = World::new(services, records);
    let asked = LINES.each_ref().map(|line| world.asked(services, line, ASKED));
    for (at, (measure, run)) in MEASURES.into_iter().enumerate() {
        println!("\n{measure}, {services} services, records: {records}");
        println!("{:16} {:>6}   {:<20}   time", "", "octets", "instructions");
        let times = timed(&world, &asked, run);
        let counts = counted(services, records, at);
        for (at, line) in LINES.iter().enumerate() {
            let octets = world.reply(&asked[at][0].packet).len() - asked[at][0].packet.len();
            print!("{:16} {octets:6}   ", line.what);
            if let Some(counts) = &counts {
                let [first, like] = [0, line.like].map(|base| counts[at] / counts[base]);
                print!("{:<8.0} {first:5.2} {like:5.2} ", counts[at]);
            }
            let [first, like] = [0, line.like].map(|base| ratio(&times[at], &times[base]));
            println!("   {:4.0} ns {first:5.2} {like:5.2}", median(&times[at]));
        }
    }
}

/// The nanoseconds of each turn of each line, turn by turn: what befalls the machine befalls all of them.
fn timed(world: &World, asked: &[Vec<Asked>], run: Measure) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(TURNS); asked.len()];
    for turn in 0..TURNS {
        for (at, (times, asked)) in times.iter_mut().zip(asked).enumerate() {
            // Each asks other names than the one before, which has brought its names near.
            let turn = turn + at * ASKED / QUESTIONS / LINES.len();
            let asked = &asked[turn * QUESTIONS % ASKED..][..QUESTIONS];
            let begun = Instant::now();
            run(world, asked);
            times.push(begun.elapsed().as_nanos() as f64 / asked.len() as f64);
        }
    }
    times
}

fn ratio(times: &[f64], others: &[f64]) -> f64 {
    median(&times.iter().zip(others).map(|(time, other)| time / other).collect::<Vec<_>>())
}

fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The instructions of an answer on each line, if valgrind is there to count them.
fn counted(services: usize, records: u8, measure: usize) -> Option<Vec<f64>> {
    if services > SERVICES {
        return None;
    }
    let count = |line: usize| {
        let [few, many] = [FEW, MANY].map(|turns| {
            collected(&[services, records.into(), line, measure, turns].map(|it| it.to_string()))
        });
        Some((many? - few?) as f64 / ((MANY - FEW) * QUESTIONS) as f64)
    };
    (0..LINES.len()).map(count).collect()
}

/// How many instructions this program takes with these arguments.
fn collected(arguments: &[String]) -> Option<u64> {
    let program = std::env::current_exe().expect("it runs");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.env("GLIBC_TUNABLES", NO_STRING_INSTRUCTIONS);
    let output = match valgrind.arg(program).arg("kinds").args(arguments).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        output => output.expect("valgrind runs"),
    };
    let report = String::from_utf8_lossy(&output.stderr);
    let line = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.unwrap_or_else(|| panic!("{report}"));
    Some(count.trim().parse().expect("a number"))
}

/// As UDP workers do it: all that is looked up together is decided, and then written.
#[inline(never)]
fn decide(world: &World, asked: &[Asked]) {
    let mut buffer = [0; 1_232];
    for asked in asked.chunks(LOOKUPS_MAX) {
        let mut questions = [asked[0].question(); LOOKUPS_MAX];
        for (question_at, asked) in questions.iter_mut().zip(asked) {
            *question_at = asked.question();
        }
        let mut answers = [Answer::Refused; LOOKUPS_MAX];
        let questions = &questions[..asked.len()];
        world.table.answers(questions, NOW, near, || 0, |at, answer| answers[at] = answer);
        for answer in &answers[..asked.len()] {
            let Answer::Records(records) = answer else { panic!("{answer:?}") };
            black_box(records.write(&mut buffer));
            black_box(&mut buffer);
        }
    }
}

#[inline(never)]
fn reply_to_packets(world: &World, asked: &[Asked]) {
    for asked in asked {
        black_box(world.reply(&asked.packet));
    }
}

impl Asked {
    fn question(&self) -> Question<'_> {
        Question { kind: self.kind, ..super::question(&self.name) }
    }
}

impl World {
    fn new(services: usize, records: u8) -> Self {
        let all = (0..services).flat_map(|number| all_kinds(number, records));
        Self { table: filled(all.collect()), responder: responder() }
    }

    fn reply(&self, octets: &[u8]) -> Vec<u8> {
        match self.responder.reply_common(&self.table, packet(octets)) {
            Some(Reply::Send(reply, _)) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// What a turn asks on a line, which has all its answers.
    fn asked(&self, services: usize, line: &Line, questions: usize) -> Vec<Asked> {
        let ask = |service: DnsName| {
            let name: DnsName = format!("{}{service}", line.prefix).parse().expect("a name");
            let packet = query(&name, line.kind);
            Asked { name: name.wire().to_vec(), kind: line.kind.into(), packet }
        };
        asked(services).into_iter().take(questions).map(ask).collect()
    }
}

/// Service `number`, with so many addresses of either family, of which those of IPv4 have a port and so
/// are targets, and with as many texts and bindings; and A alone at names as long as those below it.
fn all_kinds(number: usize, records: u8) -> Vec<(DnsName, ServiceRecords)> {
    let owner = owner(number);
    let v4 = || (1..=records).map(|last| endpoint(1, last));
    let v6 = |last: u8| {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into());
        Endpoint::new(address.into(), Weight::ONE).expect("an address")
    };
    let port = NonZeroU16::new(8443);
    let targets = v4().map(|endpoint| endpoint.on_port(port));
    let endpoints: Vec<Endpoint> = targets.chain((1..=records).map(v6)).collect();
    let binding = Binding { alpn: vec!["h2".parse().expect("a protocol")], ..Binding::default() };
    let bare = |number| {
        let priority = NonZeroU16::new(number).expect("not 0");
        (prefix("_dns"), Binding { priority, hints: false, ..binding.clone() })
    };
    let text = || "v=spf1 ip4:192.0.2.0/24 -all".parse().expect("a text");
    let srv = SrvSetting { prefix: prefix("_http._tcp"), priority: 0, answers: SrvAnswers::All };
    let kinds = Kinds {
        https: Some(binding.clone()),
        svcb: (1..=records.into()).map(bare).collect(),
        txt: (0..records).map(|_| text()).collect(),
        srv: vec![srv],
        ..Kinds::default()
    };
    let parts = [Part::new(pool(0), TTL, &endpoints)];
    let all = ServiceRecords::all(&owner, &kinds, &Shares::new(&parts), |_| None);
    let alone = ["adns", "ahttp.atcp"].map(|prefix| {
        let name = DnsName::within(prefix, &owner).expect("a name");
        let endpoints: Vec<Endpoint> = v4().collect();
        let parts = [Part::new(pool(0), TTL, &endpoints)];
        let records = ServiceRecords::new(&name, &Shares::new(&parts));
        (name, records)
    });
    all.into_iter().chain(alone).collect()
}

fn prefix(text: &str) -> cutover::model::Prefix {
    text.parse().expect("a prefix")
}

/// With room for records of any type.
fn query(name: &DnsName, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(cutover::table::to_hickory(name), kind));
    message.edns.get_or_insert_with(Edns::new).set_max_payload(1_232);
    message.to_vec().expect("encoded")
}
