//! A daemon in this process that can be started again.

use std::net::IpAddr;

use cutover::{
    admin::orders::{Done, Undone},
    config::Settings,
    cutover::{Order, Verb},
};
use tempfile::TempDir;

use crate::common::{House, pools::Pools};

/// A daemon that answers v1, with v2 healthy.
pub(crate) async fn house(pools: &Pools, more: &str) -> House {
    let house = House::start(&pools.file("v1", more)).await;
    house.until_pool_is("v2", "up").await;
    house.until_pool_is("v1", "up").await;
    house
}

/// Ends it and starts it again in the same folder.
pub(crate) async fn restarted(house: House) -> House {
    started(house.stop().await).await
}

pub(crate) async fn started(folder: TempDir) -> House {
    House::start_in(folder, "127.0.0.1", |_: &mut Settings| {}).await
}

/// A verb, as the admin socket would bring it.
pub(crate) async fn ask(house: &House, verb: Verb) -> Result<Done, Undone> {
    let order = Order { verb, to: None, by: "user 7".to_owned(), force: Default::default() };
    let service = "api".parse().expect("a name");
    house.daemon.inquiry().order(service, order).await.expect("the control plane answers")
}

pub(crate) async fn addresses(house: &House) -> Vec<IpAddr> {
    house.client.ask("api.zone.test", "A").await.addresses
}
