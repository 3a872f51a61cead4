//! What an HTTP probe asks, and what it expects.

use std::{fmt, str::FromStr};

use regex_lite::{Regex, RegexBuilder};

/// How much a pattern may be, compiled, in octets: what is matched is 64 KiB at most, and takes time in
/// proportion to both.
const PATTERN_SIZE_MAX: usize = 1 << 14;

/// Passes when the request is answered with one of the statuses and, if asked for, the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// The port to connect to.
    pub port: u16,
    /// What is asked for it.
    pub method: Method,
    /// Whether it is spoken over HTTP/2, which the server must know (RFC 9113 §3.3) or agree to.
    pub http2: bool,
    /// The path and query asked for; starts with `/`.
    pub path: String,
    /// The `Host` header; without it the service's full name.
    pub host: String,
    /// Further headers of the request.
    pub headers: Vec<Header>,
    /// The statuses that pass.
    pub status: Vec<u16>,
    /// A text that must stand in the first 64 KiB of the body.
    pub body: Option<String>,
    /// What must be found there.
    pub pattern: Option<Pattern>,
}

impl fmt::Display for HttpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, method, http2, path, host, headers, status, body, pattern } = self;
        if *method != Method::Get {
            write!(f, "{} ", method.name())?;
        }
        write!(f, "{host}:{port}{path} {status:?}")?;
        if *http2 {
            f.write_str(" over HTTP/2")?;
        }
        headers.iter().try_for_each(|header| write!(f, " with {header}"))?;
        body.iter().try_for_each(|body| write!(f, " body {body:?}"))?;
        pattern.iter().try_for_each(|pattern| write!(f, " body /{}/", pattern.as_str()))
    }
}

/// A regular expression. Matching takes time in proportion to its size and that of the text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// Why a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a regular expression: {0}")]
pub struct PatternError(String);

impl Pattern {
    /// Whether it is found in the text.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let pattern = RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).build();
        pattern.map(Self).map_err(|error| PatternError(error.to_string()))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// The methods that a probe may use: none of them is to change anything (RFC 9110 §9.2.1), but for
/// `POST`, where a service has its health there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[allow(missing_docs)]
    #[default]
    Get,
    #[allow(missing_docs)]
    Head,
    #[allow(missing_docs)]
    Options,
    #[allow(missing_docs)]
    Post,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Get, Self::Head, Self::Options, Self::Post];

    /// The word in the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}

/// One header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: String,
}

/// Why a header cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// RFC 9110 §5.6.2.
    #[error("a header's name has letters, digits and !#$%&'*+-.^_`|~ alone")]
    Name,
    /// RFC 9110 §5.5; what is beyond ASCII is read in many ways.
    #[error("a header's value has visible ASCII, with spaces only within")]
    Value,
    /// It says how the message is sent, or is said elsewhere.
    #[error("`{0}` is not a probe's to say")]
    Ours(String),
}

impl Header {
    /// What the connection says by itself, and the host, which has a key of its own.
    const OURS: [&str; 8] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
    ];

    /// A header that can be sent; names are compared without case.
    pub fn new(name: &str, value: &str) -> Result<Self, HeaderError> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HeaderError::Name);
        }
        let name = name.to_ascii_lowercase();
        if Self::OURS.contains(&name.as_str()) {
            return Err(HeaderError::Ours(name));
        }
        let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if value.is_empty() || !value.bytes().all(is_visible) || value.trim() != value {
            return Err(HeaderError::Value);
        }
        Ok(Self { name, value: value.to_owned() })
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value. May be a secret: it is not to be shown.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Header {
    /// The name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_can_be_sent() {
        let header = Header::new("Authorization", "Bearer a b").expect("good");
        assert_eq!((header.name(), header.value()), ("authorization", "Bearer a b"));
        assert_eq!(header.to_string(), "authorization", "values are not shown");
    }

    #[test]
    fn a_header_cannot_break_out_of_its_line() {
        for name in ["", "a b", "a:", "a\r\nb", "ä"] {
            assert_eq!(Header::new(name, "x"), Err(HeaderError::Name), "{name:?}");
        }
        for value in ["", " x", "x ", "a\r\nb: c", "a\tb", "ä", "\0"] {
            assert_eq!(Header::new("a", value), Err(HeaderError::Value), "{value:?}");
        }
        for name in Header::OURS {
            let name = name.to_ascii_uppercase();
            assert!(matches!(Header::new(&name, "x"), Err(HeaderError::Ours(_))), "{name}");
        }
    }
}
