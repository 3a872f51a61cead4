//! What a release must prove, against the real daemon: smoke tests and performance of real hosts,
//! guards that ask a server, and confirmations that are asked for and signed.

#[path = "../common/mod.rs"]
mod common;
mod confirm;
mod file;
mod guards;
mod performance;
mod server;
mod smoke;

use common::{House, pools::Pools};
use cutover::admin::{
    client,
    history::Past,
    status::{ReleaseStatus, ServiceStatus},
};

/// The release of the service `api`.
fn release(service: &ServiceStatus) -> &ReleaseStatus {
    service.release.as_ref().expect("one is under way")
}

/// What became of the last release.
async fn last(house: &House) -> Past {
    let history = client::history(house.daemon.http(), None).await.expect("it answers");
    history.last().expect("there was one").clone()
}

/// A daemon that answers v1, and has found v2 up.
async fn standing(pools: &Pools, more: &str) -> House {
    let house = House::start(&pools.file("v1", more)).await;
    house.until_pool_is("v2", "up").await;
    house
}
