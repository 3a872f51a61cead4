//! A thousand services on the page, several of which are being released: how soon it is there, what an
//! update costs the browser, and what the stream sends. Times are printed; octets are held to the bar.

use std::time::Instant;

use super::{
    common::{crowd, pause, pools::Pools},
    driver::{Browser, DESK},
};

const SERVICES: usize = 1000;
/// Notes what keeps the browser from anything else for 50 ms or longer.
const LONG_TASKS: &str = "window.longest = 0; new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
}).observe({ type: 'longtask' })";
/// How long the stream is looked at, in seconds.
const LOOKED_AT: u64 = 20;
/// The bar: octets of the stream in a second.
const STREAM_MAX: u64 = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_services_stay_usable() {
    let Some(browser) = Browser::open().await else { return };
    let pools = Pools::start().await;
    let house = crowd::start(SERVICES, &pools).await;
    let asking = crowd::ask(&house);

    let home = format!("http://{}/", house.daemon.http());
    browser.look(DESK).await;
    browser.open_page(&home).await;
    browser.until("#link", "live").await;
    assert_eq!(
        browser.run("return document.querySelectorAll('#rows > tr').length").await,
        SERVICES
    );
    let cards = browser.run("return document.querySelectorAll('.card').length").await;
    assert_eq!(cards, crowd::RELEASED);
    let paint = browser
        .run("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1")
        .await;
    let size =
        browser.run("return performance.getEntriesByType('navigation')[0].encodedBodySize").await;
    // What else than putting it there an update costs is seen in what keeps the browser busy for long.
    browser.run(LONG_TASKS).await;
    let applied = async || browser.run("return { ...cutoverApplied }").await;
    let number = |value: &serde_json::Value| value.as_f64().expect("a number") as u64;
    let (begun, before) = (Instant::now(), applied().await);
    while number(&applied().await["beats"]) < number(&before["beats"]) + LOOKED_AT {
        pause().await;
    }
    let (after, secs) = (applied().await, begun.elapsed().as_secs_f64());
    let octets = (number(&after["octets"]) - number(&before["octets"])) as f64 / secs;
    let longest = browser.run("return longest").await;
    tell(&format!(
        "a page of {size} octets is painted after {paint} ms; the longest update took {} ms, the longest task \
         {longest} ms (0: none of 50 ms); the stream has {octets:.0} octets in a second",
        after["longest"]
    ));
    browser.pictures("thousand").await;
    assert!(octets < STREAM_MAX as f64, "{octets} octets in a second");
    assert!(octets > 100.0, "something has changed, or it was not looked at");
    // The bar is a second, on a machine of its own.
    assert!(paint.as_f64().is_some_and(|paint| (0.0..5_000.0).contains(&paint)), "{paint}");

    browser.run("document.querySelector('#filter').focus()").await;
    browser.press("s099").await;
    browser.until("#found", "10 of 1000").await;
    asking.abort();
    browser.assert_kept_to_itself(&home).await;
    browser.close().await;
}

/// Not `println!`: the harness keeps back what a passing test prints.
fn tell(figures: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{figures}");
}
