//! `cutover plan`, `apply`, `forget`, `sample` and `status --watch`: the real binary against the real
//! daemon.

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use common::House;
use cutover::admin::{
    orders,
    plan::{self, Plan},
    sample::Sample,
};

/// Without probes no release has to wait for its gate.
fn release(live: &str, more: &str) -> String {
    format!(
        r#"version = 1
[services.api]
live = "{live}"
probe = "none"
pools.v1.endpoints = ["192.0.2.1"]
pools.v2.endpoints = ["192.0.2.2", "192.0.2.3"]
release = {{ ramp = [{{ share = "10%", bake = "1h" }}], bake = "1h" }}
{more}
"#
    )
}

const WEB: &str = r#"[services.web]
live = "v1"
probe = "none"
pools.v1.endpoints = ["192.0.2.9"]"#;

struct Scene {
    house: House,
    socket: PathBuf,
    config: PathBuf,
}

impl Scene {
    async fn open(file: &str) -> Self {
        let (house, socket) = House::start_with_admin(file).await;
        // The daemon chose its port; the settings for the verbs name it.
        let settings = fs::read_to_string(house.folder().join("cutover.toml")).expect("readable");
        let listen = format!("{}\"\nadmin = \"admin.sock\"\n\n", house.daemon.http());
        let config = house.folder().join("here.toml");
        fs::write(&config, settings.replace("127.0.0.1:0\"\n\n", &listen)).expect("writable");
        Self { house, socket, config }
    }

    fn draft(&self, text: &str) -> String {
        let path = self.house.folder().join("draft.toml");
        fs::write(&path, text).expect("writable");
        path.to_str().expect("text").to_owned()
    }

