//! The operator's verbs, over a Unix socket: who may use it is a matter of its file permissions.
//!
//! `POST /services/SERVICE/VERB`, with `?force=RULE,RULE` where rules are to be broken, and `?to=POOL`
//! for a rollback to a pool of one's choice; a group can stand for the service there.
//! `POST /services/SERVICE/forget`; `POST /freeze`, with the reason as its body, and `POST /unfreeze`.
//! Done is 200 with [`Done`]; refused is 409, no such service or group 404, not understood 400, a file
//! with mistakes 422, all with [`Undone`].

use std::{collections::BTreeSet, fmt, path::Path};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path as UrlPath, State, connect_info::Connected},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
    serve::IncomingStream,
};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

pub use super::socket::OrderError;
use super::{
    Inquiry, json,
    plan::{self, Drafts},
    sample, socket,
    status::FileError,
};
use crate::{
    cutover::{Order, Rule, Transition, UnknownRule, Verb},
    model::{FreezeReason, PoolName, ServiceName},
};

/// More than any reason needs, in octets.
const BODY_MAX: usize = 4 << 10;

/// What came of a verb.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Done {
    /// The changes of phase that it made.
    pub transitions: Vec<Told>,
    /// The number of the record table that shows them; it is being answered from.
    pub generation: u64,
}

/// A change of phase.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Told {
    /// The phase that was left.
    pub from: String,
    /// The phase that was entered.
    pub to: String,
    /// Why.
    pub why: String,
}

impl From<&Transition> for Told {
    fn from(transition: &Transition) -> Self {
        let Transition { from, to, why, .. } = transition;
        Self { from: (*from).to_owned(), to: (*to).to_owned(), why: why.clone() }
    }
}

/// The global stop, or the end of it.
#[derive(Clone, Debug)]
pub enum Stop {
    /// No release takes a step any more.
    Freeze {
        /// Who says so.
        by: String,
        /// Why, if they say.
        reason: Option<FreezeReason>,
    },
    /// They do again.
    Unfreeze {
        /// Who says so.
        by: String,
    },
}

/// Why nothing was done; nothing has changed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// There is no such service.
    #[error("there is no service or group `{0}`")]
    Unknown(String),
    /// What was asked for does not exist, or has no such form.
    #[error("{0}")]
    Misunderstood(String),
    /// It makes no sense now, or something speaks against it.
    #[error("refused: {0}")]
    Refused(Refused),
    /// The file has mistakes.
    #[error("{}", .0.shown)]
    Mistaken(Mistaken),
}

/// What speaks against it, and what there is to do instead.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Refused {
    /// What speaks against it.
    pub why: String,
    /// Where the service stands that it was asked of, if it was asked of one.
    pub stands: Option<Stands>,
}

/// Where a service stands.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Stands {
    /// Its name.
    pub service: String,
    /// Its phase.
    pub phase: String,
    /// The verbs that would be done now.
    pub possible: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        let Some(Stands { service, phase, possible }) = &self.stands else { return Ok(()) };
        let quoted: Vec<String> = possible.iter().map(|verb| format!("`{verb}`")).collect();
        let possible = match quoted.as_slice() {
            [] => "no verb is of use now".to_owned(),
            [one] => format!("{one} would be done"),
            [before @ .., last] => format!("{} and {last} would be done", before.join(", ")),
        };
        write!(f, " ({service} is {phase}; {possible})")
    }
}

/// Every mistake of a file.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Mistaken {
    /// Each with its place.
    pub errors: Vec<FileError>,
    /// All of them as a compiler shows them.
    pub shown: String,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(uid) => write!(f, "user {uid}"),
            None => f.write_str("somebody"),
        }
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// Takes orders until the listener fails. Files are read as `drafts` says.
pub async fn serve(
    listener: UnixListener,
    inquiry: Inquiry,
    drafts: Drafts,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/services/{service}/forget", post(forget))
        .route("/services/{service}/{verb}", post(order))
        .route("/freeze", post(freeze))
        .route("/unfreeze", post(unfreeze))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(inquiry.clone())
        .merge(plan::routes(inquiry.clone(), drafts))
        .merge(sample::routes(inquiry));
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()).await
}

async fn order(
    State(inquiry): State<Inquiry>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    UrlPath((service, verb)): UrlPath<(String, String)>,
    uri: Uri,
) -> Response {
    let Some(verb) = Verb::ALL.into_iter().find(|known| known.name() == verb) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(name) = service.parse::<ServiceName>() else {
        return json(StatusCode::NOT_FOUND, &Undone::Unknown(service));
    };
    let mut order = Order { verb, to: None, by: peer.to_string(), force: BTreeSet::new() };
    match wishes(&mut order, uri.query()) {
        Ok(()) => replied(inquiry.order(name, order).await),
        Err(undone) => replied::<Done>(Some(Err(undone))),
    }
}

