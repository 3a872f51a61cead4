//! Asks for records of any type, and shows them as zone files have them.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use domain::{
    base::{
        Message, MessageBuilder, Name, ParsedRecord, RecordSection, Rtype, iana::Class,
        opt::ClientSubnet,
    },
    rdata::AllRecordData,
};
use tokio::{net::UdpSocket, time::timeout};

const PATIENCE: Duration = Duration::from_secs(5);

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) rcode: String,
    /// Data of the records, sorted.
    pub(super) answers: Vec<String>,
    /// Names and data of those of the additional section.
    pub(super) additional: Vec<String>,
    pub(super) ttl: Option<u32>,
    /// For how much of the subnet it holds.
    pub(super) scope: Option<u8>,
}

impl Said {
    pub(super) fn has(&self, text: &str) -> bool {
        self.answers.iter().any(|answer| answer.contains(text))
    }
}

/// A question.
pub(super) struct Ask<'a> {
    server: SocketAddr,
    name: &'a str,
    kind: &'a str,
    class: Class,
    from: IpAddr,
    subnet: Option<IpAddr>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(server: SocketAddr, name: &'a str, kind: &'a str) -> Self {
        let from = [127, 0, 0, 1].into();
        Self { server, name, kind, class: Class::IN, from, subnet: None }
    }

    /// In the class CH.
    pub(super) fn chaos(self) -> Self {
        Self { class: Class::CH, ..self }
    }

    pub(super) fn from(self, from: [u8; 4]) -> Self {
        Self { from: from.into(), ..self }
    }

    /// For clients in a /24.
    pub(super) fn for_subnet(self, [a, b, c]: [u8; 3]) -> Self {
        Self { subnet: Some([a, b, c, 0].into()), ..self }
    }

    pub(super) async fn send(self) -> Said {
        let socket = UdpSocket::bind((self.from, 0)).await.expect("a socket");
        socket.connect(self.server).await.expect("connected");
        socket.send(&self.query()).await.expect("sent");
        let mut reply = vec![0; 4096];
        let received = timeout(PATIENCE, socket.recv(&mut reply)).await;
        let len = received.expect("an answer in time").expect("received");
        reply.truncate(len);
        read(reply)
    }

    fn query(&self) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(rand::random());
        let mut question = builder.question();
        let name = Name::<Vec<u8>>::from_str(self.name).expect("a name");
        let kind = Rtype::from_str(self.kind).expect("a type");
        question.push((name, kind, self.class)).expect("room");
        let mut additional = question.additional();
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(1232);
                match self.subnet {
                    Some(subnet) => opt.client_subnet(24, 0, subnet),
                    None => Ok(()),
                }
            })
            .expect("room");
        additional.finish()
    }
}

fn read(reply: Vec<u8>) -> Said {
    let reply = Message::from_octets(reply).expect("a message");
    let answers = records(reply.answer().expect("an answer section"));
    let additional = records(reply.additional().expect("an additional section"));
    let scope = reply.opt().and_then(|opt| {
        opt.opt()
            .iter::<ClientSubnet>()
            .next()
            .map(|subnet| subnet.expect("whole").scope_prefix_len())
    });
    let mut said = Said {
        rcode: reply.header().rcode().to_string(),
        answers: answers.iter().map(data).collect(),
        additional: additional.iter().map(|it| format!("{} {}", it.owner(), data(it))).collect(),
        ttl: answers.iter().map(|record| record.ttl().as_secs()).min(),
        scope,
    };
    said.answers.sort_unstable();
    said
}

fn records(section: RecordSection<'_, Vec<u8>>) -> Vec<ParsedRecord<'_, Vec<u8>>> {
    let records = section.map(|record| record.expect("whole"));
    records.filter(|record| record.rtype() != Rtype::OPT).collect()
}

fn data(record: &ParsedRecord<'_, Vec<u8>>) -> String {
    let record = record.to_any_record::<AllRecordData<_, _>>().expect("well formed");
    record.data().to_string()
}
