//! Pools that point to a name: a real daemon, and a resolver that can be made to say anything.

mod common;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use common::{House, pools::Pools};
use cutover::admin::status::TargetStatus;
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use tokio::{net::UdpSocket, task::AbortHandle};

/// What a name has, or the RCODE that is answered.
type Says = Result<Vec<RData>, ResponseCode>;

/// Answers by UDP, with a TTL of a second, until it is dropped.
struct Resolver {
    at: SocketAddr,
    says: Arc<Mutex<BTreeMap<String, Says>>>,
    task: AbortHandle,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Resolver {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let at = socket.local_addr().expect("bound");
        let says: Arc<Mutex<BTreeMap<String, Says>>> = Arc::default();
        let known = says.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1_024];
            while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                let asked = Message::from_vec(&buffer[..len]).expect("a question");
                let reply = reply(&known.lock().expect("whole"), asked);
                let _ = socket.send_to(&reply.to_vec().expect("a message"), from).await;
            }
        });
        Self { at, says, task: task.abort_handle() }
    }

    fn say(&self, name: &str, says: Says) {
        self.says.lock().expect("whole").insert(format!("{name}."), says);
    }

    fn has(&self, name: &str, addresses: &[IpAddr]) {
        let data = |address: &IpAddr| match address {
            IpAddr::V4(v4) => RData::A(A(*v4)),
            IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
        };
        self.say(name, Ok(addresses.iter().map(data).collect()));
    }
}

/// Follows aliases that it knows, as resolvers do.
fn reply(known: &BTreeMap<String, Says>, mut message: Message) -> Message {
    let Query { name, query_type, .. } = message.queries[0].clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    let mut name = name.to_lowercase();
    loop {
        let data = match known.get(&name.to_string()) {
            Some(Ok(data)) => data,
            other => {
                let code = other.and_then(|says| says.as_ref().err().copied());
                message.metadata.response_code = code.unwrap_or(ResponseCode::NXDomain);
                return message;
            }
        };
        let alias = data.iter().find_map(|data| match data {
            RData::CNAME(alias) => Some(alias.0.clone()),
            _ => None,
        });
        let of_type = |it: &&RData| [query_type, RecordType::CNAME].contains(&it.record_type());
        message.add_answers(
            data.iter().filter(of_type).map(|it| Record::from_rdata(name.clone(), 1, it.clone())),
        );
        match alias {
            Some(next) => name = next.to_lowercase(),
            None => return message,
        }
    }
}

fn alias_of(name: &str) -> RData {
    RData::CNAME(CNAME(format!("{name}.").parse().expect("a name")))
}

struct Scene {
    house: House,
    pools: Pools,
    resolver: Resolver,
}

impl Scene {
    /// A daemon that asks the resolver; `target` is the second pool.
    async fn open(resolver: Resolver, live: &str, target: &str, more: &str) -> Self {
        let pools = Pools::start().await;
        let text = file(&pools, live, target, more);
        let at = resolver.at;
        let edit = |settings: &mut cutover::config::Settings| settings.resolvers = Some(vec![at]);
        let house = House::start_with("127.0.0.1", &text, edit).await;
        Self { house, pools, resolver }
    }

    fn save(&self, live: &str, target: &str, more: &str) {
        self.house.save(&file(&self.pools, live, target, more));
    }

    async fn target(&self) -> TargetStatus {
        self.house.api().await.pools["v2"].target.clone().expect("it points to a name")
    }
}

fn file(pools: &Pools, live: &str, target: &str, more: &str) -> String {
    let text = pools.file(live, more);
    let (before, after) = text.split_once("[services.api.pools.v2]\n").expect("a pool");
    let (_, after) = after.split_once('\n').expect("its endpoints");
    format!("{before}[services.api.pools.v2]\n{target}\n{after}")
}

/// The records of an answer, as text.
async fn records(house: &House, name: &str, kind: RecordType) -> Vec<String> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(format!("{name}.").parse::<Name>().expect("a name"), kind));
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let octets = message.to_vec().expect("a question");
    socket.send_to(&octets, house.daemon.dns()[0]).await.expect("sent");
    let mut buffer = [0; 1_500];
    let len = tokio::time::timeout(common::PATIENCE, socket.recv(&mut buffer));
    let len = len.await.expect("in time").expect("received");
    let reply = Message::from_vec(&buffer[..len]).expect("a reply");
    reply.answers.iter().map(|it| format!("{} {}", it.record_type(), it.data)).collect()
}

