//! What is done when something is asked of the API.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Draft, Forgetting, Freezing, Operation, Sampling, Wishes,
    bodies::{Forcing, Nothing, Said},
    openapi,
};
use crate::{
    admin::{
        Site,
        access::Actor,
        course::CourseStatus,
        history::Past,
        line::Line,
        orders::{Done, Stop, Undone},
        plan::Plan,
        sample::Sample,
        status::{FileStatus, ServiceStatus, Status},
    },
    cutover::Verb,
    model::ServiceName,
};

/// A draft in JSON may take twice as many octets as its text, which has line breaks and quotes.
const DRAFT_FACTOR: usize = 2;

/// Everything that there is; drafts of files may be so long, in octets.
pub(super) fn operations(draft_len_max: usize) -> Vec<Operation> {
    let mut all = vec![
        Operation::read("/status", "status", "How everything is.", get(status)).gives::<Status>(),
        Operation::read("/services/{service}", "service", "How one service is.", get(service))
            .gives::<ServiceStatus>()
            .fails([404]),
        Operation::read(
            "/services/{service}/course",
            "course",
            "Which share of the answers each pool of a service was to have, and had, in its release or split.",
            get(course),
        )
        .gives::<CourseStatus>()
        .fails([404]),
        Operation::read(
            "/history",
            "history",
            "What became of the last releases of each service.",
            get(history_of_all),
        )
        .gives::<Vec<Past>>(),
        Operation::read(
            "/history/{service}",
            "serviceHistory",
            "What became of the last releases of one service; none if it is not known.",
            get(history_of_one),
        )
        .gives::<Vec<Past>>()
        .fails([404]),
        Operation::read("/file", "file", "What has become of the release file on disk.", get(file))
            .gives::<FileStatus>(),
        Operation {
            kind: "text/event-stream",
            query: &[
                ("last_event_id", "The id of the last event that was heard, as the header has it."),
                ("service", "The service of which alone is told."),
            ],
            ..Operation::read("/events", "events", EVENTS, get(events)).fails([400])
        },
        Operation::read("/openapi.json", "openapi", "This document.", get(openapi_page)),
        Operation::change::<Freezing>(
            "/freeze",
            "freeze",
            "No release takes a step until `unfreeze`.",
            post(freeze),
        )
        .gives::<Done>()
        .fails([409]),
        Operation::change::<Nothing>(
            "/unfreeze",
            "unfreeze",
            "Releases go on after a `freeze`.",
            post(unfreeze),
        )
        .gives::<Done>()
        .fails([409]),
        Operation {
            body_max: draft_len_max.saturating_mul(DRAFT_FACTOR).saturating_add(super::BODY_MAX),
            ..Operation::change::<Draft>(
                "/plan",
                "plan",
                "What saving this file would do; nothing is changed.",
                post(plan),
            )
            .gives::<Plan>()
            .fails([422])
        },
        Operation::change::<Sampling>(
            "/services/{service}/sample",
            "sample",
            "Which pool clients would be given; nothing is changed.",
            post(sample),
        )
        .gives::<Sample>()
        .fails([404]),
        Operation::change::<Forgetting>(
            "/services/{service}/forget",
            "forget",
            "A service that the release file does not name any more is no longer answered.",
            post(forget),
        )
        .gives::<Done>()
        .gives::<Plan>()
        .fails([404, 409]),
    ];
    all.extend(VERBS.map(|(verb, path, about)| {
        let (id, handler) = (verb.name(), order::<Forcing>(verb));
        let operation = match verb {
            Verb::Rollback => Operation::change::<Wishes>(path, id, about, order::<Wishes>(verb)),
            _ => Operation::change::<Forcing>(path, id, about, handler),
        };
        operation.gives::<Done>().gives::<Plan>().fails([404, 409])
    }));
    all
}

const EVENTS: &str = "Each change of phase from now on, as server-sent events: `transition` with a \
CloudEvent as hooks are sent it and its id; `gap` first, where what came after the last event that was \
heard is not known. It is told when it is being answered from, in order. A comment is sent each 15 seconds.";

/// The verbs, where each stands, and what it does; a group can stand for the service.
const VERBS: [(Verb, &str, &str); 5] = [
    (
        Verb::Promote,
        "/services/{service}/promote",
        "The next step of a release is taken now, without waiting for caches, the bake or its instant.",
    ),
    (
        Verb::Pause,
        "/services/{service}/pause",
        "A release stands still: no step is taken and no time runs out, until `resume`.",
    ),
    (
        Verb::Resume,
        "/services/{service}/resume",
        "A release goes on from where it was paused, with the time that was left.",
    ),
    (
        Verb::Rollback,
        "/services/{service}/rollback",
        "Everyone is answered with the pool that was good before, or with another one, in one swap.",
    ),
    (Verb::Retry, "/services/{service}/retry", "A release that has failed begins again."),
];

/// A document.
fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// What came of it, if the control plane has said so in time.
fn replied<T: Serialize>(came_of_it: Option<Result<T, Undone>>) -> Response {
    match came_of_it {
        Some(Ok(done)) => json(&done),
        Some(Err(undone)) => undone.into_response(),
        None => Undone::stalled().into_response(),
    }
}

pub(in crate::admin) async fn status(State(site): State<Site>) -> Response {
    replied(site.inquiry.status().await.map(Ok))
}

async fn service(State(site): State<Site>, Of(name): Of) -> Response {
    let status = site.inquiry.status().await;
    let unknown = || Undone::NotFound(format!("there is no service `{name}`"));
    replied(status.map(|mut status| status.services.remove(name.as_str()).ok_or_else(unknown)))
}

