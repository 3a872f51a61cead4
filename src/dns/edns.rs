//! EDNS (RFC 6891), in octets: what a client says in its OPT record, and what we say in ours.
//!
//! Of the options these are understood: NSID (RFC 5001), client subnet (RFC 7871), cookies
//! (RFC 7873), keepalive of TCP connections (RFC 7828). Others are ignored (RFC 6891 §6.1.2).
//! Both paths read and write OPT records through this file.

use hickory_proto::{
    op::Edns,
    rr::rdata::opt::{EdnsCode, EdnsOption},
};

use super::{
    UDP_REPLY_MAX,
    cookie::{self, CLIENT_COOKIE_LEN, Cookie, CookieState, SERVER_COOKIE_LEN},
    tcp,
};
use crate::model::{Family, Subnet};

/// The smallest reply limit that a client may state (RFC 6891 §6.2.3).
const UDP_REPLY_MIN: u16 = 512;

/// The length of an OPT record without options: root, type, class, TTL, data length.
pub(super) const OPT_LEN_MIN: usize = 11;
/// The number of the type OPT.
pub(super) const OPT: u16 = 41;
/// An OPT record of ours without flags and options, and where these stand.
const OPT_RECORD: [u8; OPT_LEN_MIN] = {
    let [payload_high, payload_low] = UDP_REPLY_MAX.to_be_bytes();
    [0, 0, OPT as u8, payload_high, payload_low, 0, 0, 0, 0, 0, 0]
};
const OPT_CODE_HIGH: usize = 5;
const OPT_FLAGS: usize = 7;
const OPT_OPTIONS_LEN: usize = 9;
/// The flag DO in the TTL of an OPT record (RFC 3225).
const DNSSEC_OK: u8 = 0x80;

const NSID: u16 = 3;
const SUBNET: u16 = 8;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const EXTENDED_ERROR: u16 = 15;
/// Code and length of an option.
const OPTION_HEAD_LEN: usize = 4;
/// Family and the two prefixes of a client subnet.
const SUBNET_HEAD_LEN: usize = 4;
/// A client cookie and a server cookie of ours.
const COOKIE_LEN: usize = CLIENT_COOKIE_LEN + SERVER_COOKIE_LEN;

/// The options do not keep to their format: FORMERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientEdns {
    /// The largest reply that it takes, in octets.
    pub(super) payload: u16,
    pub(super) version: u8,
    pub(super) dnssec_ok: bool,
    /// Most clients have none, and what is large in them is not touched for those.
    pub(super) options: Option<ClientOptions>,
}

/// The options of a client that we understand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientOptions {
    pub(super) nsid: bool,
    pub(super) keepalive: bool,
    pub(super) subnet: Option<Subnet>,
    pub(super) cookie: Option<Cookie>,
}

impl ClientEdns {
    /// Reads an OPT record from behind its type: class, TTL, data.
    pub(super) fn read(class: [u8; 2], ttl: [u8; 4], options: &[u8]) -> Result<Self, Malformed> {
        let mut edns = Self::without_options(class, ttl);
        edns.read_options(options)?;
        Ok(edns)
    }

    /// Reads the fixed part of an OPT record: class, TTL.
    #[inline]
    pub(super) fn without_options(class: [u8; 2], [_, version, flags, _]: [u8; 4]) -> Self {
        let payload = u16::from_be_bytes(class);
        Self { payload, version, dnssec_ok: flags & DNSSEC_OK != 0, options: None }
    }

    /// Adds the options, if there are any. Those of another version are not looked at, because
    /// nobody knows what they mean.
    #[inline]
    pub(super) fn read_options(&mut self, options: &[u8]) -> Result<(), Malformed> {
        if self.version == 0 && !options.is_empty() {
            self.options = Some(ClientOptions::read(options)?);
        }
        Ok(())
    }

    /// The subnet that its resolver tells.
    #[inline]
    pub(super) fn subnet(&self) -> Option<Subnet> {
        self.options.as_ref().and_then(|options| options.subnet)
    }

    /// How long a reply by UDP may be.
    #[inline]
    pub(super) fn udp_limit(edns: Option<&Self>) -> u16 {
        edns.map_or(UDP_REPLY_MIN, |edns| edns.payload.clamp(UDP_REPLY_MIN, UDP_REPLY_MAX))
    }
}

impl ClientOptions {
    fn read(mut rest: &[u8]) -> Result<Self, Malformed> {
        let mut options = Self::default();
        while !rest.is_empty() {
            let (head, behind) = rest.split_first_chunk::<OPTION_HEAD_LEN>().ok_or(Malformed)?;
            let [code_high, code_low, len_high, len_low] = *head;
            let len = u16::from_be_bytes([len_high, len_low]).into();
            let (data, behind) = behind.split_at_checked(len).ok_or(Malformed)?;
            rest = behind;
            match u16::from_be_bytes([code_high, code_low]) {
                // Of several cookies the first counts (RFC 7873 §5.2); the same for subnets.
                COOKIE if options.cookie.is_none() => {
                    options.cookie = Some(cookie::parse(data).map_err(|_| Malformed)?);
                }
                SUBNET if options.subnet.is_none() => options.subnet = Some(subnet(data)?),
                NSID => options.nsid = true,
                KEEPALIVE => options.keepalive = true,
                _ => {}
            }
        }
        Ok(options)
    }
}

/// RFC 7871 §6 and §7.1.2: the scope of a question is 0, its address ends with its prefix.
fn subnet(data: &[u8]) -> Result<Subnet, Malformed> {
    let (head, address) = data.split_first_chunk::<SUBNET_HEAD_LEN>().ok_or(Malformed)?;
    let family = match head {
        [0, 1, _, 0] => Family::V4,
        [0, 2, _, 0] => Family::V6,
        _ => return Err(Malformed),
    };
    Subnet::from_octets(family, head[2], address).ok_or(Malformed)
}

