//! Which pool clients would be given: `GET /services/SERVICE/sample`.
//!
//! `?clients=N&seed=N` for made-up ones, `?client=ADDRESS` as often as needed for real ones.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use super::{
    Inquiry, json,
    orders::{Undone, replied},
    socket::{self, OrderError},
};
use crate::model::ServiceName;

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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct PoolSample {
    /// How many percent of the clients it is meant to answer.
    pub target: f64,
    /// How many it would answer of those that were asked for.
    pub clients: u32,
    /// The same in percent.
    pub share: f64,
}

/// What one client is given.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct ClientSample {
    /// Its address.
    pub address: IpAddr,
    /// The network that it stands in, which is what counts.
    pub network: String,
    /// The pool.
    pub pool: String,
}

pub(super) fn routes(inquiry: Inquiry) -> Router {
    Router::new().route("/services/{service}/sample", get(sample)).with_state(inquiry)
}

async fn sample(
    State(inquiry): State<Inquiry>,
    UrlPath(service): UrlPath<String>,
    uri: Uri,
) -> Response {
    let Ok(name) = service.parse::<ServiceName>() else {
        return json(StatusCode::NOT_FOUND, &Undone::Unknown(service));
    };
    match asked_for(uri.query().unwrap_or_default()) {
        Some(clients) => replied(inquiry.sample(name, clients).await),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

fn asked_for(query: &str) -> Option<Clients> {
    let (mut count, mut seed, mut listed) = (None, 0, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=')? {
            ("clients", number) => count = Some(number.parse().ok()?),
            ("seed", number) => seed = number.parse().ok()?,
            ("client", address) => listed.push(address.parse().ok()?),
            _ => return None,
        }
    }
    match count {
        Some(count) if count <= CLIENTS_MAX && listed.is_empty() => {
            Some(Clients::Synthetic { count, seed })
        }
        None if !listed.is_empty() => Some(Clients::Listed(listed)),
        _ => None,
    }
}

/// Which pool these clients would be given, says the daemon behind a socket.
pub async fn ask(socket: &Path, service: &str, clients: &Clients) -> Result<Sample, OrderError> {
    let query = match clients {
        Clients::Synthetic { count, seed } => format!("clients={count}&seed={seed}"),
        Clients::Listed(listed) => {
            let each = |address: &IpAddr| format!("client={address}");
            listed.iter().map(each).collect::<Vec<_>>().join("&")
        }
    };
    socket::get(socket, &format!("/services/{service}/sample?{query}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_either_a_number_or_clients() {
        let listed = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().expect("an address"));
        assert_eq!(
            asked_for("client=192.0.2.1&client=2001:db8::1"),
            Some(Clients::Listed(listed.into()))
        );
        assert_eq!(asked_for("clients=10&seed=3"), Some(Clients::Synthetic { count: 10, seed: 3 }));
        for wrong in ["", "clients=1000001", "clients=1&client=192.0.2.1", "client=x", "a=b"] {
            assert_eq!(asked_for(wrong), None, "{wrong}");
        }
    }
}
