//! What the counters and the response rate limit see of real datagrams and streams.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use cutover::{
    dns::{Clock, Counters, Listener, Plane, Responder, Serving},
    model::{CookieSecrets, RrlSettings},
};
use domain::base::Rtype;
use prometheus::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::{Query, Seen, edns::with_options, query, seen, table};

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// One worker on a free port, with limits.
struct Limited {
    address: SocketAddr,
    registry: Registry,
    _serving: Serving,
}

impl Limited {
    fn start(rrl: RrlSettings) -> Self {
        let registry = Registry::new();
        let plane = Arc::new(Plane {
            store: Arc::new(ArcSwap::from_pointee(table())),
            responder: Responder::new(CookieSecrets::random([7; 16]), None),
            rrl,
            counters: Counters::register(&registry).expect("new names"),
            clock: Clock::start(),
        });
        let listeners = Listener::bind(([127, 0, 0, 1], 0).into(), 1).expect("a free port");
        let address = listeners[0].local_addr().expect("an address");
        let serving = Serving::start(listeners.into(), 1, &plane).expect("threads");
        Self { address, registry, _serving: serving }
    }

    /// A client at an address of loopback.
    async fn client(&self, ip: [u8; 4]) -> UdpSocket {
        let socket = UdpSocket::bind(SocketAddr::from((ip, 0))).await.expect("a free port");
        socket.connect(self.address).await.expect("connected");
        socket
    }

    /// The sum over the samples of a counter with this label value.
    fn counted(&self, family: &str, value: &str) -> u64 {
        let families = self.registry.gather();
        let found = families.iter().find(|known| known.name() == family).expect("the family");
        let has = |metric: &&prometheus::proto::Metric| {
            value.is_empty() || metric.get_label().iter().any(|label| label.value() == value)
        };
        let metrics = found.get_metric().iter().filter(has);
        metrics.map(|metric| metric.get_counter().get_value() as u64).sum()
    }

