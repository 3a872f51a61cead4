//! Floor 1: names that pools point at, their targets: what the replies about one mean ([`read`]), and
//! when each is to be looked up ([`Lookups`]).
//!
//! Who asks stands elsewhere, in `resolver`; what is done with a [`Resolution`], and for how long an old
//! one is kept, as well. Nothing is validated (DNSSEC): that is for the resolver that is asked.
//!
//! [`Resolution`]: crate::model::Resolution

mod lookups;
mod reply;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use hickory_proto::{op::ResponseCode, rr::RecordType};

pub use lookups::Lookups;
pub use reply::{read, refuse_own};

use crate::{
    delegation::Silence,
    model::{DnsName, DnsProbe, ENDPOINTS_MAX, EndpointError, Family},
};

/// How many aliases (CNAME) may stand one after the other. Resolvers give up at about as many.
pub const ALIASES_MAX: usize = 16;

/// Why a name leads to no addresses. The sentences are about the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// NXDOMAIN.
    #[error("{}there is no such name{}", led_to(.end.as_ref()), asked_for(*.family))]
    NoSuchName {
        /// The name that is not there, if aliases have led to another one than was asked for.
        end: Option<DnsName>,
        /// The question that was answered so, if the other one was not.
        family: Option<Family>,
    },
    /// It is there, without A and AAAA records.
    #[error("{}it has no address: neither A nor AAAA records", led_to(.0.as_ref()))]
    NoAddress(Option<DnsName>),
    /// Its addresses would be those that we answer ourselves.
    #[error("it leads back to {0}, which is ours")]
    Loop(DnsName),
    /// An alias of an alias, and so on.
    #[error("it leads to an alias of an alias, and so on, more than {ALIASES_MAX} times")]
    TooLong,
    /// Aliases that never end.
    #[error("its aliases go round in a circle, from {0} back to {0}")]
    Circle(DnsName),
    /// An address that no client can connect to.
    #[error("one of its addresses cannot be used: {0}")]
    Unusable(EndpointError),
    /// More than a pool can have.
    #[error("it has {0} addresses; a pool has at most {ENDPOINTS_MAX}")]
    TooMany(usize),
    /// The resolver could not find it out, or would not.
    #[error("the resolver says {}{}", DnsProbe::word(*.code), asked_for(*.family))]
    Code {
        /// What it said.
        code: ResponseCode,
        /// To which question, if not to both.
        family: Option<Family>,
    },
    /// It has not been found out to the end: what was asked is a name server, and no resolver.
    #[error(
        "the resolver does not look it up to the end, but leaves that to others{}",
        asked_for(*.0)
    )]
    Unfinished(Option<Family>),
    /// No reply.
    #[error("the resolver {server} cannot be asked{}: {why}", asked_of(*.family))]
    Silent {
        /// Who was asked.
        server: SocketAddr,
        /// For what, if the other question was answered.
        family: Option<Family>,
        /// What happened instead.
        why: Silence,
    },
    /// Nobody to ask.
    #[error("no resolver is known: there is none in /etc/resolv.conf, and `resolvers` names none")]
    NoResolver,
    /// Of our own making.
    #[error("looking it up broke off, by a fault of this program")]
    BrokeOff,
}

impl Trouble {
    /// Whether it is what the name itself says; not, if it is the way to ask that has failed.
    pub const fn is_definite(&self) -> bool {
        match self {
            Self::NoSuchName { .. }
            | Self::NoAddress(_)
            | Self::Loop(_)
            | Self::TooLong
            | Self::Circle(_)
            | Self::Unusable(_)
            | Self::TooMany(_) => true,
            Self::Code { .. }
            | Self::Unfinished(_)
            | Self::Silent { .. }
            | Self::NoResolver
            | Self::BrokeOff => false,
        }
    }

    /// The same of both questions.
    fn of_both(self) -> Self {
        match self {
            Self::NoSuchName { end, .. } => Self::NoSuchName { end, family: None },
            Self::Code { code, .. } => Self::Code { code, family: None },
            Self::Unfinished(_) => Self::Unfinished(None),
            other => other,
        }
    }
}

/// The type of record that has addresses of a family.
pub const fn record_type(family: Family) -> RecordType {
    match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    }
}

fn led_to(end: Option<&DnsName>) -> String {
    end.map_or_else(String::new, |end| format!("it leads to {end}, and "))
}

fn asked_for(family: Option<Family>) -> String {
    family.map_or_else(String::new, |_| format!(", asked{}", asked_of(family)))
}

fn asked_of(family: Option<Family>) -> String {
    let asked = family.map(|family| format!(" for {} records", record_type(family)));
    asked.unwrap_or_default()
}
