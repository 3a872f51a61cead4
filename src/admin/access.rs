//! Who may ask what. Over the Unix socket its permissions have decided that; by TCP it is under which
//! name we are asked, from where, by which page, and with which token.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Version,
        header::{AUTHORIZATION, HOST, ORIGIN},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::time::timeout;
use tracing::warn;

use super::{Site, orders::Undone, server::ANSWER_TIME, token::Token};
use crate::model::{DnsName, HttpAccess, Label, Readers};

/// What each response says to browsers; a page may say otherwise.
pub(super) const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
];
/// How often it is told that tokens are wrong.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Somebody who came by TCP.
    Network {
        /// Whether from this host.
        is_local: bool,
    },
    /// A user of this host who may use the socket; which one, if that is known.
    User(Option<u32>),
}

/// Who changes something, as history and log have it: `token oncall`, `user 1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor(pub(super) String);

/// What stands in the files of the tokens now, or why that is not known.
pub type Tokens = Vec<(Label, Result<Token, String>)>;
/// Reads them.
pub type ReadTokens = Arc<dyn Fn() -> BoxFuture<'static, Tokens> + Send + Sync>;

/// What is counted of those who are turned away.
#[derive(Clone)]
pub struct Counters(IntCounterVec);

impl Counters {
    const CAUSES: [&str; 6] = ["connections", "host", "origin", "streams", "token", "reader"];

    /// Counts in this registry.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Connections and requests over HTTP that were turned away, by cause.";
        let refused =
            IntCounterVec::new(Opts::new("cutover_http_refused_total", help), &["cause"])?;
        registry.register(Box::new(refused.clone()))?;
        Self::CAUSES.iter().for_each(|cause| drop(refused.with_label_values(&[*cause])));
        Ok(Self(refused))
    }

    pub(super) fn refused(&self, cause: &'static str) {
        self.0.with_label_values(&[cause]).inc();
    }
}

/// Decides who may ask what.
pub struct Door {
    access: HttpAccess,
    tokens: ReadTokens,
    counters: Counters,
    wrong: Seldom,
    /// Of its own: files that cannot be used come up with each token that is shown, wrong or not.
    unusable: Seldom,
}

impl Door {
    /// One that decides so, by what stands in the files of the tokens at that time.
    pub fn new(access: HttpAccess, tokens: ReadTokens, counters: Counters) -> Self {
        Self { access, tokens, counters, wrong: Seldom::default(), unusable: Seldom::default() }
    }

    /// Whether anybody can change things by TCP.
    pub(super) fn has_tokens(&self) -> bool {
        !self.access.tokens.is_empty()
    }

