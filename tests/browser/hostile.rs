//! What others can make of names, reasons and mistakes: it is shown, and nothing more comes of it.

use super::{driver::Browser, scene::Scene};

/// Whatever a person or a file can say that is shown: markup, quotes, an entity, and letters that turn
/// the direction of the text.
const EVIL: &str = "<script>document.title='hacked'</script><img src=x onerror=\"hacked=1\">\
    '\"&lt;&amp;\u{202e}</textarea></title></style><!--";

#[tokio::test(flavor = "multi_thread")]
async fn what_others_say_is_text_and_nothing_else() {
    let Some(browser) = Browser::open().await else { return };
    // As long as a name can be, and with all that it can have.
    let evil_name = format!("{}.{}", "a-b_".repeat(15), "x".repeat(63));
    let scene = Scene::open("bake = \"1h\"").await;
    let file = scene.file("v1", "bake = \"1h\"");
    let pool = ".".repeat(63);
    let more = format!(
        "[services.\"{evil_name}\"]\nlive = \"{pool}\"\npools.\"{pool}\".endpoints = [\"192.0.2.1\"]\n"
    );
    scene.house.save(&format!("{file}{more}"));
    browser.open_page(&scene.url("/")).await;
    browser.until("#rows", &evil_name).await;
    browser.pictures("hostile-names").await;
    browser.open_page(&scene.url(&format!("/services/{evil_name}"))).await;
    browser.until("#pools", &pool).await;
    browser.pictures("hostile-names-service").await;

    // A mistake is shown with what is wrong about it, which can be anything.
    browser.open_page(&scene.url("/")).await;
    let quoted = serde_json::json!(EVIL);
    scene.house.save(&format!("{file}\n[services.{quoted}]\nlive = {quoted}\n{quoted} = 1\n"));
    browser.until("#banners", "The file on disk is refused").await;
    let banner = browser.until("#banners", "<script>").await;
    assert!(banner.contains("Mend it and save"), "{banner}");
    browser.until("#head", "file refused").await;
    browser.pictures("hostile-file").await;

    // And so can what somebody gives as a reason.
    let reason = EVIL.replace('\u{202e}', "").parse().expect("a reason");
    let by = "user 0".to_owned();
    let stop = cutover::admin::orders::Stop::Freeze { by, reason: Some(reason) };
    scene.house.daemon.inquiry().stop(stop).await.expect("it answers").expect("it is done");
    let banner = browser.until("#b-freeze", "Frozen since").await;
    assert!(banner.contains("onerror="), "{banner}");
    assert_harmless(&browser).await;
    browser.open_page(&scene.url("/services/api")).await;
    browser.until("#banners", "onerror=").await;
    assert_harmless(&browser).await;
    browser.open_page(&scene.url("/services/%3Cscript%3Ealert(1)%3C%2Fscript%3E")).await;
    browser.until("main", "There is no such service").await;
    browser.open_page(&scene.url("/services/none")).await;
    browser.until("main", "There is no service none here").await;
    // Those were not found, which a browser tells too.
    let said = browser.said().await;
    assert!(said.iter().all(|line| line.contains("404")), "{said:#?}");
    browser.assert_kept_to_itself(&scene.url("/")).await;
    browser.close().await;
}

async fn assert_harmless(browser: &Browser) {
    let made = "return [...document.querySelectorAll('#banners img, #banners script')].length \
        + Number('hacked' in window)";
    assert_eq!(browser.run(made).await, 0);
    let title = browser.run("return document.title").await;
    assert!(!title.to_string().contains("hacked"), "{title}");
}
