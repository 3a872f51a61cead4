//! Two pools of small hosts.

use std::net::IpAddr;

use tokio::task::JoinSet;

use super::{
    endpoints::{self, Endpoint},
    release,
};

/// The hosts of both pools, until it is dropped.
pub struct Pools {
    pub hosts: Vec<Endpoint>,
    pub v1: Vec<IpAddr>,
    pub v2: Vec<IpAddr>,
    pub port: u16,
    _servers: JoinSet<()>,
}

impl Pools {
    /// Two hosts each, all healthy.
    pub async fn start() -> Self {
        let all = ["127.0.1.1", "127.0.1.2", "127.0.2.1", "127.0.2.2"];
        let (port, hosts, servers) = endpoints::start(&all).await;
        let addresses: Vec<IpAddr> = hosts.iter().map(|host| host.address).collect();
        let (v1, v2) = (addresses[..2].to_vec(), addresses[2..].to_vec());
        Self { hosts, v1, v2, port, _servers: servers }
    }

    /// A release file.
    pub fn file(&self, live: &str, more: &str) -> String {
        release(live, &self.v1, &self.v2, self.port, more)
    }
}
