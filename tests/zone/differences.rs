//! Where servers may differ, one by one, with the reason.

use crate::{Record, Says, questions::Question};

/// A difference that has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    /// ANY is answered with one small record (RFC 8482 §4.2), or the alias; others send all.
    Any,
    /// NSD sends the name servers of the zone with what it answers, and their addresses. Nobody needs
    /// them: whoever asks has found us.
    NameServers,
    /// Aliases that lead nowhere: each server gives up at another place.
    Loop,
    /// Knot sends the addresses of SVCB targets along (RFC 9460 §4.1); NSD does not, and nor do we:
    /// resolvers look them up.
    ServiceTarget,
    /// Knot says NXDOMAIN where a DNAME record makes a name too long; RFC 6672 §2.2 has YXDOMAIN.
    TooLong,
    /// Others point into the data of DNAME records to make messages shorter; ours, which the codec
    /// writes, are up to a name longer, and so some are cut that fit in theirs.
    Room,
    /// What is cut to its question by us has, in the messages of others, as much as there is room for:
    /// nobody may use that (RFC 2181 §9). Knot's code is that of where it stopped.
    Cut,
}

impl Known {
    pub(crate) const ALL: [Self; 7] = [
        Self::Any,
        Self::NameServers,
        Self::Loop,
        Self::ServiceTarget,
        Self::TooLong,
        Self::Room,
        Self::Cut,
    ];
}

const ANY: u16 = 255;
const NS: u16 = 2;
const SVCB: u16 = 64;
const DNAME: u16 = 39;
const NXDOMAIN: u16 = 3;
const YXDOMAIN: u16 = 6;
const APEX: &[u8] = b"\x04zone\x04test\x00";

/// The reasons for which they differ; none if they do not.
pub(crate) fn explain(question: &Question, us: &Says, them: &Says) -> Result<Vec<Known>, ()> {
    let mut known = Vec::new();
    let (us, mut them) = (us.clone(), them.clone());
    if question.kind == ANY && us.code == them.code && us != them {
        return Ok(vec![Known::Any]);
    }
    let is_apex_ns = |record: &Record| record.0 == APEX && record.1 == NS;
    if us.authorities.is_empty() && them.authorities.iter().any(is_apex_ns) {
        known.push(Known::NameServers);
        them.authorities.retain(|record| !is_apex_ns(record));
        let is_wanted =
            |record: &Record| us.additionals.contains(record) || !record.0.starts_with(b"\x03ns1");
        them.additionals.retain(is_wanted);
    }
    if question.kind == SVCB && us.additionals.is_empty() && !them.additionals.is_empty() {
        known.push(Known::ServiceTarget);
        them.additionals.clear();
    }
    let has_dname = them.answers.iter().any(|record| record.1 == DNAME);
    if us.code == YXDOMAIN && them.code == NXDOMAIN && us.answers == them.answers {
        known.push(Known::TooLong);
        return Ok(known);
    }
    let is_cut = us.flags[1] && us.answers.is_empty();
    if is_cut && them.flags[1] && us != them {
        known.push(Known::Cut);
        return Ok(known);
    }
    if is_cut && !them.flags[1] && has_dname && us.code == them.code {
        known.push(Known::Room);
        return Ok(known);
    }
    if us != them && is_loop(&us, &them) {
        known.push(Known::Loop);
        return Ok(known);
    }
    if us == them { Ok(known) } else { Err(()) }
}

/// Whether both follow the same aliases, one further than the other, and come to nothing else.
fn is_loop(us: &Says, them: &Says) -> bool {
    let are_aliases = |says: &Says| {
        let is_alias = |record: &Record| [5, 39].contains(&record.1);
        says.answers.len() > 1 && says.answers.iter().all(is_alias) && says.authorities.is_empty()
    };
    let is_in = |one: &Says, other: &Says| one.answers.iter().all(|it| other.answers.contains(it));
    let follow = are_aliases(us) && are_aliases(them) && (is_in(us, them) || is_in(them, us));
    us.code == them.code && follow
}
