//! Floor 2: what people and their tools see: `/`, `/metrics`, `/healthz`, `/readyz`, `/status`,
//! `/history`.
//!
//! Read only, meant for loopback. The facts come from the conductor, asked anew each time
//! ([`Inquiry`]), so a page can never be older than the request for it; and a control plane
//! that has stopped ticking shows as unhealthy.

pub mod client;
pub mod course;
pub mod history;
mod metrics;
pub mod orders;
pub mod plan;
pub mod proof;
pub mod sample;
pub mod socket;
pub mod status;
pub mod tree;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::Registry;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};

use course::CourseStatus;
use history::Past;
use orders::{Done, Stop, Undone};
use plan::Plan;
use sample::{Clients, Sample};
use status::{FileStatus, Pulse, Status};

use crate::{
    cutover::Order,
    model::{Desired, ServiceName},
};

/// How long the conductor may take to say how things are.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what has to be computed may take, for a file of a million services too.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// A question to the conductor, with the way to answer it.
#[derive(Debug)]
pub enum Request {
    /// How everything is.
    Status(oneshot::Sender<Box<Status>>),
    /// The short form, for those who ask every few seconds: its cost hardly grows with services.
    Pulse(oneshot::Sender<Pulse>),
    /// What became of the releases of a service, or of all of them.
    History(Option<ServiceName>, oneshot::Sender<Result<Vec<Past>, String>>),
    /// How the releases of these services have gone so far; of those that are counted.
    Courses(Vec<ServiceName>, oneshot::Sender<BTreeMap<String, CourseStatus>>),
    /// What a person asks of a service. Answered when it is being answered from.
    Order(ServiceName, Order, oneshot::Sender<Result<Done, Undone>>),
    /// That everything is to stand still, or no longer. Likewise.
    Stop(Stop, oneshot::Sender<Result<Done, Undone>>),
    /// A service that the file no longer names is to go; who asks. Answered when it is gone.
    Forget(ServiceName, String, oneshot::Sender<Result<Done, Undone>>),
    /// What has become of the release file on disk.
    File(oneshot::Sender<FileStatus>),
    /// What saving this file would do, and its text.
    Plan(Arc<Desired>, Arc<String>, oneshot::Sender<Box<Plan>>),
    /// Which pool these clients of a service would be given.
    Sample(ServiceName, Clients, oneshot::Sender<Result<Sample, Undone>>),
}

/// What else there is to see.
const PAGES: &str = "/status  this as JSON\n/history  the releases so far, as JSON; /history/SERVICE of one service\n/metrics  for Prometheus\n/healthz  the control plane ticks\n/readyz  services can be answered\n";

/// The way to ask the conductor.
#[derive(Clone)]
pub struct Inquiry(mpsc::Sender<Request>);

impl Inquiry {
    /// Asks whoever receives from the other end of `requests`.
    pub fn new(requests: mpsc::Sender<Request>) -> Self {
        Self(requests)
    }

    /// How everything is; `None` when the control plane does not say so in time.
    pub async fn status(&self) -> Option<Box<Status>> {
        self.ask(Request::Status).await
    }

    /// How things are in short; likewise.
    pub async fn pulse(&self) -> Option<Pulse> {
        self.ask(Request::Pulse).await
    }

    /// What became of the releases of a service, or of all of them; likewise.
    pub async fn history(&self, service: Option<ServiceName>) -> Option<Result<Vec<Past>, String>> {
        self.ask(|reply| Request::History(service, reply)).await
    }

    /// How the releases of these services have gone so far, of those that are counted; likewise.
    pub async fn courses(
        &self,
        services: Vec<ServiceName>,
    ) -> Option<BTreeMap<String, CourseStatus>> {
        self.ask(|reply| Request::Courses(services, reply)).await
    }

    /// Has a verb carried out; likewise.
    pub async fn order(&self, service: ServiceName, order: Order) -> Option<Result<Done, Undone>> {
        self.ask(|reply| Request::Order(service, order, reply)).await
    }

