//! From an answer of the record table to a [`Response`], for both paths.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::{
    DropCause, Transport,
    common::reply_common,
    cookie,
    edns::{ClientEdns, ClientOptions, ExtendedError, ServerEdns, ServerOptions},
    general::reply_general,
    inside::Inside,
    question::Question,
    response::{Code, Given, Replied, Response, Section},
    rrl::{Class, Lengths, Limited},
};
use crate::{
    model::{ClientNetwork, CookieSecrets, Family, Subnet, Timestamp, mapped},
    table::{self, Answer, Composition, Table, Verdict},
};

/// What answering needs beside the table.
pub struct Responder {
    /// What this server is called (RFC 5001), for those who ask.
    nsid: Option<Box<[u8]>>,
    inside: Inside,
    secrets: ArcSwap<CookieSecrets>,
}

/// A packet and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'p> {
    /// What was received.
    pub octets: &'p [u8],
    /// From whom.
    pub client: SocketAddr,
    /// How.
    pub transport: Transport,
    /// When: seconds since 1970, as many of them as fit (RFC 1982).
    pub unix_secs: u32,
    /// When, by the clock of the plane.
    pub now: Timestamp,
}

impl Packet<'_> {
    pub(super) fn asker(&self) -> Asker {
        let Self { client, transport, unix_secs, .. } = *self;
        Asker { client: mapped(client.ip()), transport, unix_secs }
    }
}

/// Who asks, how and when: what a response hangs on beside the question and the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// [`mapped`].
    pub(super) client: Ipv6Addr,
    pub(super) transport: Transport,
    pub(super) unix_secs: u32,
}

/// The time of day for a packet; the system's clock may be set while we run.
pub(super) fn unix_secs() -> u32 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The low 32 bits, as cookies have them.
    since_epoch.as_secs() as u32
}

/// What becomes of a packet.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// Nothing is sent.
    Drop(DropCause),
    /// These octets are sent.
    Send(Vec<u8>, ResponseCode),
}

/// What became of a packet, to be counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Dropped(DropCause),
    Replied(Replied),
}

impl Outcome {
    /// What was given to the client.
    pub(super) fn given(&self) -> Option<Given> {
        match self {
            Self::Replied(replied) => replied.given,
            Self::Dropped(_) => None,
        }
    }
}

impl Responder {
    /// A responder with these secrets of cookies.
    pub fn new(secrets: CookieSecrets, nsid: Option<&str>) -> Self {
        let nsid = nsid.map(|nsid| nsid.as_bytes().into());
        Self { nsid, inside: Inside::default(), secrets: ArcSwap::from_pointee(secrets) }
    }

    /// One that tells what it is called, and its version, to those who ask in the class CH.
    pub fn telling(self, id: Option<&str>, version: Option<&str>) -> Self {
        let inside = Inside { id: id.map(Into::into), version: version.map(Into::into) };
        Self { inside, ..self }
    }

    /// Signs cookies with these secrets from now on.
    pub fn set_secrets(&self, secrets: CookieSecrets) {
        self.secrets.store(secrets.into());
    }

    /// The reply to one packet, from one table, without a limit.
    pub fn reply(&self, table: &Table, packet: Packet<'_>) -> Reply {
        self.reply_common(table, packet).unwrap_or_else(|| self.reply_general(table, packet))
    }

    /// The reply of the common path, if it is for that path.
    pub fn reply_common(&self, table: &Table, packet: Packet<'_>) -> Option<Reply> {
        let mut octets = Vec::new();
        let replied = reply_common(self, table, packet, &mut octets)?;
        Some(Reply::Send(octets, replied.code.into()))
    }

    /// The reply of the general path.
    pub fn reply_general(&self, table: &Table, packet: Packet<'_>) -> Reply {
        let mut octets = Vec::new();
        match reply_general(self, table, packet, &mut Unlimited, &mut octets) {
            Outcome::Dropped(cause) => Reply::Drop(cause),
            Outcome::Replied(replied) => Reply::Send(octets, replied.code.into()),
        }
    }