    fn on_disk(&self) -> String {
        fs::read_to_string(self.house.release_path()).expect("readable")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null());
        command
    }

    async fn cutover(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output().expect("runs"));
        ran.await.expect("ended")
    }

    async fn plan(&self, text: &str) -> Plan {
        plan::ask(&self.socket, "draft.toml".as_ref(), text.to_owned()).await.expect("good")
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_happen_and_changes_nothing() {
    let scene = Scene::open(&release("v1", "")).await;
    let generation = scene.house.status().await.generation;
    let draft = scene.draft(&release("v2", WEB));
    let shown = scene.cutover(&["plan", &draft]).await;
    assert_eq!(code(&shown), 0, "{shown:?}");
    let said = text(&shown.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "api v1 → v2 (Steady now)",
        "live: v1 → v2",
        "health holds: 2 of 2 endpoints of v2 are up (100% needed)",
        "way back holds: 1 of 1 endpoints of v1 could take it",
        "Probing v1 the file asks for v2 instead of v1",
        "Settling v1 90 %, v2 10 % 10% of the clients moved from v1 to v2",
        "v1 is out of caches after ",
        "web new: v1 answers at once",
        "checksum ",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
    let json = scene.cutover(&["plan", &draft, "-o", "json"]).await;
    let plan: Plan = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(plan.changed["api"].to, [("v2".to_owned(), 100)].into());
    assert!(said.contains(&plan.checksum));
    assert_eq!(scene.house.status().await.generation, generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mistakes_of_a_draft_are_shown_as_check_shows_them() {
    let scene = Scene::open(&release("v1", "")).await;
    let draft = scene.draft(&release("v3", ""));
    for verb in [&["plan", &draft][..], &["apply", &draft, "--yes"]] {
        let shown = scene.cutover(verb).await;
        assert_eq!(code(&shown), 1, "{shown:?}");
        let said = text(&shown.stdout);
        assert!(said.contains("draft.toml:3:8"), "{said}");
        assert!(said.contains("there is no pool `v3`"), "{said}");
    }
    assert_eq!(scene.on_disk(), release("v1", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checksum_follows_the_file_and_the_state_and_not_the_time() {
    let scene = Scene::open(&release("v1", WEB)).await;
    let other = format!("{WEB}\nttl = \"5s\"");
    let (api, web) = (release("v2", WEB), release("v1", &other));
    let before = (scene.plan(&api).await.checksum, scene.plan(&web).await.checksum);
    assert_ne!(before.0, before.1);
    assert_eq!(scene.plan(&api).await.checksum, before.0);
    let commented = scene.plan(&format!("{api}# more\n")).await.checksum;
    assert_ne!(commented, before.0, "another file");
    scene.house.save(&api);
    scene.house.until_phase("Settling").await;
    let again = scene.plan(&release("v1", WEB)).await;
    assert_ne!(scene.plan(&web).await.checksum, before.1, "api would be touched now");
    scene.house.save(&release("v1", WEB));
    scene.house.until_phase("RollingBack").await;
    assert!(scene.plan(&release("v1", WEB)).await.nothing);
    assert_ne!(scene.plan(&api).await.checksum, before.0, "another phase");
    assert!(!again.nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_is_shown_as_orphaned_and_removed_as_removed() {
    let scene = Scene::open(&release("v1", WEB)).await;
    assert_eq!(scene.plan(&release("v1", "")).await.orphaned, ["web"]);
    let removed = release("v1", "").replace("version = 1", "version = 1\nremoved = [\"web\"]");
    assert_eq!(scene.plan(&removed).await.removed, ["web"]);
    assert!(scene.plan(&release("v1", WEB)).await.nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_installs_what_was_planned_and_waits_until_it_is_accepted() {
    let scene = Scene::open(&release("v1", "")).await;
    let wanted = release("v2", "");
    let draft = scene.draft(&wanted);
    let checksum = scene.plan(&wanted).await.checksum;
    let applied = scene.cutover(&["apply", &draft, "--plan", &checksum]).await;
    assert_eq!(code(&applied), 0, "{applied:?}");
    assert!(text(&applied.stdout).contains("is accepted and being carried out"), "{applied:?}");
    assert_eq!(scene.on_disk(), wanted);
    // Not soon: apply has waited for it.
    let api = scene.house.api().await;
    assert_eq!((api.phase.as_str(), &api.desired), ("Settling", &[("v2".to_owned(), 100)].into()));
    let again = scene.cutover(&["apply", &draft, "--yes", "-o", "json"]).await;
    assert_eq!(code(&again), 0, "{again:?}");
    let applied: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(applied["plan"]["nothing"], true);
    assert_eq!(applied["file"]["accepted"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_installs_nothing_that_was_not_planned() {
    let scene = Scene::open(&release("v1", "")).await;
    let wanted = release("v2", WEB);
    let draft = scene.draft(&wanted);
    let checksum = scene.plan(&wanted).await.checksum;
    let unasked = scene.cutover(&["apply", &draft]).await;
    assert_eq!(code(&unasked), 1);
    assert!(text(&unasked.stderr).contains("give --plan CHECKSUM or --yes"), "{unasked:?}");
    let other = scene.plan(&release("v2", "")).await.checksum;
    let refused = scene.cutover(&["apply", &draft, "--plan", &other]).await;
    assert_eq!(code(&refused), 1);
    assert!(text(&refused.stderr).contains("this is not the file that was planned"), "{refused:?}");
    assert_eq!(scene.on_disk(), release("v1", ""));

    scene.house.save(&release("v2", ""));
    scene.house.until_phase("Settling").await;
    let refused = scene.cutover(&["apply", &draft, "--plan", &checksum]).await;
    assert_eq!(code(&refused), 1);
    assert!(text(&refused.stderr).contains("what has changed since it was planned"), "{refused:?}");
    assert_eq!(scene.on_disk(), release("v2", ""));
    let nonsense = scene.cutover(&["apply", &draft, "--plan", "12"]).await;
    assert_eq!(code(&nonsense), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_forgotten_once_the_file_no_longer_names_it() {
    let scene = Scene::open(&release("v1", WEB)).await;
    let refused = scene.cutover(&["forget", "web"]).await;
    assert_eq!(code(&refused), 1);
    let said = text(&refused.stderr);
    assert!(said.contains("the release file names it: delete it there first"), "{said}");
    let refused = scene.cutover(&["forget", "web", "-o", "json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&refused.stdout).expect("JSON");
    assert_eq!((code(&refused), &json["refused"]["stands"]["phase"]), (1, &"Steady".into()));
    scene.house.save(&release("v1", ""));
    scene.house.until("web is orphaned", |status| status.services["web"].orphaned).await;
    assert_eq!(scene.house.client.ask("web.zone.test", "A").await.rcode, "NOERROR");
    let forgotten = scene.cutover(&["forget", "web"]).await;
    assert_eq!(code(&forgotten), 0, "{forgotten:?}");
    assert!(text(&forgotten.stdout).contains("web is no longer answered"), "{forgotten:?}");
    assert_eq!(scene.house.client.ask("web.zone.test", "A").await.rcode, "NXDOMAIN");
    let again = orders::forget_service(&scene.socket, "web").await.expect_err("gone");
    assert_eq!(again.to_string(), "there is no service `web`; there are: api");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_tells_what_clients_are_really_given() {
    let scene = Scene::open(&release("v1", "")).await;
    scene.house.save(&release("v2", "").replace("10%", "40%"));
    scene.house.until_phase("Settling").await;
    let sampled = scene.cutover(&["sample", "api", "-o", "json"]).await;
    let sample: Sample = serde_json::from_slice(&sampled.stdout).expect("JSON");
    let v2 = &sample.pools["v2"];
    assert_eq!((sample.phase.as_str(), v2.target), ("Settling", 40.0));
    assert!((v2.share - 40.0).abs() < 0.5, "{v2:?}");
    let table = text(&scene.cutover(&["sample", "api", "--clients", "10"]).await.stdout);
    assert!(table.contains("10 made-up clients, seed 0"), "{table}");

    let addresses: Vec<String> = (0..20).map(|number| format!("127.9.{number}.1")).collect();
    let mut arguments = vec!["sample", "api", "-o", "json", "--client"];
    arguments.extend(addresses.iter().map(String::as_str));
    let listed = scene.cutover(&arguments).await;
    let listed: Sample = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed.clients.len(), addresses.len());
    for client in listed.clients {
        let asking = common::Client::from(scene.house.daemon.dns()[0], client.address);
        let answered = asking.ask("api.zone.test", "A").await.addresses.len();
        assert_eq!(answered, if client.pool == "v1" { 1 } else { 2 }, "{}", client.address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_a_watch_prints_a_block_for_each_change_and_ends_when_told() {
    let scene = Scene::open(&release("v1", "")).await;
    let mut watching = scene.command(&["status", "--watch"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().expect("runs");
    let mut lines = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let (house, pid) = (&scene.house, watching.id());
    let mut until = |wanted: &str| {
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(wanted)));
        assert!(found.is_some(), "it ended without {wanted}");
    };
    tokio::task::block_in_place(|| until("api  Steady"));
    house.save(&release("v2", ""));
    tokio::task::block_in_place(|| until("api  Settling"));
    let told = Command::new("kill").args(["-INT", &pid.to_string()]).status().expect("runs");
    assert!(told.success());
    assert!(watching.wait().expect("ended").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_dragged_along_by_others_of_its_group_is_in_the_plan() {
    let both = |api: &str, web: &str| {
        let service = |name: &str, live: &str| {
            format!(
                "[services.{name}]\nlive = \"{live}\"\nprobe = \"none\"\n\
                 pools.v1.endpoints = [\"192.0.2.1\"]\npools.v2.endpoints = [\"192.0.2.2\"]\n\
                 release = {{ group = \"checkout\", ramp = [{{ share = \"10%\", bake = \"1h\" }}] }}\n"
            )
        };
        format!("version = 1\n{}{}", service("api", api), service("web", web))
    };
    let scene = Scene::open(&both("v1", "v1")).await;
    let plan = scene.plan(&both("v2", "v2")).await;
    assert_eq!(plan.changed["api"].steps, plan.changed["web"].steps);
    scene.house.save(&both("v2", "v2"));
    scene.house.until_phase("Settling").await;
    let plan = scene.plan(&both("v2", "v1")).await;
    let [api, web] = ["api", "web"].map(|name| &plan.changed[name]);
    assert_eq!((api.changes.len(), web.changes.len()), (0, 1));
    let last = |service: &plan::ServicePlan| service.steps.last().map(|step| step.phase.clone());
    assert_eq!((last(api).as_deref(), last(web).as_deref()), (Some("Failed"), Some("Steady")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_shows_what_it_would_do_and_does_nothing() {
    let scene = Scene::open(&release("v1", "")).await;
    scene.house.save(&release("v2", ""));
    scene.house.until_phase("Settling").await;
    let before = scene.house.status().await.generation;
    let shown = scene.cutover(&["rollback", "api", "--dry-run"]).await;
    assert!(shown.status.success(), "{shown:?}");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    for expected in ["api  v1 90 %, v2 10 % → v1  (Settling now)", "RollingBack", "Failed"] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    assert!(!text.contains("checksum"), "{text}");
    let json = scene.cutover(&["promote", "api", "--dry-run", "-o", "json"]).await;
    let plan: Plan = serde_json::from_slice(&json.stdout).expect("a plan");
    assert_eq!(plan.changed["api"].to, [("v2".to_owned(), 100)].into());
    let refused = scene.cutover(&["retry", "api", "--dry-run"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("refused: no release has failed (api is Settling; "), "{why}");
    let named = scene.cutover(&["forget", "api", "--dry-run"]).await;
    assert_eq!(named.status.code(), Some(1), "the file names it");
    assert_eq!(scene.house.status().await.generation, before);
    assert_eq!(scene.house.api().await.phase, "Settling");
}
