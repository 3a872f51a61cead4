//! A release from start to end, as it is seen.

use cutover::{admin::orders, cutover::Verb};

use super::{common::pause, driver::Browser, scene::Scene};

const RAMP: &str =
    "ramp = [{ share = \"20%\", bake = \"1h\" }]\nbake = \"1h\"\npin_allowance = \"2s\"";

/// Waits until so many seconds of the release have been counted.
async fn counted(scene: &Scene, points: usize) {
    loop {
        let api = vec!["api".parse().expect("a service")];
        let courses = scene.house.daemon.inquiry().courses(api).await.expect("it answers");
        if courses.get("api").is_some_and(|course| course.points.len() >= points) {
            return;
        }
        pause().await;
    }
}

async fn promote(scene: &Scene) {
    let done = orders::ask(&scene.socket, "api", Verb::Promote, &[]).await;
    done.expect("it is a step forward");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_seen_in_each_of_its_phases() {
    let Some(browser) = Browser::open().await else { return };
    let scene = Scene::open(RAMP).await;
    browser.open_page(&scene.url("/")).await;
    browser.until("#link", "live").await;
    browser.until("#rows", "v1 100 %").await;
    browser.until("#more-cards", "No release is under way").await;
    browser.pictures("1-steady").await;

    scene.pools.hosts[3].set_healthy(false);
    scene
        .house
        .until("it is down", |status| {
            status.services["api"].pools["v2"].endpoints.iter().any(|it| it.verdict == "down")
        })
        .await;
    scene.save("v2", RAMP);
    browser.until("#card-api", "Probing").await;
    let card = browser.until("#card-api", "1 of 2 endpoints of v2 are up").await;
    assert!(card.contains("v1 to → v2"), "{card}");
    browser.until("#rows", "Probing").await;
    let probed = browser.until("#probed-api", "127.0.2.2 down").await;
    assert!(probed.contains("127.0.2.1 up") && probed.contains(" ms"), "{probed}");
    browser.pictures("2-probing").await;

    scene.pools.hosts[3].set_healthy(true);
    browser.until("#card-api", "Judging").await;
    browser.until("#card-api", "step 1 of 2: 20 %").await;
    counted(&scene, 8).await;
    browser.until("#card-api .next", "step 2 of 2").await;
    browser.until("#card-api .back", "clear in ").await;
    browser.until("#card-api .off", "keep v1").await;
    browser.until("#picture-api", "20 %").await;
    browser.until("#row-api", "v1 80 % v2 20 %").await;
    // Without a token nothing can be done from here; how it is done is said.
    assert_eq!(
        browser.run("return document.querySelectorAll('.does button, dialog').length").await,
        0
    );
    browser.until("#card-api .does", "cutover rollback api").await;
    browser.pictures("3-judging").await;
    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#board", "step 1 of 2: 20 %").await;
    browser.pictures("3-judging-service").await;
    browser.open_page(&scene.url("/")).await;

    promote(&scene).await;
    browser.until("#card-api", "Baking").await;
    browser.until("#card-api .clearing", "v1 in caches").await;
    browser.pictures("4-baking").await;
    promote(&scene).await;
    browser.until("#more-cards", "No release is under way").await;
    browser.until("#rows", "v2 100 %").await;
    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#past", "released").await;
    browser.run("document.querySelector('#past details').open = true").await;
    browser.pictures("5-done-service").await;
    browser.assert_kept_to_itself(&scene.url("/")).await;
    browser.close().await;
}