/// Adds to an order what `force=RULE,RULE` and `to=POOL` say.
fn wishes(order: &mut Order, query: Option<&str>) -> Result<(), Undone> {
    let misunderstood = |why: String| Undone::Misunderstood(why);
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        match (pair.split_once('='), order.verb) {
            (Some(("force", names)), _) => {
                for name in names.split(',') {
                    let rule =
                        name.parse().map_err(|e: UnknownRule| misunderstood(e.to_string()))?;
                    order.force.insert(rule);
                }
            }
            (Some(("to", pool)), Verb::Rollback) => {
                let pool = pool.parse::<PoolName>();
                order.to = Some(pool.map_err(|error| misunderstood(error.to_string()))?);
            }
            _ => {
                return Err(misunderstood(format!(
                    "`{pair}` is neither `force=RULE` nor `to=POOL`"
                )));
            }
        }
    }
    Ok(())
}

async fn forget(
    State(inquiry): State<Inquiry>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    UrlPath(service): UrlPath<String>,
) -> Response {
    match service.parse::<ServiceName>() {
        Ok(name) => replied(inquiry.forget(name, peer.to_string()).await),
        Err(_) => json(StatusCode::NOT_FOUND, &Undone::Unknown(service)),
    }
}

async fn freeze(
    State(inquiry): State<Inquiry>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    reason: String,
) -> Response {
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    match reason.map(|reason| reason.parse::<FreezeReason>()).transpose() {
        Ok(reason) => replied(inquiry.stop(Stop::Freeze { by: peer.to_string(), reason }).await),
        Err(error) => replied::<Done>(Some(Err(Undone::Misunderstood(error.to_string())))),
    }
}

async fn unfreeze(
    State(inquiry): State<Inquiry>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Response {
    replied(inquiry.stop(Stop::Unfreeze { by: peer.to_string() }).await)
}

/// What came of a request, as a response.
pub(super) fn replied<T: Serialize>(came_of_it: Option<Result<T, Undone>>) -> Response {
    match came_of_it {
        Some(Ok(done)) => json(StatusCode::OK, &done),
        Some(Err(undone)) => {
            let code = match undone {
                Undone::Unknown(_) => StatusCode::NOT_FOUND,
                Undone::Misunderstood(_) => StatusCode::BAD_REQUEST,
                Undone::Refused(_) => StatusCode::CONFLICT,
                Undone::Mistaken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            json(code, &undone)
        }
        None => super::stalled(),
    }
}

/// Has the daemon behind a socket carry out a verb, breaking rules if it must.
pub async fn ask(
    socket: &Path,
    service: &str,
    verb: Verb,
    force: &[Rule],
) -> Result<Done, OrderError> {
    let url = format!("/services/{service}/{}?{}", verb.name(), forced(force));
    socket::post(socket, url.trim_end_matches('?'), String::new()).await
}

/// Has the daemon behind a socket answer everyone with a pool of our choice.
pub async fn roll_back_to(
    socket: &Path,
    service: &str,
    pool: &PoolName,
    force: &[Rule],
) -> Result<Done, OrderError> {
    let url = format!("/services/{service}/rollback?to={pool}&{}", forced(force));
    socket::post(socket, url.trim_end_matches('&'), String::new()).await
}

/// As the query has it.
fn forced(rules: &[Rule]) -> String {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
    if names.is_empty() { String::new() } else { format!("force={}", names.join(",")) }
}

/// Has the daemon behind a socket end a service that the file no longer names.
pub async fn forget_service(socket: &Path, service: &str) -> Result<Done, OrderError> {
    socket::post(socket, &format!("/services/{service}/forget"), String::new()).await
}

/// Has the daemon behind a socket freeze everything.
pub async fn ask_to_freeze(
    socket: &Path,
    reason: Option<&FreezeReason>,
) -> Result<Done, OrderError> {
    let reason = reason.map(FreezeReason::as_str).unwrap_or_default();
    socket::post(socket, "/freeze", reason.to_owned()).await
}

/// Has the daemon behind a socket end the freeze.
pub async fn ask_to_unfreeze(socket: &Path) -> Result<Done, OrderError> {
    socket::post(socket, "/unfreeze", String::new()).await
}
