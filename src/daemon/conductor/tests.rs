//! A conductor with a store whose writes are given up and come to their end all the same.

mod targets;

use std::{fmt::Write, fs, sync::Arc};

use arc_swap::ArcSwap;
use hickory_proto::rr::{RData, Record};
use prometheus::Registry;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot, watch};

use super::*;
use crate::{
    config::release,
    cutover::{Order, Verb},
    daemon::{events, keeper::Unwritten},
    dns::{Clock, Counters, Responder},
    model::{
        ClientNetwork, CookieSecrets, Outside, RrlSettings, Start, StaticRecord, Ttl, ZoneSpec,
    },
    store::{self, Batch},
    table::{Answer, Question, Table, to_hickory},
};

struct Scene {
    conductor: Conductor,
    zone: ZoneSpec,
    folder: TempDir,
    /// What the conductor tells others has to go somewhere.
    _others: (mpsc::UnboundedReceiver<Assignment>, mpsc::UnboundedReceiver<Job>),
}

fn name(text: &str) -> ServiceName {
    text.parse().expect("a name")
}

impl Scene {
    async fn start() -> Self {
        let apex: DnsName = "zone.test".parse().expect("a name");
        let (nameservers, hostmaster) = (vec![apex.clone()], apex.clone());
        let zone = ZoneSpec {
            apex,
            nameservers,
            hostmaster,
            start: Start::default(),
            records: Vec::new(),
        };
        let (folder, registry) = (tempfile::tempdir().expect("a folder"), Registry::new());
        let plane = Plane {
            store: Arc::new(ArcSwap::from_pointee(Table::new(&zone, (1, 2), 1))),
            responder: Responder::new(CookieSecrets::random([1; 16]), None),
            rrl: RrlSettings::default(),
            counters: Counters::register(&registry).expect("new names"),
            clock: Clock::start(),
        };
        let keeper = Keeper::new(folder.path().to_owned(), zone.apex.clone(), 0, None, false);
        let outbox = events::start(Vec::new(), &zone.apex, None, plane.clock, &registry);
        let outbox = outbox.expect("new names").outbox;
        let ((assignments, assigned), (jobs, examined)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let (plane, path) = (Arc::new(plane), "release.toml".into());
        let (first_look, _) = oneshot::channel();
        let conductor = Conductor::new(
            (plane, Arc::new(ArcSwap::from_pointee(zone.clone().into()))),
            (assignments, jobs, watch::channel(BTreeSet::new()).0),
            path,
            first_look,
            keeper,
            outbox,
            &registry,
        );
        let conductor = conductor.expect("new names");
        let mut scene = Self { conductor, zone, folder, _others: (assigned, examined) };
        scene.edit(&[("api", "v1"), ("web", "v1")]).await;
        scene.edit(&[("api", "v2"), ("web", "v1")]).await;
        assert_eq!(scene.phase("api"), "Baking");
        scene
    }

    /// The release file is another one.
    async fn edit(&mut self, services: &[(&str, &str)]) {
        let mut text = "version = 1\n".to_owned();
        for (name, live) in services {
            let pools =
                "pools.v1.endpoints = [\"192.0.2.1\"]\npools.v2.endpoints = [\"192.0.2.2\"]";
            let more = "probe = \"none\"\nrelease.bake = \"1h\"\nttl = \"60s\"";
            writeln!(text, "[services.{name}]\nlive = \"{live}\"\n{more}\n{pools}").expect("text");
        }
        self.read(&text).await;
    }

    /// What the release file has now.
    async fn read(&mut self, text: &str) {
        self.accept(text);
        self.settle().await;
    }

    fn accept(&mut self, text: &str) {
        let path = "release.toml".as_ref();
        let desired = release::parse(path, text, &self.zone.clone().into(), &Outside::default())
            .expect("good");
        self.conductor.accept(self.conductor.now(), &Arc::new(desired));
    }

    /// As [`Conductor::run`] does it.
    async fn settle(&mut self) {
        let conductor = &mut self.conductor;
        loop {
            conductor.go_on_together();
            conductor.persist().await;
            if conductor.touched.is_empty() && conductor.unkept.is_empty() {
                break;
            }
            conductor.publish();
        }
        conductor.tell();
        conductor.unkept.take_put_back();
    }

    /// The last number of the address at a name, if there is one.
    fn host(&self, text: &str) -> Option<u8> {
        let name: DnsName = text.parse().expect("a name");
        let client = ClientNetwork::v4([198, 51, 100]);
        let question = Question { name: name.wire(), kind: 1, client };
        match self.conductor.plane.store.load().answer(question, self.conductor.now(), || 0) {
            Answer::Records(records) => {
                let records = records.decode(&to_hickory(&name));
                let [Record { data: RData::A(address), .. }] = records.0.as_slice() else {
                    panic!("{records:?}")
                };
                address.octets().last().copied()
            }
            _ => None,
        }
    }

    fn phase(&self, service: &str) -> &'static str {
        self.conductor.services[&name(service)].cutover.phase().name()
    }

