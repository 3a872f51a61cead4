//! The addresses of a name, by the resolvers that look it up for us.

use std::net::SocketAddr;

use super::{By, Question, ask};
use crate::{
    model::{DnsName, Family, Resolution},
    table::to_hickory,
    target::{Trouble, read, record_type, refuse_own},
};

/// Asks one resolver after the other, until one knows. If none does, what is told is why the first one
/// did not. Each may take as long as two questions by [`ask`], which are asked at once.
pub async fn look_up(
    servers: &[SocketAddr],
    name: &DnsName,
    own: &[DnsName],
) -> Result<Resolution, Trouble> {
    refuse_own(name, own)?;
    let mut first = None;
    for server in servers {
        match look_up_at(*server, name, own).await {
            Err(trouble) if !trouble.is_definite() => drop(first.get_or_insert(trouble)),
            known => return known,
        }
    }
    Err(first.unwrap_or(Trouble::NoResolver))
}

/// Both questions are asked of the same one: what two of them know need not go together.
async fn look_up_at(
    server: SocketAddr,
    name: &DnsName,
    own: &[DnsName],
) -> Result<Resolution, Trouble> {
    let [v4, v6] = Family::ALL;
    let question =
        |family| Question { name: to_hickory(name), kind: record_type(family), recursion: true };
    let (a, aaaa) = (question(v4), question(v6));
    let silent = |family, why| Err(Trouble::Silent { server, family, why });
    match tokio::join!(ask(server, &a, By::Either), ask(server, &aaaa, By::Either)) {
        (Ok(a), Ok(aaaa)) => read(name, own, [&a.message, &aaaa.message]),
        (Err(why), Err(_)) => silent(None, why),
        (Err(why), Ok(_)) => silent(Some(v4), why),
        (Ok(_), Err(why)) => silent(Some(v6), why),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use hickory_proto::{
        op::{Message, MessageType, ResponseCode},
        rr::{RData, Record, RecordType},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, UdpSocket},
    };

    use super::*;

    fn target() -> DnsName {
        "lb.cloud.example".parse().expect("a name")
    }

    /// What a resolver says to a question, which asks it to ask others.
    fn replied(octets: &[u8], code: ResponseCode, addresses: &[&str]) -> Message {
        let mut message = Message::from_vec(octets).expect("a question");
        assert!(message.metadata.recursion_desired);
        message.metadata.message_type = MessageType::Response;
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        let kind = message.queries[0].query_type;
        for address in addresses.iter().filter(|it| (kind == RecordType::AAAA) == it.contains(':'))
        {
            let data = RData::try_from_str(kind, address).expect("an address");
            message.add_answer(Record::from_rdata(to_hickory(&target()), 60, data));
        }
        message
    }

    /// A resolver, and how often it was asked.
    async fn resolver(
        code: ResponseCode,
        addresses: &'static [&'static str],
    ) -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let (at, asked) = (socket.local_addr().expect("bound"), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::Relaxed);
                let reply = replied(&buffer[..len], code, addresses).to_vec().expect("a message");
                socket.send_to(&reply, from).await.expect("sent");
            }
        });
        (at, asked)
    }

    /// Where nobody listens.
    async fn nobody() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        socket.local_addr().expect("bound")
    }

    #[tokio::test]
    async fn addresses_of_both_families_come_from_the_first_resolver_that_knows() {
        let (refuses, _) = resolver(ResponseCode::Refused, &[]).await;
        let (knows, asked) = resolver(ResponseCode::NoError, &["192.0.2.1", "2001:db8::1"]).await;
        let servers = [nobody().await, refuses, knows, refuses];
        let found = look_up(&servers, &target(), &[]).await.expect("addresses");
        let shown: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
        assert_eq!((shown.join(" ").as_str(), found.ttl.secs()), ("192.0.2.1 2001:db8::1", 60));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_a_resolver_says_of_the_name_is_believed() {
        let (denies, _) = resolver(ResponseCode::NXDomain, &[]).await;
        let (knows, asked) = resolver(ResponseCode::NoError, &["192.0.2.1"]).await;
        let trouble = look_up(&[denies, knows], &target(), &[]).await.expect_err("no such name");
        assert_eq!(trouble, Trouble::NoSuchName { end: None, family: None });
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn when_none_knows_the_first_is_told_of() {
        let (fails, _) = resolver(ResponseCode::ServFail, &[]).await;
        let nobody = nobody().await;
        let say = async |servers: &[SocketAddr]| {
            look_up(servers, &target(), &[]).await.expect_err("nothing").to_string()
        };
        assert_eq!(say(&[fails, nobody]).await, "the resolver says SERVFAIL");
        let sentence = format!(
            "the resolver {nobody} cannot be asked: nobody listens there (connection refused)"
        );
        assert_eq!(say(&[nobody, fails]).await, sentence);
        assert_eq!(
            say(&[]).await,
            "no resolver is known: there is none in /etc/resolv.conf, and `resolvers` names none"
        );
        let own = ["cloud.example".parse().expect("a name")];
        let trouble = look_up(&[fails], &target(), &own).await.expect_err("ours");
        assert_eq!(trouble, Trouble::Loop(target()));
    }

    #[tokio::test]
    async fn what_does_not_fit_into_a_datagram_comes_by_tcp() {
        let (udp, tcp, at) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let at = tcp.local_addr().expect("bound");
            if let Ok(udp) = UdpSocket::bind(at).await {
                break (udp, tcp, at);
            }
        };
        let by_udp = async {
            let mut buffer = [0; 512];
            for _ in 0..2 {
                let (len, from) = udp.recv_from(&mut buffer).await.expect("a question");
                let mut cut = replied(&buffer[..len], ResponseCode::NoError, &[]);
                cut.metadata.truncation = true;
                udp.send_to(&cut.to_vec().expect("a message"), from).await.expect("sent");
            }
        };
        let by_tcp = async {
            for _ in 0..2 {
                let (mut stream, _) = tcp.accept().await.expect("a connection");
                let mut asked = vec![0; usize::from(stream.read_u16().await.expect("a length"))];
                stream.read_exact(&mut asked).await.expect("a question");
                let whole = replied(&asked, ResponseCode::NoError, &["192.0.2.1", "2001:db8::1"]);
                let whole = whole.to_vec().expect("a message");
                let len = u16::try_from(whole.len()).expect("short").to_be_bytes();
                stream.write_all(&[&len[..], &whole].concat()).await.expect("sent");
            }
        };
        let (servers, target) = ([at], target());
        let (found, (), ()) = tokio::join!(look_up(&servers, &target, &[]), by_udp, by_tcp);
        assert_eq!(found.expect("addresses").addresses.len(), 2);
    }
}
