//! Which pool clients would be given.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api::Sampling,
    socket::{self, OrderError},
};

/// Made-up clients at most.
pub const CLIENTS_MAX: u32 = 1_000_000;

/// Whom to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// So many made-up ones, spread evenly over IPv4 and IPv6; a seed always gives the same.
    Synthetic {
        /// How many.
        count: u32,
        /// Which of them.
        seed: u64,
    },
    /// These.
    Listed(Vec<IpAddr>),
}

/// Which pool they would be given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Sample {
    /// The phase of the service.
    pub phase: String,
    /// `sticky`, or `random`: then each question draws anew, and this is one draw.
    pub spread: String,
    /// The pools that answer.
    pub pools: BTreeMap<String, PoolSample>,
    /// The clients that were asked for by address, in that order.
    pub clients: Vec<ClientSample>,
}

/// How many of them one pool gets.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct PoolSample {
    /// How many percent of the clients it is meant to answer.
    pub target: f64,
    /// How many it would answer of those that were asked for.
    pub clients: u32,
    /// The same in percent.
    pub share: f64,
}

/// What one client is given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ClientSample {
    /// Its address.
    pub address: IpAddr,
    /// The network that it stands in, which is what counts.
    pub network: String,
    /// The pool.
    pub pool: String,
}

/// Which pool these clients would be given, says the daemon behind a socket.
pub async fn ask(socket: &Path, service: &str, clients: &Clients) -> Result<Sample, OrderError> {
    let path = format!("/api/v1/services/{service}/sample");
    let asked = match clients {
        Clients::Synthetic { count, seed } => {
            Sampling { clients: Some(*count), seed: *seed, addresses: Vec::new() }
        }
        Clients::Listed(addresses) => {
            Sampling { clients: None, seed: 0, addresses: addresses.clone() }
        }
    };
    socket::post(socket, &path, &asked, socket::LONG_PATIENCE).await
}
