//! The page: what people see at `/`, and of each service at `/services/NAME`.
//!
//! HTML is made here from the status document by pure functions ([`view`] and what it names), every text
//! escaped by construction. [`hub`] looks once for all who watch, [`watcher`] says what each of them is
//! sent, and `page.js` puts that into the page. All of it is readable without scripts, asks no other host,
//! and is drawn with the three files of [`assets`].

mod assets;
mod banners;
mod board;
mod card;
mod chart;
mod clearing;
mod details;
mod frame;
mod hub;
mod past;
mod rows;
#[cfg(test)]
mod tests;
mod view;
mod watcher;
mod words;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, State},
    http::{
        HeaderMap, StatusCode, Uri,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY},
    },
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use tokio::time::{Instant, sleep_until};

use super::{Site, access, line::Line, orders::Undone, pages::tree_page};
use crate::model::ServiceName;
use assets::ASSETS;
use hub::Hub;
use view::ViewName;
use watcher::Watcher;

/// Nothing but the page's own files; nothing inline, nowhere else, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types cutover";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The page, for those who may read.
pub(super) fn router(site: &Site) -> Router<Site> {
    let acts = site.door.has_tokens();
    let pages = Pages { hub: Hub::new(site.inquiry.clone(), acts), site: site.clone(), acts };
    let for_readers = Router::new()
        .route("/", get(overview_page))
        .route("/services/{service}", get(service_page))
        .route("/live", get(live))
        .route_layer(from_fn_with_state(site.clone(), access::read))
        .with_state(Arc::new(pages));
    for_readers.route("/assets/{file}", get(asset))
}

struct Pages {
    site: Site,
    hub: Hub,
    /// Whether something can be done from it.
    acts: bool,
}

/// Browsers ask for HTML; others are shown plain text.
async fn overview_page(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut response = match accept.contains("text/html") {
        true => page(&pages, ViewName::Overview).await,
        false => tree_page(&pages.site).await,
    };
    response.headers_mut().insert(VARY, ACCEPT.into());
    response
}

async fn service_page(State(pages): State<Arc<Pages>>, Path(service): Path<String>) -> Response {
    match service.parse::<ServiceName>() {
        Ok(service) => page(&pages, ViewName::Service(service.to_string())).await,
        Err(_) => html(StatusCode::NOT_FOUND, frame::trouble("There is no such service.")),
    }
}

async fn page(pages: &Pages, name: ViewName) -> Response {
    let (shown, _) = pages.hub.look(&name).await;
    match shown {
        Some(shown) if shown.is_known => {
            html(StatusCode::OK, frame::page(&name, &shown, pages.acts))
        }
        Some(shown) => html(StatusCode::NOT_FOUND, frame::page(&name, &shown, pages.acts)),
        None => {
            let why = "The control plane does not answer: its log may say why. DNS answers go on.";
            html(StatusCode::SERVICE_UNAVAILABLE, frame::trouble(why))
        }
    }
}

fn html(code: StatusCode, document: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
    ];
    (code, headers, document).into_response()
}

async fn asset(uri: Uri) -> Response {
    match ASSETS.at(uri.path()) {
        Some(asset) => {
            ([(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, FOR_EVER)], asset.text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What changes on a page from now on.
async fn live(
    State(pages): State<Arc<Pages>>,
    Extension(line): Extension<Line>,
    uri: Uri,
) -> Result<Response, Undone> {
    let (name, since) = wish(uri.query().unwrap_or_default())?;
    let (site, begun) = (pages.site.clone(), Instant::now());
    let state = (pages, name, Watcher::new(since), begun);
    let events = stream::unfold(state, move |(pages, name, mut watcher, next)| async move {
        sleep_until(next).await;
        let (shown, next) = pages.hub.look(&name).await;
        let event = match shown {
            Some(shown) => watcher.event(begun.elapsed(), &shown),
            None => "event: stalled\ndata:\n\n".to_owned(),
        };
        Some((Bytes::from(event), (pages, name, watcher, next)))
    });
    site.streams.begin(line, events).inspect_err(|_| site.door.counters().refused("streams"))
}

/// `service=NAME`, or nothing for all of them; `since=BEAT`, the beat of what the browser has.
fn wish(query: &str) -> Result<(ViewName, u64), Undone> {
    let misunderstood = |why: &dyn ToString| Undone::Misunderstood(why.to_string());
    let (mut name, mut since) = (ViewName::Overview, 0);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("service", value)) => {
                let service: ServiceName = value.parse().map_err(|error| misunderstood(&error))?;
                name = ViewName::Service(service.to_string());
            }
            Some(("since", value)) => {
                since = value.parse().map_err(|error| misunderstood(&error))?
            }
            _ => return Err(misunderstood(&format!("`{pair}` is not known here"))),
        }
    }
    Ok((name, since))
}