    /// Has the global stop begun or ended; likewise.
    pub async fn stop(&self, stop: Stop) -> Option<Result<Done, Undone>> {
        self.ask(|reply| Request::Stop(stop, reply)).await
    }

    /// Has a service forgotten that the file no longer names; likewise.
    pub async fn forget(&self, service: ServiceName, by: String) -> Option<Result<Done, Undone>> {
        self.ask(|reply| Request::Forget(service, by, reply)).await
    }

    /// What has become of the release file; likewise.
    pub async fn file(&self) -> Option<FileStatus> {
        self.ask(Request::File).await
    }

    /// What saving a file would do, of which this is the text; likewise.
    pub async fn plan(&self, desired: Arc<Desired>, text: Arc<String>) -> Option<Box<Plan>> {
        self.ask_for(LONG_PATIENCE, |reply| Request::Plan(desired, text, reply)).await
    }

    /// Which pool clients would be given; likewise.
    pub async fn sample(
        &self,
        service: ServiceName,
        clients: Clients,
    ) -> Option<Result<Sample, Undone>> {
        self.ask_for(LONG_PATIENCE, |reply| Request::Sample(service, clients, reply)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        self.ask_for(PATIENCE, request).await
    }

    async fn ask_for<T>(
        &self,
        patience: Duration,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.0.send(request(reply)).await.ok()?;
            answer.await.ok()
        };
        timeout(patience, asked).await.ok().flatten()
    }
}

struct Pages {
    inquiry: Inquiry,
    registry: Registry,
}

/// Serves the pages until the listener fails.
pub async fn serve(
    listener: TcpListener,
    inquiry: Inquiry,
    registry: Registry,
) -> std::io::Result<()> {
    let pages = Arc::new(Pages { inquiry, registry });
    let router = Router::new()
        .route("/", get(tree_page))
        .route("/status", get(status_page))
        .route("/history", get(whole_history_page))
        .route("/history/{service}", get(history_page))
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(health_page))
        .route("/readyz", get(ready_page))
        .with_state(pages);
    axum::serve(listener, router).await
}

/// Plain text on purpose: names from the file cannot become markup.
async fn tree_page(State(pages): State<Arc<Pages>>) -> Response {
    match pages.inquiry.status().await {
        Some(status) => format!("{}\n{PAGES}", tree::tree(&status)).into_response(),
        None => stalled(),
    }
}

async fn status_page(State(pages): State<Arc<Pages>>) -> Response {
    match pages.inquiry.status().await {
        Some(status) => json(StatusCode::OK, &status),
        None => stalled(),
    }
}

async fn whole_history_page(State(pages): State<Arc<Pages>>) -> Response {
    tell_history(&pages, None).await
}

async fn history_page(State(pages): State<Arc<Pages>>, Path(service): Path<String>) -> Response {
    match service.parse() {
        Ok(service) => tell_history(&pages, Some(service)).await,
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn tell_history(pages: &Pages, service: Option<ServiceName>) -> Response {
    match pages.inquiry.history(service).await {
        Some(Ok(history)) => json(StatusCode::OK, &history),
        Some(Err(why)) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n").into_response(),
        None => stalled(),
    }
}

fn json(code: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(json) => (code, [(CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn metrics_page(State(pages): State<Arc<Pages>>) -> Response {
    let status = pages.inquiry.status().await;
    match metrics::render(&pages.registry, status.as_deref()) {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The process works: the control plane ticks.
async fn health_page(State(pages): State<Arc<Pages>>) -> Response {
    match pages.inquiry.pulse().await {
        Some(_) => "ok\n".into_response(),
        None => stalled(),
    }
}

/// Services can be answered.
async fn ready_page(State(pages): State<Arc<Pages>>) -> Response {
    match pages.inquiry.pulse().await {
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