    /// What is counted.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether it is us who are asked, and not by another's page.
    fn check_address(&self, request: &Request) -> Result<(), Undone> {
        let refused = |cause, undone| {
            self.counters.refused(cause);
            Err(undone)
        };
        let host = match asked_host(request) {
            Ok(Some(host)) => host,
            // Who is that old is no browser.
            Ok(None) if request.version() < Version::HTTP_11 => return Ok(()),
            _ => {
                let why = "a request has one `Host` header with a name or an address";
                return refused("host", Undone::Misunderstood(why.to_owned()));
            }
        };
        if !self.is_ours(&host) {
            let why = format!(
                "`{}` is not a name of this daemon: add it to `hosts` under [http] in cutover.toml, \
                 or ask by address",
                host.host()
            );
            return refused("host", Undone::Misdirected(why));
        }
        let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        match request.headers().get(ORIGIN) {
            Some(origin) if is_change && !is_same(origin, &host) => {
                let why = "another site's page asks for this: changes are asked for by pages of this \
                           daemon, under the same name and port, or by no page";
                refused("origin", Undone::Forbidden(why.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// An address cannot be made to mean another host by whoever owns a name.
    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if address.unwrap_or(name).parse::<IpAddr>().is_ok() {
            return true;
        }
        let is_localhost = name.trim_end_matches('.').eq_ignore_ascii_case("localhost");
        let is_listed = |name: DnsName| self.access.hosts.contains(&name);
        is_localhost || name.parse().is_ok_and(is_listed)
    }

    /// Whether somebody may read.
    async fn check_reader(&self, peer: Peer, headers: &HeaderMap) -> Result<(), Undone> {
        let is_free = match peer {
            Peer::User(_) => true,
            Peer::Network { is_local } => is_local || self.access.readers == Readers::All,
        };
        if is_free {
            return Ok(());
        }
        if self.access.tokens.is_empty() {
            self.counters.refused("reader");
            let why = "only who asks from the daemon's own host may read this: cutover.toml can have \
                       `readers = \"all\"` or `tokens` under [http]";
            return Err(Undone::Forbidden(why.to_owned()));
        }
        self.holder(headers).await.map(drop)
    }

    /// Who somebody is that may change things.
    async fn actor(&self, peer: Peer, headers: &HeaderMap) -> Result<Actor, Undone> {
        match peer {
            Peer::User(Some(uid)) => Ok(Actor(format!("user {uid}"))),
            Peer::User(None) => Ok(Actor("somebody".to_owned())),
            Peer::Network { .. } if self.access.tokens.is_empty() => {
                self.counters.refused("token");
                let why = "nothing is changed over HTTP before cutover.toml names the file of a token: \
                           tokens = { oncall = \"oncall.token\" } under [http]";
                Err(Undone::Forbidden(why.to_owned()))
            }
            Peer::Network { .. } => Ok(Actor(format!("token {}", self.holder(headers).await?))),
        }
    }

    /// Whose token it is.
    async fn holder(&self, headers: &HeaderMap) -> Result<Label, Undone> {
        let unauthorized = |why: &str| {
            self.counters.refused("token");
            Err(Undone::Unauthorized(why.to_owned()))
        };
        let Some(shown) = bearer(headers) else {
            return unauthorized("this takes a token: `Authorization: Bearer TOKEN`");
        };
        let known = (self.tokens)().await;
        for (name, why) in known.iter().filter_map(|(name, it)| Some((name, it.as_ref().err()?))) {
            self.unusable.say(|count| warn!(token = %name, why, count, "a token cannot be used"));
        }
        // All are compared, whichever it is.
        let holder = known.into_iter().fold(None, |found, (name, token)| {
            let is_it = token.is_ok_and(|token| token.is(shown));
            if is_it { found.or(Some(name)) } else { found }
        });
        let Some(holder) = holder else {
            self.wrong.say(|count| warn!(count, "somebody has shown a token that is none"));
            return unauthorized("this token is none of the daemon's");
        };
        Ok(holder)
    }
}

/// Says something now and then, and how often it has come up since.
#[derive(Default)]
struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    fn say(&self, say: impl FnOnce(u64)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        if state.0.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
            say(state.1);
            *state = (Some(Instant::now()), 0);
        }
    }
}

/// The host that a request is for; none if it does not say so.
fn asked_host(request: &Request) -> Result<Option<Authority>, ()> {
    let mut named = request.headers().get_all(HOST).iter();
    let first = named.next();
    if named.next().is_some() {
        return Err(());
    }
    // Whoever writes the whole address means that (RFC 9112 §3.2.2).
    match (request.uri().authority(), first) {
        (Some(authority), _) => Ok(Some(authority.clone())),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).map(Some).map_err(drop),
        (None, None) => Ok(None),
    }
}

/// Whether a page comes from the host that it asks.
fn is_same(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host.as_str()))
}

/// The token that is shown (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token.as_bytes())
}

fn peer(request: &Request) -> Peer {
    let peer = request.extensions().get::<Peer>().copied();
    // Without knowing, nobody is trusted.
    peer.unwrap_or(Peer::Network { is_local: false })
}

