//! What a person asks of services that are released together: all of them do it, or none.

use super::{Group, Member, Told, agreed, shared};
use crate::{
    cutover::{
        Cutover,
        verbs::{self, Order, Refusal, Verb},
    },
    model::{Freeze, ServiceName, Timestamp},
};

/// Does what a person asks of the release of a group, or says who of it speaks against that; then
/// nothing has changed. Without such a release it is asked of the one that is `named`, else of all; a
/// pool to go back to is named for all.
pub fn ask(
    now: Timestamp,
    order: &Order,
    members: &mut [Member<'_>],
    freeze: Option<&Freeze>,
    named: Option<&ServiceName>,
) -> Result<Told, Refusal> {
    let mut group = Group { now, freeze, members, told: Vec::new() };
    let asked = group.asked(named.filter(|_| order.to.is_none()));
    // What has failed alone would begin with the others.
    if order.verb == Verb::Retry
        && let Some(why) = group.is_busy()
    {
        return verbs::refuse(why);
    }
    let mut edges = Vec::with_capacity(asked.len());
    for at in &asked {
        let number = group.members[*at].cutover.releases + 1;
        let edge = verbs::asked(group.phase(*at).clone(), order, &group.cx(*at), number);
        let edge = edge.map_err(|refusal| match asked.len() {
            1 => refusal,
            _ => Refusal::of(group.name(*at), refusal),
        })?;
        edges.push(edge);
    }
    let share = agreed(edges.iter());
    for (at, edge) in asked.into_iter().zip(edges) {
        let edge = match share {
            Some(share) => shared(edge, share),
            None => edge,
        };
        group.take(at, edge);
    }
    group.settle();
    Ok(group.told)
}

/// The verbs that all of them would do now, without breaking any rule.
pub fn possible(
    now: Timestamp,
    members: &[Member<'_>],
    freeze: Option<&Freeze>,
    named: Option<&ServiceName>,
) -> Vec<Verb> {
    let would_be_done = |verb: &Verb| {
        let mut copies: Vec<Cutover> = members.iter().map(|it| it.cutover.clone()).collect();
        let mut copied = Vec::with_capacity(copies.len());
        for (cutover, member) in copies.iter_mut().zip(members) {
            let (health, horizons) = (member.health, member.horizons.clone());
            copied.push(Member { cutover, health, horizons });
        }
        ask(now, &Order::plain(*verb), &mut copied, freeze, named).is_ok()
    };
    Verb::ALL.into_iter().filter(would_be_done).collect()
}

impl Group<'_, '_> {
    /// Whom an order is for.
    fn asked(&self, named: Option<&ServiceName>) -> Vec<usize> {
        let all = 0..self.members.len();
        let named = named.and_then(|name| all.clone().find(|at| self.name(*at) == name));
        let is_bound =
            |at: &usize| self.phase(*at).release().is_some_and(|release| release.bond.is_some());
        // One that was under way before it was of the group.
        let is_alone = |at: &usize| self.phase(*at).release().is_some() && !is_bound(at);
        let bound: Vec<usize> = all.clone().filter(is_bound).collect();
        match named {
            Some(named) if bound.is_empty() || is_alone(&named) => vec![named],
            None if bound.is_empty() => all.collect(),
            _ => bound,
        }
    }
}
