//! What is said to the API, in JSON. What nobody knows is an error, so that a slip changes nothing.

use std::{collections::BTreeSet, net::IpAddr};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    admin::{
        orders::Undone,
        sample::{CLIENTS_MAX, Clients},
    },
    cutover::{Order, Rule, UnknownRule, Verb},
    model::{FreezeReason, PoolName},
};

/// How everyone is to be brought back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::admin) struct Wishes {
    /// The rules that are broken for this once if they stand in the way.
    #[schemars(extend("items" = {"type": "string", "enum": Rule::ALL.map(Rule::name)}))]
    pub(in crate::admin) force: Vec<String>,
    /// The pool that is to answer; without it the one that was good before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,63}$"))]
    pub(in crate::admin) to: Option<String>,
    /// Nothing is done: the answer is what would happen.
    pub(in crate::admin) dry_run: bool,
}

/// How another verb is to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Forcing {
    /// The rules that are broken for this once if they stand in the way.
    #[schemars(extend("items" = {"type": "string", "enum": Rule::ALL.map(Rule::name)}))]
    force: Vec<String>,
    /// Nothing is done: the answer is what would happen.
    dry_run: bool,
}

impl From<Forcing> for Wishes {
    fn from(Forcing { force, dry_run }: Forcing) -> Self {
        Self { force, to: None, dry_run }
    }
}

/// How a service is to be forgotten.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::admin) struct Forgetting {
    /// Nothing is done: the answer is what would happen.
    pub(in crate::admin) dry_run: bool,
}

/// Why everything is to stand still.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::admin) struct Freezing {
    /// One line of at most 200 characters, for those who read the status.
    #[schemars(length(max = 200))]
    pub(in crate::admin) reason: Option<String>,
}

/// Nothing is to be said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Nothing {}

/// A file that is not installed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Draft {
    /// Where it stands, for its mistakes.
    #[serde(default = "release_toml")]
    pub(in crate::admin) path: String,
    /// What stands in it.
    pub(in crate::admin) text: String,
}

fn release_toml() -> String {
    "release.toml".to_owned()
}

/// Which clients a sample is of: so many made-up ones, or those with these addresses.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Sampling {
    /// How many made-up ones.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub(in crate::admin) clients: Option<u32>,
    /// Which made-up ones: the same number always gives the same clients.
    #[serde(default)]
    pub(in crate::admin) seed: u64,
    /// Addresses of resolvers, or of the clients that they speak for.
    #[serde(default)]
    pub(in crate::admin) addresses: Vec<IpAddr>,
}

fn misunderstood(why: impl ToString) -> Undone {
    Undone::Misunderstood(why.to_string())
}

impl Wishes {
    /// As an order.
    pub(super) fn order(&self, verb: Verb, by: String) -> Result<Order, Undone> {
        let rule = |name: &String| name.parse::<Rule>();
        let force: Result<BTreeSet<Rule>, UnknownRule> = self.force.iter().map(rule).collect();
        let to = self.to.as_ref().map(|pool| pool.parse::<PoolName>()).transpose();
        let (to, force) = (to.map_err(misunderstood)?, force.map_err(misunderstood)?);
        Ok(Order { verb, to, by, force })
    }
}

impl Freezing {
    pub(super) fn reason(self) -> Result<Option<FreezeReason>, Undone> {
        let reason = self.reason.filter(|reason| !reason.is_empty());
        reason.map(|reason| reason.parse().map_err(misunderstood)).transpose()
    }
}

impl Sampling {
    pub(super) fn clients(self) -> Result<Clients, Undone> {
        match (self.clients, self.addresses) {
            (Some(count), listed) if count <= CLIENTS_MAX && listed.is_empty() => {
                Ok(Clients::Synthetic { count, seed: self.seed })
            }
            (None, listed) if !listed.is_empty() && self.seed == 0 => Ok(Clients::Listed(listed)),
            _ => Err(misunderstood(format!(
                "say how many `clients`, at most {CLIENTS_MAX}, with a `seed` if you like; or which \
                 `addresses`"
            ))),
        }
    }
}

/// The body of a request; none is one that says nothing.
pub(super) struct Said<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Undone;

    async fn from_request(request: Request, state: &S) -> Result<Self, Undone> {
        let is_json = is_json(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        if !body.is_empty() && !is_json {
            let why = "a body is JSON, and says so: `Content-Type: application/json`";
            return Err(Undone::NotJson(why.to_owned()));
        }
        let said = if body.is_empty() { b"{}" } else { &*body };
        // A list would be read as what the keys say, in their order.
        if said.trim_ascii_start().first() != Some(&b'{') {
            return Err(misunderstood("a body is an object, in braces"));
        }
        serde_json::from_slice(said).map(Self).map_err(misunderstood)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn unread(rejection: BytesRejection) -> Undone {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Undone::TooLong("the body is too long".to_owned()),
        _ => misunderstood("the body ended too early"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_of_a_number_or_of_addresses() {
        let read = |json: &str| {
            let sampling: Result<Sampling, _> = serde_json::from_str(json);
            sampling.map_err(misunderstood).and_then(Sampling::clients)
        };
        let listed = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().expect("an address"));
        assert_eq!(
            read(r#"{"addresses": ["192.0.2.1", "2001:db8::1"]}"#),
            Ok(Clients::Listed(listed.into()))
        );
        let many = Clients::Synthetic { count: 10, seed: 3 };
        assert_eq!(read(r#"{"clients": 10, "seed": 3}"#), Ok(many));
        for wrong in [
            "{}",
            r#"{"clients": 1000001}"#,
            r#"{"clients": 1, "addresses": ["192.0.2.1"]}"#,
            r#"{"addresses": ["x"]}"#,
            r#"{"addresses": ["192.0.2.1"], "seed": 1}"#,
            r#"{"clients": 1, "sede": 1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wished_for_has_to_make_sense() {
        let order = |json: &str, verb| {
            let wishes: Result<Wishes, _> = match verb {
                Verb::Rollback => serde_json::from_str(json),
                _ => serde_json::from_str::<Forcing>(json).map(Wishes::from),
            };
            wishes.map_err(misunderstood)?.order(verb, "token oncall".to_owned())
        };
        let back = order(r#"{"force": ["health"], "to": "v40"}"#, Verb::Rollback).expect("good");
        assert_eq!(back.to_string(), "rollback to v40 by token oncall");
        assert_eq!(back.force, [Rule::Health].into());
        let why = |json, verb| order(json, verb).expect_err("refused").to_string();
        assert!(
            why(r#"{"force": ["windows"]}"#, Verb::Promote).contains("there is no rule `windows`")
        );
        assert!(why(r#"{"to": "v40"}"#, Verb::Promote).contains("unknown field `to`"));
        assert!(why(r#"{"dryrun": true}"#, Verb::Promote).contains("unknown field `dryrun`"));
        assert!(why(r#"{"to": "a/b"}"#, Verb::Rollback).contains("not allowed"));
    }
}