/// Every request comes through here, and every response goes.
pub(super) async fn enter(State(site): State<Site>, request: Request, next: Next) -> Response {
    let checked = match peer(&request) {
        Peer::User(_) => Ok(()),
        Peer::Network { .. } => site.door.check_address(&request),
    };
    let mut response = match checked {
        Err(undone) => undone.into_response(),
        Ok(()) => timeout(ANSWER_TIME, next.run(request))
            .await
            .unwrap_or_else(|_| Undone::Unavailable("it took too long".to_owned()).into_response()),
    };
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Only who may read comes through.
pub(super) async fn read(State(site): State<Site>, request: Request, next: Next) -> Response {
    match site.door.check_reader(peer(&request), request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(undone) => undone.into_response(),
    }
}

/// Only who may change things comes through, as an [`Actor`].
pub(super) async fn change(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    match site.door.actor(peer(&request), request.headers()).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(undone) => undone.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const TOKEN: &str = "a-token-that-nobody-guesses-0001";
    const AFAR: Peer = Peer::Network { is_local: false };

    /// With these tokens, by name and by what stands in their files.
    fn door(readers: Readers, tokens: &'static [(&str, &str)]) -> Door {
        let name = |name: &str| name.parse::<Label>().expect("a name");
        let paths = tokens.iter().map(|(token, _)| (name(token), PathBuf::from(*token))).collect();
        let read: ReadTokens = Arc::new(move || {
            let each = tokens.iter();
            let read = each.map(|(token, text)| (name(token), Token::parse(text.as_bytes())));
            Box::pin(std::future::ready(read.collect::<Tokens>()))
        });
        let access = HttpAccess { readers, tokens: paths, ..HttpAccess::default() };
        Door::new(access, read, Counters::register(&Registry::new()).expect("new names"))
    }

    fn showing(token: &str) -> HeaderMap {
        let value = format!("Bearer {token}").parse().expect("a header");
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    #[tokio::test]
    async fn whoever_asks_from_elsewhere_reads_only_if_that_is_said() {
        let (near, nothing) = (Peer::Network { is_local: true }, HeaderMap::new());
        let closed = door(Readers::Loopback, &[]);
        assert_eq!(closed.check_reader(near, &nothing).await, Ok(()));
        assert_eq!(closed.check_reader(Peer::User(None), &nothing).await, Ok(()));
        let refused = closed.check_reader(AFAR, &nothing).await.expect_err("refused");
        assert!(matches!(&refused, Undone::Forbidden(why) if why.contains("readers = \"all\"")));
        assert_eq!(door(Readers::All, &[]).check_reader(AFAR, &nothing).await, Ok(()));
        let by_token = door(Readers::Loopback, &[("oncall", TOKEN)]);
        let refused = by_token.check_reader(AFAR, &nothing).await;
        assert!(matches!(refused, Err(Undone::Unauthorized(_))), "{refused:?}");
        assert_eq!(by_token.check_reader(AFAR, &showing(TOKEN)).await, Ok(()));
    }

    #[tokio::test]
    async fn whoever_changes_something_is_called_by_the_name_of_the_token() {
        let door = door(Readers::All, &[("broken", "short"), ("oncall", TOKEN), ("copy", TOKEN)]);
        let actor = door.actor(AFAR, &showing(TOKEN)).await;
        assert_eq!(actor, Ok(Actor("token oncall".to_owned())), "the first that has it");
        for wrong in ["short", &TOKEN[1..], &format!("{TOKEN}x")] {
            let refused = door.actor(AFAR, &showing(wrong)).await;
            assert!(matches!(refused, Err(Undone::Unauthorized(_))), "{wrong}: {refused:?}");
        }
        let user = door.actor(Peer::User(Some(7)), &HeaderMap::new()).await;
        assert_eq!(user, Ok(Actor("user 7".to_owned())));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_does_not_keep_wrong_tokens_from_being_told() {
        let door = door(Readers::All, &[("broken", "short"), ("oncall", TOKEN)]);
        door.actor(AFAR, &showing("wrong")).await.expect_err("refused");
        for seldom in [&door.wrong, &door.unusable] {
            let (told, kept_back) = *seldom.0.lock().expect("whole");
            assert!(told.is_some() && kept_back == 0, "{kept_back} have come up and are not told");
        }
    }
}