/// Why an answer is what it is (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtendedError {
    /// The services are not known yet.
    NotReady,
    /// Nothing of the service is up.
    Unavailable,
    /// The name is not in the zone.
    NotAuthoritative,
    /// What is asked for is not offered.
    NotSupported,
}

impl ExtendedError {
    /// INFO-CODE and EXTRA-TEXT.
    const fn parts(self) -> (u16, &'static str) {
        match self {
            Self::NotReady => (14, ""),
            Self::Unavailable => (0, "no endpoint is up"),
            Self::NotAuthoritative => (20, ""),
            Self::NotSupported => (21, ""),
        }
    }
}

/// What we say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ServerEdns<'s> {
    /// The upper bits of the RCODE.
    pub(super) code_high: u8,
    pub(super) dnssec_ok: bool,
    /// Mostly none.
    pub(super) options: Option<ServerOptions<'s>>,
}

/// The options that we send.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ServerOptions<'s> {
    pub(super) nsid: Option<&'s [u8]>,
    /// The client's subnet, and for how much of it the answer holds.
    pub(super) subnet: Option<(Subnet, u8)>,
    /// What the client's cookie proves; the client's cookie and ours.
    pub(super) cookie: Option<(CookieState, [u8; COOKIE_LEN])>,
    pub(super) keepalive: bool,
    pub(super) error: Option<ExtendedError>,
}

impl ServerEdns<'_> {
    /// How long the OPT record is.
    #[inline]
    pub(super) fn len(&self) -> usize {
        // A copy, here and below: what a pointer leads to would always be written to memory.
        OPT_LEN_MIN + self.options.map_or(0, |options| options.len())
    }

    /// How long the COOKIE option is.
    #[inline]
    pub(super) fn cookie_len(&self) -> usize {
        self.cookie().map_or(0, |(_, cookie)| OPTION_HEAD_LEN + cookie.len())
    }

    /// What the client's cookie proves.
    #[inline]
    pub(super) fn cookie_state(&self) -> CookieState {
        self.cookie().map_or(CookieState::Absent, |(state, _)| *state)
    }

    #[inline]
    fn cookie(&self) -> Option<&(CookieState, [u8; COOKIE_LEN])> {
        self.options.as_ref().and_then(|options| options.cookie.as_ref())
    }

    /// Writes the OPT record to the start of `out`, if there is room; says how long it is.
    #[inline(always)]
    pub(super) fn write(&self, out: &mut [u8]) -> Option<usize> {
        let (head, rest) = out.split_first_chunk_mut::<OPT_LEN_MIN>()?;
        *head = OPT_RECORD;
        head[OPT_CODE_HIGH] = self.code_high;
        head[OPT_FLAGS] = if self.dnssec_ok { DNSSEC_OK } else { 0 };
        let Some(options) = self.options else { return Some(OPT_LEN_MIN) };
        let len = options.len();
        head[OPT_OPTIONS_LEN..].copy_from_slice(&be16(len));
        options.write(rest.get_mut(..len)?);
        Some(OPT_LEN_MIN + len)
    }

    /// The same for the codec.
    pub(super) fn to_hickory(self) -> Edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_REPLY_MAX);
        edns.set_version(0);
        edns.set_rcode_high(self.code_high);
        edns.set_dnssec_ok(self.dnssec_ok);
        let options: &mut Vec<(EdnsCode, EdnsOption)> = edns.options_mut().as_mut();
        self.options.unwrap_or_default().each(|code, parts| {
            options.push((code.into(), EdnsOption::Unknown(code, parts.concat())));
        });
        edns
    }
}

impl ServerOptions<'_> {
    fn len(&self) -> usize {
        let mut len = 0;
        self.each(|_, parts| {
            len += OPTION_HEAD_LEN + parts.iter().map(|part| part.len()).sum::<usize>();
        });
        len
    }

    /// Writes them to a place of their length.
    fn write(&self, mut rest: &mut [u8]) {
        self.each(|code, parts| {
            let mut put = |octets: &[u8]| {
                let (here, behind) = std::mem::take(&mut rest).split_at_mut(octets.len());
                here.copy_from_slice(octets);
                rest = behind;
            };
            put(&code.to_be_bytes());
            put(&be16(parts.iter().map(|part| part.len()).sum()));
            parts.iter().for_each(|part| put(part));
        });
    }

    /// Shows each option: its code, and its data in parts.
    fn each(&self, mut show: impl FnMut(u16, &[&[u8]])) {
        if let Some(nsid) = self.nsid {
            show(NSID, &[nsid]);
        }
        if let Some((subnet, scope)) = self.subnet {
            let (v4, v6);
            let (family, address): (u8, &[u8]) = match subnet.address {
                std::net::IpAddr::V4(address) => {
                    v4 = address.octets();
                    (1, &v4)
                }
                std::net::IpAddr::V6(address) => {
                    v6 = address.octets();
                    (2, &v6)
                }
            };
            let octets = usize::from(subnet.prefix).div_ceil(8);
            show(SUBNET, &[&[0, family, subnet.prefix, scope], &address[..octets]]);
        }
        if let Some((_, cookie)) = &self.cookie {
            show(COOKIE, &[cookie]);
        }
        if self.keepalive {
            // In units of 100 ms.
            let idle = be16((tcp::IDLE.as_millis() / 100) as usize);
            show(KEEPALIVE, &[&idle]);
        }
        if let Some(error) = self.error {
            let (code, text) = error.parts();
            show(EXTENDED_ERROR, &[&code.to_be_bytes(), text.as_bytes()]);
        }
    }
}

fn be16(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("invariant: options of ours are short").to_be_bytes()
}
