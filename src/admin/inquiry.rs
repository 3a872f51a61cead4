//! The way to ask the conductor: what people and their tools want of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    course::CourseStatus,
    history::Past,
    orders::{Done, Stop, Undone},
    plan::Plan,
    sample::{Clients, Sample},
    status::{FileStatus, Pulse, Status},
};
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
    /// What an order would do, or why it would be refused.
    ForetellOrder(ServiceName, Order, oneshot::Sender<Result<Box<Plan>, Undone>>),
    /// What it would do to forget a service; likewise.
    ForetellForgetting(ServiceName, oneshot::Sender<Result<Box<Plan>, Undone>>),
    /// Which pool these clients of a service would be given.
    Sample(ServiceName, Clients, oneshot::Sender<Result<Sample, Undone>>),
}

impl Request {
    /// Whether it would change something, and whoever asked for that waits no longer.
    pub fn is_given_up(&self) -> bool {
        match self {
            Self::Order(_, _, reply) | Self::Stop(_, reply) | Self::Forget(_, _, reply) => {
                reply.is_closed()
            }
            _ => false,
        }
    }
}

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

    /// What an order would do; likewise.
    pub async fn foretell(
        &self,
        service: ServiceName,
        order: Order,
    ) -> Option<Result<Box<Plan>, Undone>> {
        self.ask_for(LONG_PATIENCE, |reply| Request::ForetellOrder(service, order, reply)).await
    }

    /// What it would do to forget a service; likewise.
    pub async fn foretell_forgetting(
        &self,
        service: ServiceName,
    ) -> Option<Result<Box<Plan>, Undone>> {
        self.ask(|reply| Request::ForetellForgetting(service, reply)).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_that_is_not_begun_in_time_is_given_up() {
        let (requests, mut asked) = mpsc::channel(4);
        let inquiry = Inquiry::new(requests);
        let stop = || Stop::Unfreeze { by: "user 0".to_owned() };
        let name = || "api".parse::<ServiceName>().expect("a name");
        let briefly = Duration::from_millis(10);
        timeout(briefly, inquiry.stop(stop())).await.expect_err("nobody answers");
        let forgetting = inquiry.forget(name(), "user 0".to_owned());
        timeout(briefly, forgetting).await.expect_err("nobody answers");
        for _ in 0..2 {
            assert!(asked.recv().await.is_some_and(|request| request.is_given_up()));
        }
        let waiting = tokio::spawn(async move { inquiry.stop(stop()).await });
        let request = asked.recv().await.expect("asked");
        assert!(!request.is_given_up(), "somebody waits for it");
        waiting.abort();
    }
}