    /// The response that gives an answer of the table.
    #[inline(always)] // As it is large, it is made where it is used.
    pub(super) fn respond<'t>(
        &'t self,
        answer: Answer<'t>,
        edns: Option<&ClientEdns>,
        asker: &Asker,
    ) -> Response<'t> {
        use ExtendedError as Error;
        let (section, code, error) = match answer {
            Answer::Records(records) => (Section::Answer(records), Code::NO_ERROR, None),
            Answer::NoData(soa, _, ttl) => (Section::Authority(soa, ttl), Code::NO_ERROR, None),
            Answer::NxDomain(soa) => (Section::Authority(soa, soa.ttl()), Code::NX_DOMAIN, None),
            Answer::Refused => (Section::Nothing, Code::REFUSED, Some(Error::NotAuthoritative)),
            Answer::NotReady => (Section::Nothing, Code::SERV_FAIL, Some(Error::NotReady)),
            Answer::Composed => (Section::ToBeComposed, Code::NO_ERROR, None),
            Answer::Unavailable(_) => (Section::Nothing, Code::SERV_FAIL, Some(Error::Unavailable)),
        };
        let depends = || answer.depends_on_client();
        let edns = edns.map(|edns| self.edns(code, error, edns, depends, asker));
        Response { code, authoritative: error.is_none(), truncated: false, section, edns }
    }

    /// The response that gives an answer which was put together.
    pub(super) fn respond_composed<'t>(
        &'t self,
        composition: &'t Composition,
        edns: Option<&ClientEdns>,
        asker: &Asker,
    ) -> Response<'t> {
        let (code, error) = match composition.verdict {
            Verdict::Found => (Code::NO_ERROR, None),
            Verdict::Absent => (Code::NX_DOMAIN, None),
            Verdict::TooLong => (Code::YX_DOMAIN, None),
            Verdict::NotReady => (Code::SERV_FAIL, Some(ExtendedError::NotReady)),
            Verdict::Unavailable => (Code::SERV_FAIL, Some(ExtendedError::Unavailable)),
        };
        let section = Section::Composed(composition);
        let depends = || composition.depends_on_client;
        let edns = edns.map(|edns| self.edns(code, error, edns, depends, asker));
        let authoritative = composition.authoritative;
        Response { code, authoritative, truncated: false, section, edns }
    }

    /// The response to a question in the class CH.
    pub(super) fn respond_inside(
        &self,
        (name, kind): (&[u8], RecordType),
        edns: Option<&ClientEdns>,
        asker: &Asker,
    ) -> Response<'_> {
        let Some(text) = self.inside.text(name, kind) else {
            let error = Some(ExtendedError::NotSupported);
            return self.refuse(ResponseCode::Refused, error, edns, asker);
        };
        let code = Code::NO_ERROR;
        let edns = edns.map(|edns| self.edns(code, None, edns, || false, asker));
        Response {
            code,
            authoritative: true,
            truncated: false,
            section: Section::Inside(text),
            edns,
        }
    }

    /// A response without records.
    pub(super) fn refuse(
        &self,
        code: ResponseCode,
        error: Option<ExtendedError>,
        edns: Option<&ClientEdns>,
        asker: &Asker,
    ) -> Response<'_> {
        let (code, section) = (code.into(), Section::Nothing);
        let edns = edns.map(|edns| self.edns(code, error, edns, || false, asker));
        Response { code, authoritative: false, truncated: false, section, edns }
    }

    #[inline(always)]
    fn edns(
        &self,
        code: Code,
        error: Option<ExtendedError>,
        asked: &ClientEdns,
        depends_on_client: impl FnOnce() -> bool,
        asker: &Asker,
    ) -> ServerEdns<'_> {
        let has_options = asked.options.is_some() || error.is_some();
        let options = || self.options(asked.options.as_ref(), error, depends_on_client(), asker);
        ServerEdns {
            code_high: code.high(),
            dnssec_ok: asked.dnssec_ok,
            options: has_options.then(options),
        }
    }

    /// What the client's options ask for, and why the response is what it is.
    #[inline(never)] // Few clients have options; the others do not pay for them.
    fn options(
        &self,
        asked: Option<&ClientOptions>,
        error: Option<ExtendedError>,
        depends_on_client: bool,
        asker: &Asker,
    ) -> ServerOptions<'_> {
        let asked = asked.copied().unwrap_or_default();
        let cookie = asked.cookie.map(|cookie| {
            let (secrets, client) = (self.secrets.load(), asker.client.to_canonical());
            let (state, server) = cookie::check(&secrets, &cookie, client, asker.unix_secs);
            (state, cookie::option(cookie.client, server))
        });
        let with_scope = |subnet| (subnet, if depends_on_client { scope(subnet) } else { 0 });
        ServerOptions {
            nsid: self.nsid.as_deref().filter(|_| asked.nsid),
            subnet: asked.subnet.map(with_scope),
            cookie,
            keepalive: asked.keepalive && asker.transport.is_kept_alive(),
            error,
        }
    }
}

/// For how much of the subnet of a client's resolver an answer holds that depends on the client
/// (RFC 7871 §7.2.1). Others hold for everyone.
///
/// It is the same with negative answers, though RFC 7871 §7.4 would have them hold for everyone,
/// because many resolvers take them so. Those who do not would be told that clients whose pool has
/// addresses have none.
fn scope(subnet: Subnet) -> u8 {
    subnet.prefix.min(ClientNetwork::prefix_max(Family::of(subnet.address)))
}

/// Says whether an answer may be sent.
pub(super) trait Limit {
    /// `proven` is whether a cookie has shown that the client is where it says.
    fn judge(&mut self, client: Ipv6Addr, class: Class, proven: bool, lengths: Lengths) -> Limited;
}

/// For streams: their clients have shown where they are.
pub(super) struct Unlimited;

impl Limit for Unlimited {
    fn judge(&mut self, _: Ipv6Addr, _: Class, _: bool, _: Lengths) -> Limited {
        Limited::Pass
    }
}

/// What the table is asked, for a question with a subnet from a resolver.
#[inline(always)]
pub(super) fn asked<'q>(
    name: &'q [u8],
    kind: u16,
    resolver: Ipv6Addr,
    subnet: Option<Subnet>,
) -> table::Question<'q> {
    table::Question { name, kind, client: ClientNetwork::of(resolver, subnet) }
}

impl Question {
    /// What the table is asked.
    #[inline(always)]
    pub(super) fn for_table(&self, resolver: Ipv6Addr) -> table::Question<'_> {
        asked(
            self.name.wire(),
            self.kind,
            resolver,
            self.edns.as_ref().and_then(ClientEdns::subnet),
        )
    }
}
