//! Floor 2: what people and their tools see and touch: pages, the API and its stream of events, by TCP;
//! and the same API over the Unix socket, for whom its permissions let.
//!
//! [`Site`] is everything that is needed to answer. [`server`] takes connections and bounds them,
//! [`access`] decides who may ask what, [`page`], [`pages`] and [`api`] answer. `client` and `socket` are the
//! other end, for the command line. The facts come from the conductor, asked anew each time
//! ([`Inquiry`]).

pub mod access;
mod api;
pub mod client;
pub mod cloud;
pub mod course;
pub mod history;
mod inquiry;
mod line;
mod metrics;
pub mod orders;
mod page;
mod pages;
pub mod plan;
pub mod proof;
pub mod sample;
pub mod server;
pub mod socket;
pub mod status;
pub mod stream;
pub mod token;
pub mod told;
pub mod tree;

use std::sync::Arc;

use axum::{Router, http::Uri, middleware::from_fn_with_state};
use prometheus::Registry;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};

pub use inquiry::{Inquiry, Request};

use access::Door;
use orders::Undone;
use plan::Drafts;
use stream::Streams;
use told::ToldEvents;

/// Everything that is needed to answer.
#[derive(Clone)]
pub struct Site {
    /// How everything is, and what is to be done.
    pub inquiry: Inquiry,
    /// What is counted.
    pub registry: Registry,
    /// How files are read that are not installed.
    pub drafts: Drafts,
    /// What has been told.
    pub told: Arc<ToldEvents>,
    /// How streams are begun.
    pub streams: Streams,
    /// Who may ask what.
    pub door: Arc<Door>,
}

impl Site {
    /// Pages and the API, until it is over.
    pub async fn serve(self, listener: TcpListener, over: watch::Receiver<bool>) {
        let router =
            self.guarded(pages::router(&self).merge(page::router(&self)).merge(api::router(&self)));
        server::serve(listener, router, self.door.counters().clone(), over).await;
    }

    /// The API alone, for those who may use the socket; likewise.
    pub async fn take_orders(self, listener: UnixListener, over: watch::Receiver<bool>) {
        let router = self.guarded(api::router(&self));
        server::serve(listener, router, self.door.counters().clone(), over).await;
    }

    /// With what holds of every request.
    fn guarded(&self, router: Router<Self>) -> Router {
        router
            .fallback(nothing_here)
            .method_not_allowed_fallback(in_another_way)
            .layer(from_fn_with_state(self.clone(), access::enter))
            .with_state(self.clone())
    }
}

async fn nothing_here(uri: Uri) -> Undone {
    Undone::NotFound(format!("there is nothing at `{}`", uri.path()))
}

async fn in_another_way() -> Undone {
    let why = "what is read is asked for by GET, and what is changed by POST";
    Undone::WrongMethod(why.to_owned())
}
