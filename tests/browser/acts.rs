//! The verbs from the page, by keyboard: nothing is done before it has been seen what it would do.

use super::{
    driver::Browser,
    scene::{Scene, TOKEN},
};

const RAMP: &str = "ramp = [{ share = \"20%\", bake = \"1h\" }]\nbake = \"1h\"";
const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";
const ESCAPE: &str = "\u{e00c}";

/// Goes to a button as Tab would, and presses it.
async fn press_verb(browser: &Browser, verb: &str) {
    browser.until(".does", "cutover").await;
    browser.run(&format!("document.querySelector('button[data-verb={verb}]').focus()")).await;
    browser.press(ENTER).await;
}

async fn is_asked(browser: &Browser) -> bool {
    browser.run("return document.querySelector('#ask').open").await == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_asked_for_seen_and_done() {
    let Some(browser) = Browser::open().await else { return };
    let scene = Scene::open_to_act(RAMP).await;
    scene.save("v2", RAMP);
    scene.house.until_phase("Judging").await;
    browser.open_page(&scene.url("/")).await;
    browser.until("#card-api", "Judging").await;
    press_verb(&browser, "rollback").await;
    browser.until("#ask-heading", "Roll back api to v1").await;
    browser.press(&format!("a-token-that-is-none-of-ours-01{ENTER}")).await;
    browser.until("#ask-plan", "this token is none of the daemon's").await;
    browser.pictures("acts-1-wrong-token").await;
    browser.run("document.querySelector('#ask-token').value = ''").await;
    browser.press(&format!("{TOKEN}{ENTER}")).await;
    let plan = browser.until("#ask-plan", "RollingBack").await;
    assert!(plan.contains("v1 80 %, v2 20 % → v1 100 % (Judging now)"), "{plan}");
    assert!(
        plan.contains("at once: RollingBack") && plan.contains("v2 is out of caches after"),
        "{plan}"
    );
    browser.until("#ask-do", "Roll back api to v1").await;
    browser.pictures("acts-2-plan").await;
    browser.press(ESCAPE).await;
    assert!(!is_asked(&browser).await);
    assert_eq!(scene.house.api().await.phase, "Judging", "whoever only looked has done nothing");

    // Now in earnest; the token is known.
    press_verb(&browser, "rollback").await;
    browser.until("#ask-do", "See what it would do").await;
    browser.press(ENTER).await;
    browser.until("#ask-plan", "at once: RollingBack").await;
    // Pressed once more by accident it is not done either; the button is the next stop.
    browser.press(ENTER).await;
    assert_eq!(scene.house.api().await.phase, "Judging");
    browser.press(&format!("{TAB}{ENTER}")).await;
    browser.until("#ask-plan", "Judging → RollingBack").await;
    browser.pictures("acts-3-done").await;
    browser.press(ENTER).await;
    assert!(!is_asked(&browser).await);
    browser.until("#card-api", "Failed").await;
    browser.until("#row-api", "v1 100 %").await;
    browser.until("#card-api .why", "rollback by token oncall").await;
    browser.pictures("acts-4-failed").await;
    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#past", "rolled back").await;
    let history = browser.run("return document.querySelector('#past').textContent").await;
    assert!(history.to_string().contains("rollback by token oncall"), "{history}");
    let said = browser.said().await;
    assert!(said.iter().all(|line| line.contains("401")), "only of the wrong token: {said:#?}");
    browser.assert_kept_to_itself(&scene.url("/")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_said_and_can_be_broken_by_its_name() {
    let Some(browser) = Browser::open().await else { return };
    let scene = Scene::open_to_act(RAMP).await;
    scene.save("v2", RAMP);
    scene.house.until_phase("Judging").await;
    cutover::admin::orders::ask_to_freeze(&scene.socket, None).await.expect("it can be frozen");
    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#banners", "Frozen since").await;
    press_verb(&browser, "promote").await;
    browser.press(&format!("{TOKEN}{ENTER}")).await;
    let refused = browser.until("#ask-plan", "Refused").await;
    assert!(refused.contains("break the rule freeze for this once"), "{refused}");
    browser.pictures("acts-5-refused").await;
    browser.press(&format!("{TAB} {ENTER}")).await;
    browser.until("#ask-plan", "Breaks for this once: freeze").await;
    browser.until("#ask-do", "Promote api").await;
    browser.press(&format!("{TAB}{ENTER}")).await;
    browser.until("#ask-plan", "Done.").await;
    scene
        .house
        .until("all have moved", |it| it.services["api"].serving.get("v2") == Some(&100))
        .await;
    browser.close().await;
}

/// Answers nothing by itself, and remembers what was asked.
const HOLD_BACK: &str =
    "window.asked = []; window.fetch = (url, { body, signal }) => new Promise((resolve) => {
    const answer = (said) => resolve({ ok: true, status: 200, json: async () => said });
    asked.push({ url, signal, isDone: !JSON.parse(body).dry_run, answer });
})";

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_stays_out_of_another_dialog_and_nothing_is_done_twice() {
    let Some(browser) = Browser::open().await else { return };
    let scene = Scene::open_to_act(RAMP).await;
    scene.save("v2", RAMP);
    scene.house.until_phase("Judging").await;
    browser.open_page(&scene.url("/services/api")).await;
    browser.run(HOLD_BACK).await;
    press_verb(&browser, "promote").await;
    browser.press(&format!("{TOKEN}{ENTER}")).await;
    assert_eq!(browser.run("return asked.length").await, 1);
    browser.press(ESCAPE).await;
    assert!(!is_asked(&browser).await);
    assert_eq!(browser.run("return asked[0].signal.aborted").await, true);

    press_verb(&browser, "pause").await;
    browser.until("#ask-heading", "Pause api").await;
    browser.run("asked[0].answer({ changed: {} })").await;
    let heading = browser.text("#ask-heading").await;
    assert_eq!(
        (heading.as_str(), &*browser.text("#ask-do").await),
        ("Pause api", "See what it would do")
    );
    assert!(browser.text("#ask-plan").await.contains("Nothing is done before"));

    // Neither does the late one keep this one from being asked.
    browser.run("document.querySelector('#ask-token').focus()").await;
    browser.press(&format!("{TOKEN}{ENTER}")).await;
    browser.run("asked[1].answer({ changed: {} })").await;
    browser.until("#ask-do", "Pause api").await;
    browser.press(&format!("{TAB}{ENTER}")).await;
    assert_eq!(browser.run("return asked[2].isDone").await, true);
    browser.run("asked[2].answer({ transitions: [], generation: 1 })").await;
    browser.until("#ask-plan", "Done.").await;
    browser.run("document.querySelector('#ask-token').focus()").await;
    browser.press(ENTER).await;
    assert_eq!(browser.run("return asked.length").await, 3, "it is not done once more");
    browser.close().await;
}
