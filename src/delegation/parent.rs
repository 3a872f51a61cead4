//! What the parent zone has of ours: the delegation, its glue, and what must not be there.

use std::{collections::BTreeSet, net::SocketAddr};

use hickory_proto::rr::{Name, RecordType};

use super::{
    Level, ParentSeen, Referral, Says, Seen, finding::Findings, has, list, own_addresses, text,
};
use crate::{
    model::{DnsProbe, ZoneSpec},
    table::to_hickory,
};

/// Resolvers ask the parent again so soon only for nothing.
const NS_TTL_MIN_SECS: u32 = 300;
/// What most top-level domains have.
const NS_TTL_MAX_SECS: u32 = 2 * 86_400;
/// What a datagram holds without EDNS (RFC 1035 §4.2.1).
const PLAIN_MAX: usize = 512;

/// Judges the parent's side, and returns the delegations that its name servers give.
pub(super) fn judge(
    zone: &ZoneSpec,
    apex: &Name,
    seen: &Seen,
    findings: &mut Findings,
) -> Vec<Referral> {
    let parent = seen.parent.as_ref().map_or("the parent zone".to_owned(), text);
    if let Some(trouble) = &seen.trouble {
        let advice = "name the parent's servers with --parent ADDRESS, or a resolver that finds \
                      them with --resolver ADDRESS";
        findings.add(Level::Error, "parent-not-found", None, trouble, advice);
    }
    let says: Vec<(&ParentSeen, Says)> =
        seen.parents.iter().map(|it| (it, Says::read(apex, &it.referral))).collect();
    let is_delegated = says.iter().any(|(_, says)| matches!(says, Says::Refers(_)));
    let here = Here { zone, apex, parent, is_delegated };
    let mut referrals: Vec<(SocketAddr, Referral)> = Vec::new();
    for (seen, says) in says {
        here.answered(seen, &says, findings);
        here.ds(seen, findings);
        if let Says::Refers(referral) = says {
            here.nameservers(seen.server, &referral, findings);
            here.glue(seen.server, &referral, findings);
            here.size_and_ttl(seen.server, &referral, findings);
            referrals.push((seen.server, referral));
        }
    }
    here.agree(&referrals, findings);
    referrals.into_iter().map(|(_, referral)| referral).collect()
}

struct Here<'z> {
    zone: &'z ZoneSpec,
    apex: &'z Name,
    parent: String,
    is_delegated: bool,
}

