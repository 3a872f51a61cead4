//! Without scripts, by keyboard alone, and by what axe-core says of it.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{
    driver::{Browser, DARK, DESK, PHONE, program},
    scene::Scene,
};

const AXE: &str = "axe-core@4.10.3";
const RAMP: &str = "ramp = [{ share = \"20%\", bake = \"1h\" }]\nbake = \"1h\"";

#[tokio::test(flavor = "multi_thread")]
async fn without_scripts_everything_can_be_read_and_is_loaded_again() {
    let preferences = [("profile.managed_default_content_settings.javascript", json!(2))];
    let Some(browser) = Browser::open_with(&preferences).await else { return };
    let scene = Scene::open(RAMP).await;
    scene.save("v2", RAMP);
    scene.house.until_phase("Judging").await;
    browser.open_page(&scene.url("/")).await;
    let card = browser.text("#card-api").await;
    for said in [
        "Judging",
        "v1 80 % v2 20 %",
        "step 2 of 2",
        "clear in ",
        "keep v1",
        "cutover rollback api",
    ] {
        assert!(card.contains(said), "{said:?} is not in {card}");
    }
    assert_eq!(browser.run("return document.querySelectorAll('svg[role=img]').length").await, 1);
    let text = browser.text("body").await;
    assert!(text.contains("as of ") && !text.contains("connecting"), "{text}");
    assert_eq!(browser.run("return document.querySelector('#filters').offsetHeight").await, 0);
    browser.pictures("without-scripts").await;
    // Not by a script: the browser itself loads it again, and so shows what has become of it.
    scene.house.save(&scene.file("v1", RAMP));
    browser.until("#rows", "v1 100 %").await;
    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#past", "Release 1: v1 → v2").await;
    browser.pictures("without-scripts-service").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_ask_for_html_is_shown_text() {
    let scene = Scene::open(RAMP).await;
    let (code, page) =
        cutover::admin::client::get(scene.house.daemon.http(), "/").await.expect("a page");
    let page = String::from_utf8_lossy(&page);
    assert!(code == 200 && page.starts_with("zone.test  generation "), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_focused_and_filtered_stays_so_while_the_page_changes() {
    let Some(browser) = Browser::open().await else { return };
    let scene = Scene::open(RAMP).await;
    browser.open_page(&scene.url("/")).await;
    browser.until("#link", "live").await;
    browser.run("document.querySelector('#filter').focus()").await;
    browser.press("ap").await;
    browser.until("#found", "1 of 1").await;
    scene.save("v2", RAMP);
    browser.until("#row-api", "Judging").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "filter");
    browser.press("x").await;
    browser.until("#found", "0 of 1").await;
    assert_eq!(browser.run("return document.querySelector('#row-api').offsetHeight").await, 0);

    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#link", "live").await;
    browser.run("document.querySelector('#numbers summary').focus()").await;
    browser.press("\u{e007}").await;
    let open = "return document.querySelector('#numbers').open";
    assert_eq!(browser.run(open).await, true);
    let rows = "return document.querySelectorAll('#numbers tbody tr').length";
    let before = browser.run(rows).await;
    while browser.run(rows).await == before {
        super::common::pause().await;
    }
    assert_eq!(browser.run(open).await, true);
    assert_eq!(browser.run("return document.activeElement.tagName").await, "SUMMARY");
    browser.close().await;
}

/// axe-core, as npm has it; nothing, and a word about it, where it cannot be had.
fn axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe");
    let script = folder.join("package/axe.min.js");
    if !script.is_file() {
        let npm = program("npm")?;
        fs::create_dir_all(&folder).expect("a folder");
        let packed = run(&npm, &["pack", "--silent", AXE], &folder);
        let name = packed.lines().last().unwrap_or_default().to_owned();
        run(Path::new("tar"), &["-xzf", &name], &folder);
    }
    let read = fs::read_to_string(&script);
    if read.is_err() {
        let _ = writeln!(io::stderr(), "skipped: npm cannot get {AXE}");
    }
    read.ok()
}

fn run(program: &Path, arguments: &[&str], folder: &PathBuf) -> String {
    let ended = Command::new(program).args(arguments).current_dir(folder).output();
    ended.map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_core_finds_nothing_serious() {
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::open().await else { return };
    let scene = Scene::open(RAMP).await;
    scene.pools.hosts[1].set_healthy(false);
    scene.house.until("it is degraded", |status| status.services["api"].health == "degraded").await;
    scene.save("v2", RAMP);
    scene.house.until_phase("Judging").await;
    for path in ["/", "/services/api", "/services/none"] {
        browser.open_page(&scene.url(path)).await;
        for look in [DESK, DARK, PHONE] {
            browser.look(look).await;
            let serious = findings(&browser, &axe).await;
            assert!(serious.is_empty(), "{path} {}: {serious:#?}", look.name);
        }
    }
    browser.close().await;
}

/// What is serious or critical, in short.
async fn findings(browser: &Browser, axe: &str) -> Vec<Value> {
    let script = format!(
        "const done = arguments[arguments.length - 1]; {axe};
        axe.run(document).then((found) => done(found.passes.length < 15 ? ['it has hardly run'] : found.violations
            .filter((it) => ['serious', 'critical'].includes(it.impact))
            .map((it) => [it.id, it.help, it.nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary)])))"
    );
    browser.run_async(&script).await.as_array().cloned().expect("findings")
}
