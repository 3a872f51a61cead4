//! The API: everything that can be asked and changed, as JSON under `/api/v1`; the same by TCP and over
//! the Unix socket.
//!
//! [`operations`] is the one list of it: the router is made from that, and so is the OpenAPI document.
//! Done is 200; whatever is not is an [`Undone`](super::orders::Undone), with the status code that fits.

mod bodies;
mod handlers;
mod openapi;

use axum::{
    Router, extract::DefaultBodyLimit, middleware::from_fn_with_state, routing::MethodRouter,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(super) use bodies::{Draft, Forgetting, Freezing, Sampling, Wishes};
pub(super) use handlers::{history_of_all, history_of_one, status};

use super::{Site, access};
use handlers::operations;

/// Under which all of it stands.
const ROOT: &str = "/api/v1";
/// More than any verb needs, in octets; each address of a sample takes at most 48.
const BODY_MAX: usize = 64 << 10;

/// The schema of a document, and of what it is made of.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One thing that can be asked or done.
struct Operation {
    method: &'static str,
    /// Below [`ROOT`].
    path: &'static str,
    /// What programs call it.
    id: &'static str,
    /// What it is, in one sentence.
    about: &'static str,
    handler: MethodRouter<Site>,
    is_change: bool,
    /// What can be said in the query, and what it means.
    query: &'static [(&'static str, &'static str)],
    body: Option<SchemaOf>,
    body_max: usize,
    /// One of these is the answer; none where it is a stream or a document of its own.
    answers: Vec<SchemaOf>,
    kind: &'static str,
    /// The status codes of what is not done, besides those that everything has.
    undone: Vec<u16>,
}

impl Operation {
    /// A GET that whoever may read can ask.
    fn read(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: MethodRouter<Site>,
    ) -> Self {
        Self {
            method: "get",
            path,
            id,
            about,
            handler,
            is_change: false,
            query: &[],
            body: None,
            body_max: BODY_MAX,
            answers: Vec::new(),
            kind: "application/json",
            undone: Vec::new(),
        }
    }

    /// A POST that takes a token, with such a body.
    fn change<B: JsonSchema>(
        path: &'static str,
        id: &'static str,
        about: &'static str,
        handler: MethodRouter<Site>,
    ) -> Self {
        let read = Self::read(path, id, about, handler);
        let undone = vec![400, 413, 415];
        let body: SchemaOf = SchemaGenerator::subschema_for::<B>;
        Self { method: "post", is_change: true, body: Some(body), undone, ..read }
    }

    /// It may be answered with such a document.
    fn gives<T: JsonSchema>(mut self) -> Self {
        self.answers.push(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// It may come to nothing with such a status code.
    fn fails(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.undone.extend(codes);
        self
    }
}

/// All of it.
pub(super) fn router(site: &Site) -> Router<Site> {
    let mut router = Router::new();
    for operation in operations(site.drafts.len_max) {
        let Operation { path, handler, is_change, body_max, .. } = operation;
        let handler = handler.layer(DefaultBodyLimit::max(body_max));
        let handler = match is_change {
            true => handler.route_layer(from_fn_with_state(site.clone(), access::change)),
            false => handler.route_layer(from_fn_with_state(site.clone(), access::read)),
        };
        router = router.route(&format!("{ROOT}{path}"), handler);
    }
    router
}
