//! What the guards say of a side that has clients and has not finished its bake: that it may stay, that
//! it is to go, or that it should and cannot.

use super::{
    edge::Context,
    phase::Release,
    proof,
    side::{hindrance, lack, trouble},
};
use crate::model::Percent;

/// Why what fails is not rolled back: nor does it go on.
const OVERRULED: &str = "a person has broken the rule health or gate";

/// It should be rolled back but cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// What is wrong and what is in the way, without the values that change from time to time.
    cause: String,
    /// Both, in one sentence.
    pub(super) why: String,
}

impl Held {
    /// Notes why something is held. What is to be told, if it is held for another cause than before.
    pub(super) fn note(
        held: &mut Option<Self>,
        cause: &str,
        trouble: &str,
        hindrance: &str,
    ) -> Option<String> {
        let cause = format!("{cause}, but {hindrance}");
        let why = format!("{trouble}, but {hindrance}: not rolled back");
        let is_new = held.as_ref().is_none_or(|before| before.cause != cause);
        *held = Some(Self { cause, why: why.clone() });
        is_new.then_some(why)
    }
}

/// What the guards say.
pub(super) enum Watched {
    /// It may stay; with what is to be told when that was not so before.
    Healthy(Option<String>),
    /// It should go, but nothing could take its place; with what is to be told if that is new.
    Held(Option<String>),
    /// It is to be rolled back, because of this.
    Back(String),
}

/// Something that is wrong.
struct Wrong {
    cause: String,
    trouble: String,
    /// Why it is no reason to go back, if it is none.
    hindrance: Option<String>,
}

/// Looks at what a release goes to, and has given a share of the clients.
pub(super) fn watch(
    release: &Release,
    share: Percent,
    held: &mut Option<Held>,
    cx: &Context<'_>,
) -> Watched {
    let Release { to, safe, .. } = release;
    let of_probes = trouble(to, safe, cx).map(|trouble| Wrong {
        cause: trouble.clone(),
        trouble,
        hindrance: hindrance(safe, to, cx),
    });
    let found = proof::trouble(release, share, cx).map(|found| Wrong {
        cause: found.cause,
        trouble: found.why,
        hindrance: lack(safe, to, cx),
    });
    let of_time = release.overdue(cx).map(|overdue| Wrong {
        cause: overdue.clone(),
        trouble: overdue,
        hindrance: lack(safe, to, cx),
    });
    // What can be undone first.
    let bad = match (of_probes, found) {
        (Some(Wrong { hindrance: Some(_), .. }), Some(found)) => Some(found),
        (of_probes, found) => of_probes.or(found),
    };
    let wrong = match (bad, of_time) {
        (Some(bad), None) if release.is_forced => {
            Wrong { hindrance: Some(OVERRULED.to_owned()), ..bad }
        }
        (Some(_), Some(of_time)) if release.is_forced => of_time,
        (Some(bad), _) | (None, Some(bad)) => bad,
        (None, None) => {
            return Watched::Healthy(held.take().map(|_| format!("{to} is healthy again")));
        }
    };
    let Wrong { cause, trouble, hindrance } = wrong;
    match hindrance {
        Some(hindrance) => Watched::Held(Held::note(held, &cause, &trouble, &hindrance)),
        None => Watched::Back(trouble),
    }
}
