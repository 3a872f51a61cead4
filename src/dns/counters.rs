//! What the data plane counts. Labels are fixed sets; nothing from a packet becomes one.

use hickory_proto::op::ResponseCode;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::{DropCause, Reply, Transport};

const RCODES: [(ResponseCode, &str); 7] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::BADVERS, "BADVERS"),
];

/// Counters of questions and of packets without a reply, each looked up once.
pub struct Counters {
    udp: [IntCounter; RCODES.len()],
    tcp: [IntCounter; RCODES.len()],
    tls: [IntCounter; RCODES.len()],
    quic: [IntCounter; RCODES.len()],
    https: [IntCounter; RCODES.len()],
    dropped: [IntCounter; DropCause::ALL.len()],
}

impl Counters {
    /// Counters that `registry` will expose.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let queries = IntCounterVec::new(
            Opts::new("cutover_dns_queries_total", "Questions answered, by transport and RCODE."),
            &["transport", "rcode"],
        )?;
        let dropped = IntCounterVec::new(
            Opts::new("cutover_dns_dropped_total", "Packets without a reply, by cause."),
            &["cause"],
        )?;
        registry.register(Box::new(queries.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        let by = |transport: &str| {
            RCODES.each_ref().map(|(_, name)| queries.with_label_values(&[transport, name]))
        };
        Ok(Self {
            udp: by("udp"),
            tcp: by("tcp"),
            tls: by("tls"),
            quic: by("quic"),
            https: by("https"),
            dropped: DropCause::ALL.map(|cause| dropped.with_label_values(&[cause.name()])),
        })
    }

    pub(super) fn count(&self, reply: &Reply, transport: Transport) {
        match reply {
            Reply::Drop(cause) => {
                let at = DropCause::ALL.iter().position(|known| known == cause);
                if let Some(at) = at {
                    self.dropped[at].inc();
                }
            }
            Reply::Send(_, code) => {
                let by_rcode = match transport {
                    Transport::Udp => &self.udp,
                    Transport::Tcp => &self.tcp,
                    Transport::Tls => &self.tls,
                    Transport::Quic => &self.quic,
                    Transport::Https => &self.https,
                };
                let at = RCODES.iter().position(|(known, _)| known == code);
                if let Some(at) = at {
                    by_rcode[at].inc();
                }
            }
        }
    }
}
