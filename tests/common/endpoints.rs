//! Small HTTP servers that can be broken and mended.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use tokio::{net::TcpListener, task::JoinSet};

/// Hosts on loopback addresses, all on one port.
pub struct Endpoint {
    pub address: IpAddr,
    healthy: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    delay_ms: Arc<AtomicU64>,
}

impl Endpoint {
    pub fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::SeqCst);
    }

    /// How long it takes for each answer from now on.
    pub fn set_delay(&self, millis: u64) {
        self.delay_ms.store(millis, Ordering::SeqCst);
    }

    /// How many requests it has seen.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Starts one host per address; they end with the returned set.
pub async fn start(addresses: &[&str]) -> (u16, Vec<Endpoint>, JoinSet<()>) {
    loop {
        if let Some(started) = try_start(addresses).await {
            return started;
        }
    }
}

async fn try_start(addresses: &[&str]) -> Option<(u16, Vec<Endpoint>, JoinSet<()>)> {
    let mut port = 0;
    let mut listeners = Vec::new();
    for address in addresses {
        let address: IpAddr = address.parse().expect("an address");
        let listener = match TcpListener::bind((address, port)).await {
            Ok(listener) => listener,
            // Another test has this port on this address: take another port.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return None,
            Err(error) => panic!("{address}: {error}"),
        };
        port = listener.local_addr().expect("bound").port();
        listeners.push((address, listener));
    }
    let mut tasks = JoinSet::new();
    let mut endpoints = Vec::new();
    for (address, listener) in listeners {
        let healthy = Arc::new(AtomicBool::new(true));
        let asked = Arc::new(AtomicUsize::new(0));
        let delay_ms = Arc::new(AtomicU64::new(0));
        endpoints.push(Endpoint {
            address,
            healthy: healthy.clone(),
            asked: asked.clone(),
            delay_ms: delay_ms.clone(),
        });
        let page = get(async move || {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(delay_ms.load(Ordering::SeqCst))).await;
            // Who it was, for those who ask by way of somebody else.
            let host = [("x-host", address.to_string())];
            match healthy.load(Ordering::SeqCst) {
                true => (StatusCode::OK, host, "ok"),
                false => (StatusCode::SERVICE_UNAVAILABLE, host, "broken"),
            }
        });
        tasks.spawn(async move {
            let _ = axum::serve(listener, Router::new().fallback(page)).await;
        });
    }
    Some((port, endpoints, tasks))
}