    /// Somebody asks for a step, which is not kept yet.
    fn promote(&mut self) {
        let by = "user 7".to_owned();
        let order = Order { verb: Verb::Promote, to: None, by, force: Default::default() };
        let now = self.conductor.now();
        let told = self.conductor.ask(now, &name("api"), &order).expect("there").expect("done");
        self.conductor.note_told(now, told);
        assert_ne!(self.phase("api"), "Baking");
    }

    /// A write takes too long, and comes to its end after it has been given up.
    async fn write_late(&mut self) -> Arc<Batch> {
        let batch = Arc::new(self.conductor.batch());
        let now = self.conductor.now();
        assert!(self.conductor.keeper.write(now, batch.clone()).await.is_ok());
        self.conductor.put_back(&batch, &Unwritten::Broken("no answer".to_owned()));
        batch
    }

    /// The store is tried again.
    async fn try_again(&mut self) {
        self.conductor.keeper.suspend().await;
        assert!(self.conductor.keeper.resume());
        self.settle().await;
    }

    /// What a restart would find is what is answered.
    async fn assert_all_is_kept(mut self) {
        self.conductor.keeper.close().await;
        let path = self.folder.path().join("state.redb");
        let found = store::look(&path, &self.zone.apex).expect("good").expect("there");
        let snapshots = found.services.into_iter().map(|(name, kept)| (name, kept.snapshot));
        let stands =
            |(name, service): (&ServiceName, &Service)| (name.clone(), service.cutover.snapshot());
        let stand: Vec<_> = self.conductor.services.iter().map(stands).collect();
        assert_eq!(snapshots.collect::<Vec<_>>(), stand);
    }
}

/// It may have had a name that the zones have now.
#[tokio::test]
async fn a_file_that_was_read_beside_other_zones_is_left_to_be_read_again() {
    let mut scene = Scene::start().await;
    let text =
        "version = 1\n[services.shop]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.7\"]\n";
    let read = |beside: Arc<Zones>| {
        let says = release::parse("release.toml".as_ref(), text, &beside, &Outside::default());
        Reading { checksum: None, says: says.map(Arc::new), beside }
    };
    let now = scene.conductor.now();
    scene.conductor.note_file(now, read(Arc::new(scene.zone.clone().into())));
    assert!(!scene.conductor.services.contains_key(&name("shop")));
    scene.conductor.note_file(now, read(scene.conductor.zones.now.load_full()));
    assert!(scene.conductor.services.contains_key(&name("shop")));
}

#[tokio::test]
async fn a_step_that_was_refused_and_is_in_the_file_all_the_same_is_undone_there() {
    let mut scene = Scene::start().await;
    scene.promote();
    scene.write_late().await;
    assert_eq!(scene.phase("api"), "Baking");
    scene.try_again().await;
    assert_eq!(scene.phase("api"), "Baking");
    scene.assert_all_is_kept().await;
}

#[tokio::test]
async fn a_service_that_was_not_to_be_forgotten_is_in_the_file_again() {
    let mut scene = Scene::start().await;
    scene.edit(&[("api", "v2")]).await;
    scene.conductor.remove(&name("web"));
    let batch = scene.write_late().await;
    assert_eq!(batch.removed, [name("web")]);
    assert!(scene.conductor.services.contains_key(&name("web")));
    scene.try_again().await;
    scene.assert_all_is_kept().await;
}

#[tokio::test]
async fn a_step_of_a_service_that_is_removed_at_once_is_put_back_too() {
    let mut scene = Scene::start().await;
    scene.promote();
    scene.conductor.remove(&name("api"));
    scene.write_late().await;
    assert_eq!(scene.phase("api"), "Baking");
    assert!(scene.conductor.told.is_empty(), "{:?}", scene.conductor.told);
    scene.try_again().await;
    scene.assert_all_is_kept().await;
}