impl Here<'_> {
    /// Whether it delegates, and if not, what it does instead.
    fn answered(&self, seen: &ParentSeen, says: &Says, findings: &mut Findings) {
        let (zone, parent, at) = (&self.zone.apex, &self.parent, seen.server);
        let mut error = |code, what: String, advice: String| {
            findings.add(Level::Error, code, at, what, advice);
        };
        let records = || format!("add to {parent}: {}", self.records());
        let is_refused = !matches!(says, Says::Refers(_) | Says::Silent(_) | Says::Code(_));
        if is_refused && self.is_wildcard(seen) {
            let what =
                format!("{parent} answers for {zone} by a wildcard, and does not delegate it");
            let advice = format!("{}; a delegation goes before the wildcard", records());
            return error("parent-wildcard", what, advice);
        }
        match says {
            Says::Refers(_) => {}
            Says::NoSuchName => {
                let what = format!("{parent} does not delegate {zone}: it says NXDOMAIN");
                error("not-delegated", what, records());
            }
            Says::NoData => {
                let what = format!("{parent} has the name {zone}, but no NS records for it");
                error("not-delegated", what, records());
            }
            Says::Alias(target) => {
                let target = text(target);
                let what =
                    format!("{parent} has a CNAME at {zone}, to {target}, instead of NS records");
                let advice = format!(
                    "delete the CNAME, which nothing may stand beside (RFC 1034 §3.6.2), and {}",
                    records()
                );
                error("cname-at-cut", what, advice);
            }
            Says::HasZone => {
                let what =
                    format!("a server of {parent} answers for {zone} itself, with authority");
                let advice = format!(
                    "delete the zone {zone} from that server: who asks it never comes to us"
                );
                error("answered-by-parent", what, advice);
            }
            _ => self.unusable(at, says, findings),
        }
    }

    /// One that says nothing of the delegation. It is no error while others do.
    fn unusable(&self, at: SocketAddr, says: &Says, findings: &mut Findings) {
        let parent = &self.parent;
        let level = if self.is_delegated { Level::Warning } else { Level::Error };
        let (code, what, advice) = match says {
            Says::FromCache => (
                "parent-is-cache",
                "it answers from a cache, as a resolver does".to_owned(),
                "give --parent the servers that have the parent zone; resolvers go to --resolver"
                    .to_owned(),
            ),
            Says::Elsewhere(other) => (
                "parent-refers",
                format!("it does not have {parent}, and refers to the servers of {}", text(other)),
                format!("give --parent the servers of {}, or have {parent} repaired", text(other)),
            ),
            Says::Code(code) => (
                "parent-refuses",
                format!("a server of {parent} says {}", DnsProbe::word(*code)),
                format!("whoever runs {parent} has to mend or remove that server"),
            ),
            Says::Silent(why) => (
                "parent-silent",
                format!("a server of {parent} cannot be asked: {why}"),
                format!(
                    "see that port 53 is open from here; if it is, whoever runs {parent} has to mend it"
                ),
            ),
            _ => return,
        };
        findings.add(level, code, at, what, advice);
    }

    /// Whether a name that nobody has made has an address.
    fn is_wildcard(&self, seen: &ParentSeen) -> bool {
        let reply = seen.sibling.as_ref().ok();
        reply.is_some_and(|it| it.message.metadata.authoritative && !it.message.answers.is_empty())
    }

    /// What has to stand in the parent zone.
    fn records(&self) -> String {
        let names = self.zone.nameservers.iter();
        let ns = names.clone().map(|name| format!("{}. NS {name}.", self.zone.apex));
        let glue = names.flat_map(|name| {
            let own = own_addresses(self.zone, &to_hickory(name)).into_iter();
            own.map(move |it| format!("{name}. {} {it}", if it.is_ipv4() { "A" } else { "AAAA" }))
        });
        ns.chain(glue).collect::<Vec<_>>().join("; ")
    }

    /// We sign nothing, and whoever validates takes nothing else when there is a DS record.
    fn ds(&self, seen: &ParentSeen, findings: &mut Findings) {
        let Ok(reply) = &seen.ds else { return };
        if has(&reply.message.answers, self.apex, RecordType::DS) {
            let (parent, zone) = (&self.parent, &self.zone.apex);
            let what = format!(
                "{parent} has a DS record for {zone}, which is not signed: resolvers that \
                 validate say SERVFAIL"
            );
            let advice = format!("delete the DS record of {zone} from {parent}");
            findings.add(Level::Error, "ds", seen.server, what, advice);
        }
    }

    fn nameservers(&self, at: SocketAddr, referral: &Referral, findings: &mut Findings) {
        let (zone, parent) = (&self.zone.apex, &self.parent);
        let wanted: BTreeSet<Name> = self.zone.nameservers.iter().map(to_hickory).collect();
        for name in wanted.difference(&referral.nameservers).map(text) {
            let what =
                format!("{parent} does not delegate {zone} to {name}, which `nameservers` has");
            let advice =
                format!("add to {parent}: {zone}. NS {name}.; or take it out of `nameservers`");
            findings.add(Level::Warning, "ns-missing", at, what, advice);
        }
        for name in referral.nameservers.difference(&wanted).map(text) {
            let what =
                format!("{parent} delegates {zone} to {name}, which `nameservers` does not have");
            let advice =
                format!("delete from {parent}: {zone}. NS {name}.; or add it to `nameservers`");
            findings.add(Level::Error, "ns-superfluous", at, what, advice);
        }
    }

    /// A name server inside the zone can be found by its glue alone (RFC 9471).
    fn glue(&self, at: SocketAddr, referral: &Referral, findings: &mut Findings) {
        let parent = &self.parent;
        let inside = referral.nameservers.iter().filter(|name| self.apex.zone_of(name));
        for name in inside {
            let own = own_addresses(self.zone, name);
            let glue = referral.glue.get(name).cloned().unwrap_or_default();
            let shown = text(name);
            if glue.is_empty() {
                let what =
                    format!("{parent} has no glue for {shown}: nobody can find out its address");
                let advice = match own.is_empty() {
                    true => format!("add its address to {parent}"),
                    false => format!("add to {parent}: {shown}. with the address {}", list(&own)),
                };
                findings.add(Level::Error, "glue-missing", at, what, advice);
                continue;
            }
            // Of a superfluous one we know nothing, and that is said already.
            if own.is_empty() {
                continue;
            }
            for wrong in glue.difference(&own) {
                let what = format!(
                    "{parent} has {wrong} as glue for {shown}, which [[records]] does not have"
                );
                let advice =
                    format!("have the glue in {parent} be {}, or mend [[records]]", list(&own));
                findings.add(Level::Error, "glue-wrong", at, what, advice);
            }
            for lacking in own.difference(&glue) {
                let what = format!("{parent} has glue for {shown}, but not {lacking}");
                let advice = format!("add to {parent}: {shown}. with the address {lacking}");
                findings.add(Level::Warning, "glue-incomplete", at, what, advice);
            }
        }
    }

    fn size_and_ttl(&self, at: SocketAddr, referral: &Referral, findings: &mut Findings) {
        let parent = &self.parent;
        let mut warning = |code, what: String, advice: String| {
            findings.add(Level::Warning, code, at, what, advice);
        };
        let fewer = "have fewer name servers, or fewer addresses of them".to_owned();
        if referral.truncated {
            let what = "the delegation does not fit into a datagram: each resolver has to ask again by TCP";
            warning("referral-large", what.to_owned(), fewer);
        } else if referral.octets > PLAIN_MAX {
            let what = format!(
                "the delegation has {} octets; without EDNS a datagram holds {PLAIN_MAX}",
                referral.octets
            );
            warning("referral-large", what, fewer);
        }
        match referral.ttl {
            ..NS_TTL_MIN_SECS => {
                let what = format!(
                    "the NS records in {parent} have a TTL of {} s: resolvers ask {parent} again and again",
                    referral.ttl
                );
                warning("ns-ttl", what, "an hour to a day is usual".to_owned());
            }
            NS_TTL_MIN_SECS..=NS_TTL_MAX_SECS => {}
            _ => {
                let what = format!(
                    "the NS records in {parent} have a TTL of {} s: so long resolvers go to a \
                     name server that was replaced",
                    referral.ttl
                );
                warning(
                    "ns-ttl",
                    what,
                    "an hour to a day is usual; shorten it before you move a name server"
                        .to_owned(),
                );
            }
        }
    }

    /// All servers of the parent should say the same.
    fn agree(&self, referrals: &[(SocketAddr, Referral)], findings: &mut Findings) {
        let said = |referral: &Referral| {
            let ours = |name: &Name| self.apex.zone_of(name);
            let glue: BTreeSet<_> = referral
                .glue
                .iter()
                .filter(|(name, _)| ours(name))
                .map(|(n, a)| (n.clone(), a.clone()))
                .collect();
            (referral.nameservers.clone(), glue)
        };
        let different: BTreeSet<_> = referrals.iter().map(|(_, referral)| said(referral)).collect();
        if different.len() > 1 {
            let what =
                format!("the servers of {} do not delegate {} alike", self.parent, self.zone.apex);
            let advice = "after a change wait until all of them have it, then check again";
            for (at, _) in referrals {
                findings.add(Level::Warning, "parents-disagree", *at, what.clone(), advice);
            }
        }
    }
}
