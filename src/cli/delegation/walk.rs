//! Asks: first who the parent is, then its name servers, then ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use futures_util::future::join_all;
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, RecordType},
};

use super::{Options, Server};
use crate::{
    delegation::{self, Lookup, ParentSeen, Seen, ServerSeen, text},
    model::{DNS_PORT, ZoneSpec},
    resolver::{self, By, Question, ask},
    table::to_hickory,
};

/// Servers that are asked, of the parent and of ours; nobody has so many.
const SERVERS_MAX: usize = 64;
/// Names whose addresses are looked up.
const NAMES_MAX: usize = 32;

/// All that there is to know.
pub(super) async fn walk(zone: &ZoneSpec, options: &Options) -> Seen {
    let apex = to_hickory(&zone.apex);
    let resolvers = Resolvers::of(options);
    let mut seen = Seen::default();
    let given: Vec<SocketAddr> = options.parent.iter().map(|Server(address)| *address).collect();
    if given.is_empty() {
        match resolvers.parent_of(&apex).await {
            Ok((parent, servers)) => {
                seen.parent = Some(parent);
                seen.parents = ask_parents(&servers, &apex).await;
            }
            Err(trouble) => seen.trouble = Some(trouble),
        }
    } else {
        (seen.parent, seen.parents) =
            tokio::join!(zone_of(&given, &apex), ask_parents(&given, &apex));
    }
    let mut wanted = delegation::to_ask(zone, &seen.parents);
    let outside = wanted.keys().filter(|name| !apex.zone_of(name)).take(NAMES_MAX);
    seen.elsewhere = resolvers.look_up_all(outside.cloned()).await;
    for (name, lookup) in &seen.elsewhere {
        wanted.entry(name.clone()).or_default().extend(&lookup.addresses);
    }
    let each = wanted.iter().flat_map(|(name, addresses)| {
        addresses.iter().map(|address| (name.clone(), SocketAddr::new(*address, options.port)))
    });
    let asked = each.take(SERVERS_MAX).map(|(name, server)| ours(name, server, &apex));
    seen.servers = join_all(asked).await;
    seen
}

async fn ask_parents(servers: &[SocketAddr], apex: &Name) -> Vec<ParentSeen> {
    join_all(servers.iter().map(|server| parent(*server, apex))).await
}

/// One name server of the parent.
async fn parent(server: SocketAddr, apex: &Name) -> ParentSeen {
    let made_up = format!("cutover-check-{:08x}", rand::random::<u32>());
    let sibling = apex.base_name().prepend_label(made_up).unwrap_or_else(|_| apex.clone());
    let of = |name: &Name, kind| Question { name: name.clone(), kind, recursion: false };
    let [ns, ds] = [RecordType::NS, RecordType::DS].map(|kind| of(apex, kind));
    let sibling = of(&sibling, RecordType::A);
    let (referral, ds, sibling) = tokio::join!(
        ask(server, &ns, By::Either),
        ask(server, &ds, By::Either),
        ask(server, &sibling, By::Either)
    );
    ParentSeen { server, referral, ds, sibling }
}

/// One name server of ours, at one of its addresses.
async fn ours(name: Name, server: SocketAddr, apex: &Name) -> ServerSeen {
    let of = |kind| Question { name: apex.clone(), kind, recursion: false };
    let (soa, ns) = (of(RecordType::SOA), of(RecordType::NS));
    let (udp, tcp, ns) = tokio::join!(
        ask(server, &soa, By::Udp),
        ask(server, &soa, By::Tcp),
        ask(server, &ns, By::Either)
    );
    ServerSeen { name, server, udp, tcp, ns }
}

/// The zone of servers that were given by their addresses, as the first of them that knows tells it.
async fn zone_of(servers: &[SocketAddr], apex: &Name) -> Option<Name> {
    let soa = Question { name: apex.base_name(), kind: RecordType::SOA, recursion: false };
    let asked = join_all(servers.iter().map(|server| ask(*server, &soa, By::Either))).await;
    let replies = asked.into_iter().flatten();
    replies.into_iter().find_map(|reply| zone_above(&reply.message, apex))
}

