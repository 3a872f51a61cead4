//! What the targets share: a server without sockets, and what is demanded of it for each packet.
//!
//! Read [`Stage`] first. The judge is [`oracle`], with a reader of its own; [`packets`] makes up
//! packets from a fuzzer's octets; [`allocator`] counts what a reply allocates. The tests of the
//! crate use the same files.

pub mod allocator;
#[path = "../../common/oracle.rs"]
pub mod oracle;
#[path = "../../common/packets.rs"]
pub mod packets;
#[path = "../../common/wire.rs"]
pub mod wire;
#[path = "../../common/zone.rs"]
pub mod zone;

use std::sync::LazyLock;

use cutover::{
    dns::{Reply, Responder, Transport},
    table::Table,
};

use allocator::measured;
use packets::Packets;
use wire::Message;

/// What one packet may make us allocate, in octets: all together, so at once too.
const ALLOCATED_MAX: usize = 64 << 10;

/// By UDP, and every other packet by TCP too.
fn transports(packet: &[u8]) -> &'static [Transport] {
    let by_tcp = packet.get(1).is_some_and(|low| low & 2 != 0);
    if by_tcp { &[Transport::Udp, Transport::Tcp] } else { &[Transport::Udp] }
}

/// The one server of a target.
pub static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);

/// A server without sockets.
pub struct Stage {
    table: Table,
    responder: Responder,
    packets: Packets,
}

impl Stage {
    fn new() -> Self {
        let (table, responder) = (zone::table(), zone::responder());
        let packets = zone::packets(&table, &responder);
        Self { table, responder, packets }
    }

    /// The packet that these octets choose.
    pub fn packet(&self, choices: &[u8]) -> Vec<u8> {
        let mut choices = choices.iter().map(|octet| u32::from(*octet));
        let mut next = || choices.next().unwrap_or(0);
        self.packets.packet(&mut |below| match below {
            0..=0x100 => next() % below.max(1),
            _ => (next() << 8 | next()) % below,
        })
    }

    /// Looks at the replies to a packet.
    pub fn check_replies(&self, octets: &[u8]) {
        let mut seen: Option<(Message, Vec<u8>)> = None;
        for transport in transports(octets) {
            let packet = zone::packet(octets, *transport);
            let (reply, allocated) = measured(|| self.responder.reply(&self.table, packet));
            assert!(allocated <= ALLOCATED_MAX, "{allocated} octets for {}", octets.len());
            let is_udp = *transport == Transport::Udp;
            let Reply::Send(reply, code) = reply else {
                zone::SERVER.check(octets, is_udp, None);
                continue;
            };
            let message = zone::SERVER.check(octets, is_udp, Some(&reply)).expect("a reply");
            assert_eq!(message.code(), u16::from(code), "the code that is counted");
            if let Some((udp, udp_octets)) = &seen {
                oracle::check_truncation(octets, (udp, udp_octets), (&message, &reply));
            }
            seen = Some((message, reply));
        }
    }

    /// Looks whether both paths say the same.
    pub fn check_paths(&self, octets: &[u8]) {
        for transport in transports(octets) {
            let transport = *transport;
            let packet = zone::packet(octets, transport);
            let common = self.responder.reply_common(&self.table, packet);
            let Some(common) = common else {
                self.check_uncommon(octets, transport);
                continue;
            };
            let general = self.responder.reply_general(&self.table, packet);
            let (Reply::Send(common, common_code), Reply::Send(general, general_code)) =
                (&common, &general)
            else {
                panic!("a reply on one path alone: {common:?}, {general:?}")
            };
            assert_eq!(common_code, general_code, "the code");
            let read = |octets| Message::read(octets).expect("a message");
            let (common_says, general_says) = (read(common), read(general));
            assert_eq!(common_says.meaning(common), general_says.meaning(general), "the meaning");
        }
    }

    /// A common question takes the common path, unless its answer has to be cut.
    fn check_uncommon(&self, octets: &[u8], transport: Transport) {
        let oracle::Expected::Whole(asked) = oracle::expected(octets) else { return };
        if !asked.is_common() || zone::is_composed(&self.table, octets) {
            return;
        }
        let reply = self.responder.reply_general(&self.table, zone::packet(octets, transport));
        let Reply::Send(reply, _) = reply else { panic!("{reply:?}") };
        let message = Message::read(&reply).expect("a message");
        assert!(message.is_truncated(), "a common question on the general path");
    }
}