    /// Sends so many questions, waits until all of them have been seen to, and takes the replies.
    async fn flood(&self, client: &UdpSocket, packet: &[u8], count: u64) -> Vec<Vec<u8>> {
        let seen_to = || {
            self.counted("cutover_dns_queries_total", "udp")
                + self.counted("cutover_dns_dropped_total", "limited")
        };
        let before = seen_to();
        for sent in 1..=count {
            client.send(packet).await.expect("sent");
            while seen_to() < before + sent {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let mut replies = Vec::new();
        let mut buffer = [0; 1500];
        // What was sent before it was counted is there; one that comes late is not missed for
        // ever, because each was counted before the next was asked for.
        while let Ok(received) =
            tokio::time::timeout(Duration::from_millis(100), client.recv(&mut buffer)).await
        {
            replies.push(buffer[..received.expect("received")].to_vec());
        }
        replies
    }
}

/// One answer a second to each network, and no more at once.
fn one_a_second() -> RrlSettings {
    RrlSettings {
        responses_per_second: 1,
        window: Duration::from_secs(1),
        ..RrlSettings::default()
    }
}

fn whole(replies: &[Vec<u8>]) -> usize {
    replies.iter().filter(|octets| !seen(octets).answer.is_empty()).count()
}

async fn by_tcp(address: SocketAddr, asked: &Query) -> Seen {
    let packet = asked.packet();
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let len = u16::try_from(packet.len()).expect("short");
    stream.write_all(&[&len.to_be_bytes(), packet.as_slice()].concat()).await.expect("sent");
    let len = stream.read_u16().await.expect("a length");
    let mut octets = vec![0; usize::from(len)];
    stream.read_exact(&mut octets).await.expect("a message");
    seen(&octets)
}

#[tokio::test]
async fn a_flooded_network_is_sent_no_more_than_it_sends() {
    let server = Limited::start(one_a_second());
    let flooder = server.client([127, 0, 7, 1]).await;
    let packet = query("api", Rtype::A).packet();
    let replies = server.flood(&flooder, &packet, 40).await;
    let (sent, received) = (40 * packet.len(), replies.iter().map(Vec::len).sum::<usize>());
    assert!(received <= sent, "{received} octets for {sent}");
    let cut: Vec<_> = replies.iter().map(|octets| seen(octets)).filter(|r| r.header.tc()).collect();
    assert!(!cut.is_empty() && cut.iter().all(|reply| reply.answer.is_empty()));
    assert_eq!(whole(&replies) + cut.len(), replies.len());
    let limited = |action| server.counted("cutover_dns_rate_limited_total", action);
    assert_eq!(limited("truncated"), cut.len() as u64);
    assert_eq!(limited("truncated") + limited("dropped"), 40 - whole(&replies) as u64);
    // A client of that network gets its answer by TCP, and one elsewhere by UDP.
    assert_eq!(by_tcp(server.address, &query("api", Rtype::A)).await.answer.len(), 2);
    let elsewhere = server.client([127, 0, 8, 1]).await;
    assert_eq!(whole(&server.flood(&elsewhere, &packet, 1).await), 1);
}

#[tokio::test]
async fn a_cookie_gets_through() {
    let server = Limited::start(one_a_second());
    let client = server.client([127, 0, 7, 1]).await;
    let asking = with_options("api", &[(10, b"clicooki")]);
    let replies = server.flood(&client, &asking, 5).await;
    // Every reply brings the cookie, the truncated ones too.
    let cookie = seen(replies.last().expect("a reply")).opt.expect("OPT").options.remove(0).1;
    let replies = server.flood(&client, &with_options("api", &[(10, &cookie)]), 20).await;
    assert_eq!(whole(&replies), 20);
    // Of another address it is worth nothing.
    let thief = server.client([127, 0, 7, 2]).await;
    let replies = server.flood(&thief, &with_options("api", &[(10, &cookie)]), 10).await;
    assert_eq!(whole(&replies), 0);
    assert_eq!(server.counted("cutover_dns_cookies_total", "valid"), 20);
    let states = ["client", "invalid"].map(|s| server.counted("cutover_dns_cookies_total", s));
    assert!(states[0] > 0, "{states:?}");
}

#[tokio::test]
async fn log_only_and_off_limit_nothing() {
    let packet = query("api", Rtype::A).packet();
    let server = Limited::start(RrlSettings { log_only: true, ..one_a_second() });
    let client = server.client([127, 0, 7, 1]).await;
    assert_eq!(whole(&server.flood(&client, &packet, 10).await), 10);
    let found = server.counted("cutover_dns_rate_limited_total", "");
    assert!((8..=9).contains(&found), "{found} of 10 would have been limited");
    let server = Limited::start(RrlSettings { enabled: false, ..one_a_second() });
    let client = server.client([127, 0, 7, 1]).await;
    assert_eq!(whole(&server.flood(&client, &packet, 10).await), 10);
    assert_eq!(server.counted("cutover_dns_rate_limited_total", ""), 0);
}

#[tokio::test]
async fn everything_is_counted_where_it_belongs() {
    let server = Limited::start(RrlSettings::default());
    let client = server.client([127, 0, 0, 1]).await;
    for (name, kind) in [("api", Rtype::A), ("api", Rtype::MX), ("nothing", Rtype::A)] {
        server.flood(&client, &query(name, kind).packet(), 1).await;
    }
    // Too long for a datagram, and answered on the general path.
    let cut = server.flood(&client, &query("n100", Rtype::A).packet(), 1).await;
    assert!(seen(&cut[0]).header.tc());
    by_tcp(server.address, &query("n100", Rtype::A)).await;
    client.send(&[0; 3]).await.expect("sent");
    while server.counted("cutover_dns_dropped_total", "short") == 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let counted = |family: &str, value: &str| server.counted(&format!("cutover_{family}"), value);
    assert_eq!(counted("dns_queries_total", "udp"), 4);
    assert_eq!(counted("dns_queries_total", "tcp"), 1);
    assert_eq!(counted("dns_queries_total", "NXDOMAIN"), 1);
    assert_eq!(counted("dns_truncated_total", ""), 1);
    // The truncated one and the short one.
    assert_eq!(counted("dns_general_path_total", ""), 2);
    assert_eq!(counted("dns_batches_total", "1"), 5);
    assert_eq!(counted("dns_connections_accepted_total", ""), 1);
}
