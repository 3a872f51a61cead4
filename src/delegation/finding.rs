//! One thing that is wrong, and the list of them. What is found at several servers is one thing.

use std::{fmt, net::SocketAddr};

/// The names of all that can be found; the runbooks say what each means.
pub const CODES: [&str; 34] = [
    "answered-by-parent",
    "cname-at-cut",
    "ds",
    "glue-incomplete",
    "glue-missing",
    "glue-wrong",
    "no-edns",
    "not-delegated",
    "ns-alias",
    "ns-missing",
    "ns-not-looked-up",
    "ns-superfluous",
    "ns-ttl",
    "ns-without-address",
    "one-name-server",
    "parent-is-cache",
    "parent-not-found",
    "parent-refers",
    "parent-refuses",
    "parent-silent",
    "parent-wildcard",
    "parents-disagree",
    "referral-large",
    "same-address",
    "serials",
    "server-large",
    "server-no-soa",
    "server-no-tcp",
    "server-no-udp",
    "server-not-authoritative",
    "server-other-ns",
    "server-other-soa",
    "server-refuses",
    "server-silent",
];

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Some clients do not reach the zone, or will not.
    Error,
    /// It works, and somebody should know.
    Warning,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Its name, for programs.
    pub code: &'static str,
    /// What is so.
    pub what: String,
    /// The servers that answered so, or did not.
    pub at: Vec<SocketAddr>,
    /// What to do.
    pub advice: String,
}

#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(
        &mut self,
        level: Level,
        code: &'static str,
        at: impl Into<Option<SocketAddr>>,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) {
        debug_assert!(CODES.contains(&code), "{code}");
        let (at, what, advice) = (at.into(), what.into(), advice.into());
        let known = self
            .0
            .iter_mut()
            .find(|it| (it.level, it.code, &it.what, &it.advice) == (level, code, &what, &advice));
        match known {
            Some(known) => known.at.extend(at),
            None => {
                self.0.push(Finding { level, code, what, at: at.into_iter().collect(), advice });
            }
        }
    }

    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.level);
        self.0
    }
}
