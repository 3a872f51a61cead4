//! A daemon that goes and comes back: whoever watches is told so, and goes on watching.

use super::{
    common::{House, pools::Pools},
    driver::Browser,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_when_the_daemon_is_another_one() {
    let Some(browser) = Browser::open().await else { return };
    let pools = Pools::start().await;
    let house = House::start(&pools.file("v1", "bake = \"1h\"")).await;
    house.until_pool_is("v2", "up").await;
    let http = house.daemon.http();
    browser.open_page(&format!("http://{http}/")).await;
    browser.until("#link", "live").await;
    house.save(&pools.file("v2", "bake = \"1h\""));
    browser.until("#rows", "Baking").await;
    let folder = house.stop().await;
    browser.until("#link", "reconnecting").await;
    // What was shown is still there, and is not said to be fresh.
    browser.until("#rows", "v2 100 %").await;
    let house = House::start_in(folder, "127.0.0.1", |settings| settings.http = http).await;
    browser.until("#link", "live").await;
    house.save(&pools.file("v1", "bake = \"1h\""));
    browser.until("#rows", "v1 100 %").await;
    browser.close().await;
}
