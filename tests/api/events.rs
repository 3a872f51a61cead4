//! The stream of events: in order, to everyone who listens, and on from where somebody has left.

use cutover::model::{Hook, HookKind};
use serde_json::{Value, json};

use crate::{
    Scene,
    common::{
        House,
        pools::Pools,
        receiver::{Mood, Receiver},
    },
    http::{Heard, Listener},
};

const QUICK: &str = "bake = \"0s\"\npin_allowance = \"0s\"\ndrain_grace = \"0s\"";
const HOUR: &str = "bake = \"1h\"";

impl Scene {
    async fn listen(&self, more: &str) -> Listener {
        let listener = Listener::begin(self.connect().await, "/api/v1/events", more).await;
        assert_eq!(listener.code, 200);
        assert_eq!(listener.headers["content-type"], "text/event-stream");
        listener
    }

    async fn listen_at(&self, path: &str) -> Listener {
        Listener::begin(self.connect().await, path, "").await
    }
}

fn sequences(heard: &[Heard]) -> Vec<u64> {
    let number = |heard: &Heard| {
        let id = heard.id.as_deref().unwrap_or_default();
        id.rsplit('-').next().unwrap_or_default().parse().unwrap_or(0)
    };
    heard.iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_who_listens_is_told_the_same_in_order_without_a_gap() {
    let scene = Scene::open_with(QUICK).await;
    let mut listeners = Vec::new();
    for _ in 0..5 {
        listeners.push(scene.listen("").await);
    }
    scene.release("v2", QUICK);
    let mut all = Vec::new();
    for listener in &mut listeners {
        all.push(listener.until("Steady").await);
    }
    let first = &all[0];
    assert!(all.iter().all(|heard| heard == first), "{all:#?}");
    let mut before = "Steady".to_owned();
    for heard in first {
        let event = heard.json();
        assert_eq!(heard.name, "transition");
        assert_eq!(Some(event["id"].as_str().expect("a text")), heard.id.as_deref());
        assert_eq!(
            (&event["specversion"], &event["type"]),
            (&json!("1.0"), &json!("cutover.transition"))
        );
        assert_eq!(event["data"]["from"], before);
        before = heard.to();
    }
    let numbers = sequences(first);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_being_answered_from() {
    let scene = Scene::open_with(HOUR).await;
    let mut listener = scene.listen("").await;
    scene.release("v2", HOUR);
    listener.until("Shifting").await;
    // Not soon.
    assert_eq!(scene.house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_told_what_it_has_missed() {
    let scene = Scene::open_with(HOUR).await;
    let mut listener = scene.listen("").await;
    scene.release("v2", HOUR);
    let heard = listener.until("Shifting").await;
    let last = heard.last().and_then(|heard| heard.id.clone()).expect("an id");
    drop(listener);
    scene.house.until_phase("Baking").await;
    assert_eq!(scene.verb("rollback").await.code, 200);
    scene.house.until_phase("Failed").await;
    let header = scene.listen(&format!("Last-Event-ID: {last}\r\n")).await;
    let query = scene.listen_at(&format!("/api/v1/events?last_event_id={last}")).await;
    for mut again in [header, query] {
        let missed = again.until("Failed").await;
        let phases: Vec<String> = missed.iter().map(Heard::to).collect();
        assert_eq!(phases, ["Baking", "RollingBack", "Failed"]);
        let all = [sequences(&heard), sequences(&missed)].concat();
        assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "{all:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_any_more_is_said_first() {
    let scene = Scene::open_with(HOUR).await;
    scene.release("v2", HOUR);
    scene.house.until_phase("Baking").await;
    let mut listener = scene.listen("Last-Event-ID: 0123456789abcdef-7\r\n").await;
    let gap = listener.next().await.expect("a gap");
    assert_eq!((gap.name.as_str(), gap.id.as_ref()), ("gap", None));
    assert_eq!(gap.json()["after"], "0123456789abcdef-7");
    let first = listener.next().await.expect("what is held");
    assert_eq!(gap.json()["first"], Value::from(first.id.clone()));
    assert_eq!(first.to(), "Probing");
    listener.until("Baking").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_service_alone_can_be_listened_to() {
    let scene = Scene::open_with(HOUR).await;
    let api = scene.pools.file("v1", HOUR);
    let web = api.trim_start_matches("version = 1\n").replace("services.api", "services.web");
    scene.house.save(&format!("{api}{web}"));
    scene.house.until("web", |status| status.services.contains_key("web")).await;
    let mut listener = scene.listen_at("/api/v1/events?service=web").await;
    let both = format!(
        "{}{}",
        scene.pools.file("v2", HOUR),
        web.replace("live = \"v1\"", "live = \"v2\"")
    );
    scene.house.save(&both);
    for heard in listener.until("Baking").await {
        assert_eq!(heard.json()["subject"], "web");
    }
    for wrong in ["?service=a%2fb", "?service=", "?nobody=1", "?x"] {
        let reply = scene.get(&format!("/api/v1/events{wrong}")).await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (400, "misunderstood"), "{wrong}");
    }
}

fn hook(receiver: &Receiver) -> Hook {
    let url = receiver.url.parse().expect("a URL");
    let kind = HookKind::Web { url, secret_file: None };
    Hook { name: "chat".parse().expect("a name"), kind, timeout: Hook::TIMEOUT }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_and_listeners_are_told_the_same() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Takes).await);
    let file = pools.file("v1", HOUR);
    let house = House::start_with("127.0.0.1", &file, |it| it.events = vec![hook(&receiver)]).await;
    house.until_pool_is("v2", "up").await;
    let stream = tokio::net::TcpStream::connect(house.daemon.http()).await.expect("it listens");
    let mut listener = Listener::begin(stream, "/api/v1/events", "").await;
    house.save(&pools.file("v2", HOUR));
    let heard = listener.until("Baking").await;
    let taken = receiver.until_taken("Baking").await;
    let bodies: Vec<String> =
        taken.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    let told: Vec<String> = heard.iter().map(|it| it.data.clone()).collect();
    assert_eq!(told, bodies, "octet by octet");
    // The next daemon goes on with the same numbers.
    let last = heard.last().and_then(|it| it.id.clone()).expect("an id");
    let folder = house.stop().await;
    assert_eq!(listener.next().await, None, "it ends with the daemon");
    let house = House::start_in(folder, "127.0.0.1", |it| it.events = vec![hook(&receiver)]).await;
    let stream = tokio::net::TcpStream::connect(house.daemon.http()).await.expect("it listens");
    let more = format!("Last-Event-ID: {last}\r\n");
    let mut listener = Listener::begin(stream, "/api/v1/events", &more).await;
    house.until_pool_is("v2", "up").await;
    house.save(&pools.file("v1", HOUR));
    let next = listener.next().await.expect("it goes on");
    assert_eq!(next.name, "transition", "nothing was missed: {next:?}");
    assert_eq!(sequences(&[next])[0], sequences(&heard).last().copied().unwrap_or(0) + 1);
}