#[tokio::test]
async fn in_a_file_that_takes_the_place_of_ours_all_is_written_anew() {
    let mut scene = Scene::start().await;
    let path = |name| scene.folder.path().join(name);
    let (ours, other) = (path("state.redb"), path("backup"));
    fs::copy(&ours, &other).expect("copied");
    scene.promote();
    scene.settle().await;
    fs::rename(other, ours).expect("renamed");
    scene.edit(&[("api", "v2"), ("web", "v2")]).await;
    assert_ne!(scene.phase("api"), "Baking");
    scene.assert_all_is_kept().await;
}

#[tokio::test]
async fn a_name_is_answered_as_the_file_has_it_and_never_lost() {
    let mut scene = Scene::start().await;
    let one = "live = \"v1\"\nprobe = \"none\"\npools.v1.endpoints = [\"192.0.2.9\"]\n";
    let web = one.replace(".9", ".8");
    let text =
        format!("version = 1\n[services.web]\n{web}\n[services.store]\nname = \"api\"\n{one}");
    assert_eq!((scene.host("api.zone.test"), scene.host("v1.api.zone.test")), (Some(2), Some(1)));
    // Another key has the name of a service that the file no longer names, which is held on to.
    scene.read(&text).await;
    assert!(scene.conductor.services[&name("api")].cutover.is_orphaned());
    let hosts = |scene: &Scene| (scene.host("api.zone.test"), scene.host("v1.api.zone.test"));
    assert_eq!(hosts(&scene), (Some(9), Some(1)));
    // Whatever happens to that one.
    let now = scene.conductor.now();
    scene.conductor.services.get_mut(&name("api")).expect("there").is_anew = true;
    scene.conductor.observe(now, name("api"));
    scene.settle().await;
    assert_eq!(hosts(&scene), (Some(9), Some(1)));
    // The file before is restored, and so is whose name it is; then the edit is made once more.
    scene.edit(&[("api", "v2"), ("web", "v1")]).await;
    assert!(scene.conductor.services[&name("store")].cutover.is_orphaned());
    assert_eq!(hosts(&scene), (Some(2), Some(1)));
    scene.read(&text).await;
    assert_eq!(hosts(&scene), (Some(9), Some(1)));
    // When it goes, what else it had is the other one's.
    scene.conductor.remove(&name("api"));
    scene.settle().await;
    assert_eq!(hosts(&scene), (Some(9), Some(9)));
    assert_eq!(scene.host("v2.api.zone.test"), None);
}

#[tokio::test]
async fn zones_that_leave_no_room_for_all_of_a_service_are_refused() {
    let mut scene = Scene::start().await;
    let pool = "live = \"v1\"\nprobe = \"none\"\npools.v1.endpoints = [\"192.0.2.9\"]\n";
    let text = |txt: &str| {
        format!(
            "version = 1\n[services.api]\n{pool}svcb = [{{ prefix = \"_dns\" }}]\n\
             [services.root]\nname = \"@\"\n{txt}{pool}"
        )
    };
    scene.read(&text("txt = [\"of the service\"]\n")).await;
    let zones = |scene: &Scene, owner: &str, kind: &str, data: &str| {
        let kind = kind.parse().expect("a type");
        let (owner, data) = (owner.parse(), RData::try_from_str(kind, data));
        let record = StaticRecord {
            owner: owner.expect("a name"),
            ttl: Ttl::from_secs_const(60),
            data: data.expect("data"),
        };
        Box::new(ZoneSpec { records: vec![record], ..scene.zone.clone() }.into())
    };
    for (owner, kind, data, why) in [
        ("zone.test", "TXT", "theirs", Some("zone.test has texts of the zone's own already")),
        ("_dns.api.zone.test", "TXT", "theirs", Some("already has static records")),
        ("v1.api.zone.test", "A", "192.0.2.1", Some("already has static records")),
        ("zone.test", "MX", "1 mail.elsewhere.test.", None),
    ] {
        let zones = zones(&scene, owner, kind, data);
        scene.conductor.rezone(Ok(zones));
        let said = scene.conductor.zones.rejected.as_deref();
        match why {
            Some(why) => assert!(said.is_some_and(|said| said.contains(why)), "{owner}: {said:?}"),
            None => assert_eq!(said, None, "{owner}"),
        }
    }
    // Without texts of its own there is room for those of the zone.
    scene.read(&text("")).await;
    let zones = zones(&scene, "zone.test", "TXT", "theirs");
    scene.conductor.rezone(Ok(zones));
    assert_eq!(scene.conductor.zones.rejected, None);
}
