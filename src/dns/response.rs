//! A response before it is written, for both paths: RCODE, sections and EDNS; and what is counted of it
//! once it has been.

use hickory_proto::op::ResponseCode;

use super::{
    cookie::CookieState,
    edns::{ServerEdns, ServerOptions},
    rrl::Class,
};
use crate::table::{Authority, Composition, Records, Tally};

/// A response before it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Response<'t> {
    pub(super) code: Code,
    pub(super) authoritative: bool,
    /// Something is left out: the client is to ask again over TCP.
    pub(super) truncated: bool,
    pub(super) section: Section<'t>,
    pub(super) edns: Option<ServerEdns<'t>>,
}

/// What a response has beside the question: one section, unless it is composed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Section<'t> {
    Nothing,
    Answer(Records<'t>),
    /// To be kept for so many seconds at most.
    Authority(&'t Authority, u32),
    /// All sections.
    Composed(&'t Composition),
    /// They are put together on the general path.
    ToBeComposed,
    /// What the server says of itself; only on the general path.
    Inside(&'t str),
}

impl Response<'_> {
    /// The same without what the client has not asked for, if there is such (RFC 2181 §9).
    pub(super) fn without_additional(mut self) -> Option<Self> {
        match &mut self.section {
            Section::Answer(records) if records.additional() > 0 => {
                *records = records.without_additional();
                Some(self)
            }
            _ => None,
        }
    }

    /// What is sent in place of it when it is not to be sent whole: no records, and of EDNS what
    /// a client needs to ask again.
    #[cold]
    pub(super) fn cut(mut self) -> Self {
        self.section = Section::Nothing;
        self.truncated = true;
        if let Some(options) = self.edns.as_mut().and_then(|edns| edns.options.as_mut()) {
            *options = ServerOptions { nsid: None, error: None, subnet: None, ..*options };
        }
        self
    }

    #[inline]
    pub(super) fn replied(&self) -> Replied {
        let given = match self.section {
            Section::Answer(records) => {
                records.tally().map(|tally| Given { tally, ttl: records.ttl() })
            }
            Section::Composed(composition) => {
                composition.given.map(|(tally, ttl)| Given { tally, ttl })
            }
            _ => None,
        };
        let Self { code, truncated, .. } = *self;
        Replied { code, truncated, cookie_state: self.cookie_state(), given }
    }

    /// What kind of answer a limit takes it for.
    pub(super) fn class(&self) -> Class {
        let has_records = match self.section {
            Section::Answer(_) | Section::Inside(_) => true,
            Section::Composed(composition) => !composition.answers.is_empty(),
            Section::Nothing | Section::Authority(..) | Section::ToBeComposed => false,
        };
        Class::of(self.code, has_records)
    }

    /// What the client's cookie proves.
    #[inline]
    pub(super) fn cookie_state(&self) -> CookieState {
        self.edns.as_ref().map_or(CookieState::Absent, ServerEdns::cookie_state)
    }
}

/// What was replied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Replied {
    pub(super) code: Code,
    pub(super) truncated: bool,
    pub(super) cookie_state: CookieState,
    pub(super) given: Option<Given>,
}

/// An answer that names endpoints of a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Given {
    /// What it counts for.
    pub(super) tally: Tally,
    /// For how long a cache may keep it, in seconds.
    pub(super) ttl: u32,
}

impl Replied {
    /// A reply that is a header and nothing else.
    pub(super) fn bare(code: ResponseCode) -> Self {
        Self { code: code.into(), truncated: false, cookie_state: CookieState::Absent, given: None }
    }
}

/// The number of an RCODE, with the bits that only EDNS can carry (RFC 6891 §6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) u16);

impl Code {
    pub(super) const NO_ERROR: Self = Self(0);
    pub(super) const SERV_FAIL: Self = Self(2);
    pub(super) const NX_DOMAIN: Self = Self(3);
    pub(super) const YX_DOMAIN: Self = Self(6);
    pub(super) const REFUSED: Self = Self(5);

    /// The bits in the header.
    pub(super) const fn low(self) -> u8 {
        (self.0 & 0x0f) as u8
    }

    /// The bits in the OPT record.
    pub(super) const fn high(self) -> u8 {
        (self.0 >> 4) as u8
    }
}

impl From<ResponseCode> for Code {
    fn from(code: ResponseCode) -> Self {
        Self(code.into())
    }
}

impl From<Code> for ResponseCode {
    fn from(code: Code) -> Self {
        code.0.into()
    }
}