const ALIAS: &str = r#"alias = "lb.example.net""#;
const CNAME_OF: &str = r#"cname = "lb.example.net""#;

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_released_followed_and_kept_whatever_becomes_of_the_resolver() {
    let resolver = Resolver::start().await;
    let more = "bake = \"0s\"";
    let scene = Scene::open(resolver, "v1", ALIAS, more).await;
    let Scene { house, pools, resolver } = &scene;
    house.until_pool_is("v1", "up").await;
    // It is not there yet: the gate says so, and nobody is moved.
    scene.save("v2", ALIAS, more);
    let closed = |reason: Option<&String>| {
        reason
            .is_some_and(|why| why.contains("lb.example.net, which is not known: there is no such"))
    };
    house
        .until("why it waits", |status| {
            closed(status.services["api"].release.as_ref().and_then(|it| it.reason.as_ref()))
        })
        .await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v1);
    resolver.has("edge.example.net", &pools.v2);
    resolver.say("lb.example.net", Ok(vec![alias_of("edge.example.net")]));
    house.until_answered(&pools.v1, &pools.v2).await;
    house.until_phase("Steady").await;
    let target = scene.target().await;
    assert_eq!((target.kind.as_str(), target.ttl), ("alias", Some(1)));
    // It moves to other addresses, which are proven before anyone has them.
    resolver.has("edge.example.net", &pools.v1[..1]);
    house.until_answered(&pools.v2, &pools.v1[..1]).await;
    assert_eq!(house.api().await.phase, "Steady", "no release");
    // The resolver fails: what was found last stays, and that is told.
    resolver.say("lb.example.net", Err(ResponseCode::ServFail));
    let told = |target: &TargetStatus| target.trouble.clone();
    house
        .until("the trouble", |status| {
            let target = status.services["api"].pools["v2"].target.as_ref();
            target.and_then(told).is_some_and(|why| why.contains("SERVFAIL"))
        })
        .await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v1[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_last_is_answered_again_after_a_restart_without_any_resolver() {
    let resolver = Resolver::start().await;
    let pools = Pools::start().await;
    resolver.has("lb.example.net", &pools.v2);
    let text = file(&pools, "v2", ALIAS, "");
    let at = resolver.at;
    let edit = |settings: &mut cutover::config::Settings| settings.resolvers = Some(vec![at]);
    let house = House::start_with("127.0.0.1", &text, edit).await;
    let begun = std::time::Instant::now();
    while house.client.ask("api.zone.test", "A").await.addresses != pools.v2 {
        assert!(begun.elapsed() < common::PATIENCE, "it is found");
        common::pause().await;
    }
    house.until_pool_is("v2", "up").await;
    let folder = house.stop().await;
    drop(resolver);
    let house = House::start_in(folder, "127.0.0.1", edit).await;
    // The first question already.
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v2);
    house.until("the file is read", |status| status.file.accepted).await;
    assert_eq!(house.api().await.phase, "Steady", "the file asks for nothing else");
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v2);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_is_found_nothing_is_denied() {
    let resolver = Resolver::start().await;
    let scene = Scene::open(resolver, "v2", ALIAS, "").await;
    for name in ["api.zone.test", "v2.api.zone.test"] {
        let asked = scene.house.client.ask(name, "A").await;
        let told = (asked.rcode.as_str(), asked.answers, asked.authorities);
        assert_eq!(told, ("SERVFAIL", 0, 0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_answered_for_every_type_once_it_is_proven_and_at_once_for_all() {
    let resolver = Resolver::start().await;
    let more = "bake = \"0s\"";
    let scene = Scene::open(resolver, "v1", CNAME_OF, more).await;
    let Scene { house, pools, resolver } = &scene;
    house.until_pool_is("v1", "up").await;
    scene.save("v2", CNAME_OF, more);
    house.until_phase("Probing").await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v1);
    resolver.has("lb.example.net", &pools.v2);
    house.until_phase("Steady").await;
    for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::CNAME] {
        assert_eq!(
            records(house, "api.zone.test", kind).await,
            ["CNAME lb.example.net."],
            "{kind}"
        );
    }
    assert_eq!(records(house, "v2.api.zone.test", RecordType::A).await, ["CNAME lb.example.net."]);
    let api = house.api().await;
    assert!(api.pools["v2"].answers >= 4, "they are counted, and their horizons kept: {api:?}");
    assert!(api.pools["v2"].horizon.is_some());
    // And back, at once for all.
    scene.save("v1", CNAME_OF, more);
    house.until_phase("Steady").await;
    let begun = std::time::Instant::now();
    while house.client.ask("api.zone.test", "A").await.addresses != pools.v1 {
        assert!(begun.elapsed() < common::PATIENCE, "it goes back");
        common::pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_back_to_us_is_refused_and_said_to() {
    let resolver = Resolver::start().await;
    resolver.say("lb.example.net", Ok(vec![alias_of("api.zone.test")]));
    let pools = Pools::start().await;
    resolver.has("api.zone.test", &pools.v1);
    let scene = Scene::open(resolver, "v1", ALIAS, "").await;
    let leads_back = |target: Option<&TargetStatus>| {
        let trouble = target.and_then(|target| target.trouble.as_ref());
        trouble.is_some_and(|why| why.contains("leads back to api.zone.test, which is ours"))
    };
    let found = scene
        .house
        .until("the loop", |status| leads_back(status.services["api"].pools["v2"].target.as_ref()));
    assert_eq!(found.await.services["api"].pools["v2"].endpoints, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_stands_at_the_apex_beside_what_the_zone_has_there() {
    let resolver = Resolver::start().await;
    let pools = Pools::start().await;
    resolver.has("lb.example.net", &pools.v2);
    let text = file(&pools, "v2", ALIAS, "").replace("live =", "name = \"@\"\nlive =");
    let at = resolver.at;
    let edit = |settings: &mut cutover::config::Settings| settings.resolvers = Some(vec![at]);
    let house = House::start_with("127.0.0.1", &text, edit).await;
    house.until_pool_is("v2", "up").await;
    assert_eq!(house.client.ask("zone.test", "A").await.addresses, pools.v2);
    assert_eq!(house.client.ask("zone.test", "SOA").await.answers, 1);
    assert_eq!(house.client.ask("zone.test", "NS").await.answers, 2);
    let asked = house.client.ask("zone.test", "MX").await;
    assert_eq!((asked.rcode.as_str(), asked.answers, asked.authorities), ("NOERROR", 0, 1));
    assert_eq!(house.client.ask("v2.zone.test", "A").await.addresses, pools.v2);
}
