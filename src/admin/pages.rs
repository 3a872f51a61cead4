//! What other programs watch: `/status`, `/history`, `/metrics`, `/healthz`, `/readyz`; and the tree, for
//! those who ask for the page without being browsers.
//!
//! The facts come from the conductor, asked anew each time, so a page can never be older than the request
//! for it; and a control plane that has stopped ticking shows as unhealthy.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{Site, access, api, metrics, tree};

/// What else there is to see.
const PAGES: &str = "/status  this as JSON\n/history  the releases so far, as JSON; /history/SERVICE of one service\n/api/v1/openapi.json  the API\n/metrics  for Prometheus\n/healthz  the control plane ticks\n/readyz  services can be answered\n";

/// All of them.
pub(super) fn router(site: &Site) -> Router<Site> {
    let for_readers = Router::new()
        .route("/status", get(api::status))
        .route("/history", get(api::history_of_all))
        .route("/history/{service}", get(api::history_of_one))
        .route_layer(from_fn_with_state(site.clone(), access::read));
    let for_all = Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(health_page))
        .route("/readyz", get(ready_page));
    for_readers.merge(for_all)
}

/// Plain text on purpose: names from the file cannot become markup.
pub(super) async fn tree_page(site: &Site) -> Response {
    match site.inquiry.status().await {
        Some(status) => format!("{}\n{PAGES}", tree::tree(&status)).into_response(),
        None => stalled(),
    }
}

async fn metrics_page(State(site): State<Site>) -> Response {
    let status = site.inquiry.status().await;
    match metrics::render(&site.registry, status.as_deref()) {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The process works: the control plane ticks.
async fn health_page(State(site): State<Site>) -> Response {
    match site.inquiry.pulse().await {
        Some(_) => "ok\n".into_response(),
        None => stalled(),
    }
}

/// Services can be answered.
async fn ready_page(State(site): State<Site>) -> Response {
    match site.inquiry.pulse().await {
        Some(pulse) if pulse.ready => "ready\n".into_response(),
        Some(_) => unavailable("no valid release file has been read yet, and nothing was kept\n"),
        None => stalled(),
    }
}

fn stalled() -> Response {
    unavailable("the control plane does not answer\n")
}

fn unavailable(why: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}
