//! Where something is asked for over HTTP: parsed once, strictly.
//!
//! Left out: user names and passwords, fragments, names in other scripts. What stands behind the
//! host may be what a stranger must not know, and is not shown by `Debug`.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use super::DnsName;

/// Why a text is not the URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither of the two.
    #[error("a URL begins with https:// or http://")]
    Scheme,
    /// Nothing that can be asked.
    #[error(
        "a URL has a host behind its //: a name, an IPv4 address, or an IPv6 address in brackets"
    )]
    Host,
    /// Not a port.
    #[error("the port of a URL is a whole number from 1 to 65535")]
    Port,
    /// Secrets would stand in it for everyone to see.
    #[error("a URL must not have a user name or a password")]
    User,
    /// Never sent.
    #[error("a URL must not have a fragment (#)")]
    Fragment,
    /// To be written as `%XX`.
    #[error("the character {0:?} is not allowed in a URL: write it as %XX")]
    Character(char),
    /// `%` without two hexadecimal digits.
    #[error("a % in a URL is followed by two hexadecimal digits")]
    Escape,
    /// Nobody writes so much.
    #[error("a URL has at most {} characters", Url::LEN_MAX)]
    Length,
}

/// `https://HOST:PORT/PATH?QUERY`, or the same with `http`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    is_secure: bool,
    /// In lower case; an IPv6 address without its brackets.
    host: String,
    /// Where the text has one.
    port: Option<u16>,
    /// The path and the query.
    target: String,
}

impl Url {
    const LEN_MAX: usize = 2048;

    /// Whether it is asked for over TLS.
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The name or the address of the host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, which need not stand in the text.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_secure { 443 } else { 80 })
    }

    /// The path and the query, as they are sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The scheme, the host and the port: what may be shown to everyone.
    pub fn origin(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The host and the port, as the `Host` header has them.
    pub fn authority(&self) -> String {
        let is_v6 = self.host.contains(':');
        let host = if is_v6 { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map(|port| format!("{host}:{port}")).unwrap_or(host)
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > Self::LEN_MAX {
            return Err(UrlError::Length);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (host, port) = split_port(authority)?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{target}");
        check_target(&target)?;
        Ok(Self { is_secure, host: read_host(host)?, port, target })
    }
}

/// The port stands behind the last colon that is not within the brackets of an address.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let from = match authority.rfind(']') {
        Some(end) => end + 1,
        None if authority.starts_with('[') => return Err(UrlError::Host),
        None => 0,
    };
    let Some(colon) = authority[from..].find(':') else { return Ok((authority, None)) };
    let (host, port) = (&authority[..from + colon], &authority[from + colon + 1..]);
    let is_number = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    match port.parse() {
        Ok(port @ 1..) if is_number => Ok((host, Some(port))),
        _ => Err(UrlError::Port),
    }
}

fn read_host(host: &str) -> Result<String, UrlError> {
    if let Some(v6) = host.strip_prefix('[') {
        let v6 = v6.strip_suffix(']').ok_or(UrlError::Host)?;
        let address: Ipv6Addr = v6.parse().map_err(|_| UrlError::Host)?;
        return Ok(address.to_string());
    }
    let name: DnsName = host.parse().map_err(|_| UrlError::Host)?;
    match name.wire() {
        [0] => Err(UrlError::Host),
        _ => Ok(name.to_string()),
    }
}

/// What RFC 3986 allows in a path and a query.
fn check_target(target: &str) -> Result<(), UrlError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(c);
    if let Some(character) = target.chars().find(|c| !is_plain(*c)) {
        return Err(UrlError::Character(character));
    }
    let is_digit = |octet: &u8| octet.is_ascii_hexdigit();
    let is_escape = |rest: &str| rest.bytes().take(2).filter(is_digit).count() == 2;
    match target.split('%').skip(1).all(is_escape) {
        true => Ok(()),
        false => Err(UrlError::Escape),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({}/…)", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Result<Url, UrlError> {
        text.parse()
    }

    #[test]
    fn its_parts_are_those_that_are_sent() {
        let parts = |text: &str| {
            let url = url(text).expect("good");
            (url.is_secure(), url.host().to_owned(), url.port(), url.target().to_owned())
        };
        let here = |secure, host: &str, port, target: &str| {
            (secure, host.to_owned(), port, target.to_owned())
        };
        assert_eq!(parts("https://Hooks.example.test"), here(true, "hooks.example.test", 443, "/"));
        assert_eq!(parts("HTTP://a:8080/b/c?d=%20e"), here(false, "a", 8080, "/b/c?d=%20e"));
        assert_eq!(parts("http://a?b"), here(false, "a", 80, "/?b"));
        assert_eq!(parts("https://[2001:DB8::1]:444/"), here(true, "2001:db8::1", 444, "/"));
        assert_eq!(parts("http://192.0.2.1/x:y@z"), here(false, "192.0.2.1", 80, "/x:y@z"));
        let shown = url("https://[2001:db8::1]:443/a").expect("good");
        assert_eq!(shown.to_string(), "https://[2001:db8::1]:443/a");
        assert_eq!(shown.authority(), "[2001:db8::1]:443");
    }

    #[test]
    fn what_is_none_is_told() {
        use UrlError::*;
        for (text, why) in [
            ("", Scheme),
            ("hooks.example.test", Scheme),
            ("ftp://a", Scheme),
            ("https://", Host),
            ("https:///a", Host),
            ("https://a b/", Host),
            ("https://./", Host),
            ("https://[::1", Host),
            ("https://[::1]x/", Host),
            ("https://a:/", Port),
            ("https://a:0/", Port),
            ("https://a:65536", Port),
            ("https://a:+1", Port),
            ("https://user:word@a/", User),
            ("https://a/#top", Fragment),
            ("https://a/b c", Character(' ')),
            ("https://a/\r\nX: y", Character('\r')),
            ("https://a/ü", Character('ü')),
            ("https://a/%2", Escape),
            ("https://a/%zz", Escape),
        ] {
            assert_eq!(url(text), Err(why), "{text}");
        }
        assert_eq!(url(&format!("https://a/{}", "b".repeat(2048))), Err(Length));
    }

    #[test]
    fn what_only_some_may_know_is_not_shown_by_chance() {
        let shown = format!("{:?}", url("https://hooks.test/services/T0/B0/token?key=s"));
        assert_eq!(shown, "Ok(Url(https://hooks.test/…))");
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_that_reads_the_same_again_or_an_error(
            text in "(https?://)?[a-z0-9.:@\\[\\]]{0,12}[/?]?.{0,12}"
        ) {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}