async fn course(State(site): State<Site>, Of(name): Of) -> Response {
    let courses = site.inquiry.courses(vec![name.clone()]).await;
    let unknown = || Undone::NotFound(format!("nothing is counted of `{name}`"));
    replied(courses.map(|mut courses| courses.remove(name.as_str()).ok_or_else(unknown)))
}

pub(in crate::admin) async fn history_of_all(State(site): State<Site>) -> Response {
    history(&site, None).await
}

pub(in crate::admin) async fn history_of_one(State(site): State<Site>, Of(name): Of) -> Response {
    history(&site, Some(name)).await
}

async fn history(site: &Site, service: Option<ServiceName>) -> Response {
    let history = site.inquiry.history(service).await;
    replied(history.map(|history| history.map_err(Undone::Unavailable)))
}

async fn file(State(site): State<Site>) -> Response {
    replied(site.inquiry.file().await.map(Ok))
}

async fn openapi_page() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi::text()).into_response()
}

async fn events(
    State(site): State<Site>,
    Extension(line): Extension<Line>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Undone> {
    let header = headers.get("last-event-id").map(|id| id.to_str().map(str::to_owned));
    let header = header.transpose().map_err(|_| misunderstood("`Last-Event-ID` is no id"))?;
    let (mut after, mut service) = (None, None);
    for pair in uri.query().into_iter().flat_map(|query| query.split('&')) {
        match pair.split_once('=') {
            Some(("last_event_id", id)) => after = Some(id.to_owned()),
            Some(("service", name)) => {
                service = Some(name.parse().map_err(|error| misunderstood(&format!("{error}")))?);
            }
            _ => return Err(misunderstood(&format!("`{pair}` is not known here"))),
        }
    }
    // A browser that comes back says the header, with the address that it had at first.
    let source = site.told.clone().follow(header.or(after), service);
    site.streams.begin(line, source).inspect_err(|_| site.door.counters().refused("streams"))
}

fn misunderstood(why: &str) -> Undone {
    Undone::Misunderstood(why.to_owned())
}

/// What is done for a verb.
fn order<B>(verb: Verb) -> MethodRouter<Site>
where
    B: DeserializeOwned + Into<Wishes> + Send + 'static,
{
    post(
        async move |State(site): State<Site>,
                    Extension(Actor(by)): Extension<Actor>,
                    Of(name): Of,
                    Said(wishes): Said<B>| {
            let wishes: Wishes = wishes.into();
            match (wishes.order(verb, by), wishes.dry_run) {
                (Ok(order), true) => replied(site.inquiry.foretell(name, order).await),
                (Ok(order), false) => replied(site.inquiry.order(name, order).await),
                (Err(undone), _) => undone.into_response(),
            }
        },
    )
}

async fn forget(
    State(site): State<Site>,
    Extension(Actor(by)): Extension<Actor>,
    Of(name): Of,
    Said(Forgetting { dry_run }): Said<Forgetting>,
) -> Response {
    match dry_run {
        true => replied(site.inquiry.foretell_forgetting(name).await),
        false => replied(site.inquiry.forget(name, by).await),
    }
}

async fn freeze(
    State(site): State<Site>,
    Extension(Actor(by)): Extension<Actor>,
    Said(freezing): Said<Freezing>,
) -> Response {
    match freezing.reason() {
        Ok(reason) => replied(site.inquiry.stop(Stop::Freeze { by, reason }).await),
        Err(undone) => undone.into_response(),
    }
}

async fn unfreeze(
    State(site): State<Site>,
    Extension(Actor(by)): Extension<Actor>,
    Said(Nothing {}): Said<Nothing>,
) -> Response {
    replied(site.inquiry.stop(Stop::Unfreeze { by }).await)
}

async fn plan(State(site): State<Site>, Said(draft): Said<Draft>) -> Response {
    let Draft { path, text } = draft;
    let len_max = site.drafts.len_max;
    if text.len() > len_max {
        let why = format!("the text is longer than {len_max} octets");
        return Undone::TooLong(why).into_response();
    }
    // What a name has that cannot be shown, nobody needs to see.
    let path = path.replace(|c: char| c.is_control(), "?");
    let (text, read) = (Arc::new(text), site.drafts.read.clone());
    let draft = text.clone();
    // A large file takes a while, and others wait on this thread.
    let read = tokio::task::spawn_blocking(move || read(path.as_ref(), &draft)).await;
    match read {
        Ok(Ok(desired)) => replied(site.inquiry.plan(Arc::new(desired), text).await.map(Ok)),
        Ok(Err(mistaken)) => Undone::Mistaken(mistaken).into_response(),
        Err(_) => Undone::stalled().into_response(),
    }
}

async fn sample(
    State(site): State<Site>,
    Of(name): Of,
    Said(sampling): Said<Sampling>,
) -> Response {
    match sampling.clients() {
        Ok(clients) => replied(site.inquiry.sample(name, clients).await),
        Err(undone) => undone.into_response(),
    }
}

/// The service, or the group, that stands in the address.
pub(in crate::admin) struct Of(ServiceName);

impl<S: Send + Sync> FromRequestParts<S> for Of {
    type Rejection = Undone;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Undone> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        let Path(named) = named.map_err(|_| Undone::nameless("?"))?;
        named.parse().map(Self).map_err(|_| Undone::nameless(&named))
    }
}
