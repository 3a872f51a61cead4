//! Two pools of small hosts, and a daemon in this process that can be started again.

use std::net::IpAddr;

use cutover::{
    admin::orders::{Done, Undone},
    config::Settings,
    cutover::{Order, Verb},
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::common::{
    House,
    endpoints::{self, Endpoint},
    release,
};

/// The hosts of both pools.
pub(crate) struct Pools {
    pub(crate) hosts: Vec<Endpoint>,
    pub(crate) v1: Vec<IpAddr>,
    pub(crate) v2: Vec<IpAddr>,
    pub(crate) port: u16,
    _servers: JoinSet<()>,
}

impl Pools {
    pub(crate) async fn start() -> Self {
        let all = ["127.0.1.1", "127.0.1.2", "127.0.2.1", "127.0.2.2"];
        let (port, hosts, servers) = endpoints::start(&all).await;
        let addresses: Vec<IpAddr> = hosts.iter().map(|host| host.address).collect();
        let (v1, v2) = (addresses[..2].to_vec(), addresses[2..].to_vec());
        Self { hosts, v1, v2, port, _servers: servers }
    }

    /// A release file.
    pub(crate) fn file(&self, live: &str, more: &str) -> String {
        release(live, &self.v1, &self.v2, self.port, more)
    }

    /// A daemon that answers v1, with v2 healthy.
    pub(crate) async fn house(&self, more: &str) -> House {
        let house = House::start(&self.file("v1", more)).await;
        house.until_pool_is("v2", "up").await;
        house.until_pool_is("v1", "up").await;
        house
    }
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