/// The zone whose SOA record stands in a reply, if that is above ours.
fn zone_above(message: &Message, apex: &Name) -> Option<Name> {
    let records = message.answers.iter().chain(&message.authorities);
    let mut zones = records.filter(|it| it.record_type() == RecordType::SOA).map(|it| &it.name);
    zones.find(|zone| zone.zone_of(apex) && *zone != apex).cloned()
}

struct Resolvers(Vec<SocketAddr>);

impl Resolvers {
    fn of(options: &Options) -> Self {
        let given: Vec<SocketAddr> = options.resolver.iter().map(|Server(it)| *it).collect();
        Self(if given.is_empty() { resolver::resolvers() } else { given })
    }

    /// The parent zone, and the addresses of its name servers.
    async fn parent_of(&self, apex: &Name) -> Result<(Name, Vec<SocketAddr>), String> {
        if apex.is_root() {
            return Err("the root has no parent zone".to_owned());
        }
        let above = apex.base_name();
        let soa = self.ask(&above, RecordType::SOA).await?;
        let zone = zone_above(&soa, apex);
        let zone = zone.ok_or_else(|| format!("no zone above {} was found", text(apex)))?;
        let ns = self.ask(&zone, RecordType::NS).await?;
        let names = ns.answers.iter().filter_map(|record| match &record.data {
            RData::NS(ns) => Some(ns.0.clone()),
            _ => None,
        });
        let names: BTreeSet<Name> = names.take(NAMES_MAX).collect();
        let found = self.look_up_all(names.into_iter()).await;
        let addresses: BTreeSet<IpAddr> =
            found.into_values().flat_map(|lookup| lookup.addresses).collect();
        if addresses.is_empty() {
            return Err(format!("no address of a name server of {} was found", text(&zone)));
        }
        let servers = addresses.into_iter().take(SERVERS_MAX).map(|it| (it, DNS_PORT).into());
        Ok((zone, servers.collect()))
    }

    async fn look_up_all(&self, names: impl Iterator<Item = Name>) -> BTreeMap<Name, Lookup> {
        let asked = names.map(async |name| {
            let lookup = self.look_up(&name).await;
            (name, lookup)
        });
        join_all(asked).await.into_iter().collect()
    }

    async fn look_up(&self, name: &Name) -> Lookup {
        let both = (self.ask(name, RecordType::A), self.ask(name, RecordType::AAAA));
        let (v4, v6) = tokio::join!(both.0, both.1);
        let mut lookup = Lookup::default();
        for reply in [v4, v6] {
            match reply {
                Err(why) => lookup.failure = Some(why),
                Ok(message) => {
                    let alias = delegation::alias(&message.answers, name);
                    // Of an alias the addresses stand at the name that it leads to.
                    let all = message.answers.iter().map(|record| &record.name);
                    let all: BTreeSet<&Name> = all.collect();
                    let found =
                        all.iter().flat_map(|it| delegation::addresses(&message.answers, it));
                    lookup.addresses.extend(found);
                    lookup.alias = lookup.alias.or(alias);
                }
            }
        }
        lookup
    }

    /// Asks one after the other until one knows.
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Message, String> {
        let question = Question { name: name.clone(), kind, recursion: true };
        let mut why = "there is no resolver in /etc/resolv.conf".to_owned();
        for server in &self.0 {
            match ask(*server, &question, By::Either).await {
                Ok(reply) => match reply.message.metadata.response_code {
                    ResponseCode::NoError | ResponseCode::NXDomain => return Ok(reply.message),
                    code => why = format!("the resolver {server} says {code} for {}", text(name)),
                },
                Err(silence) => why = format!("the resolver {server} cannot be asked: {silence}"),
            }
        }
        Err(why)
    }
}
