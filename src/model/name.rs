//! Names: of the DNS, of services, of pools.
//!
//! As text: letters, digits, `-` and `_`, and letters of other scripts (IDNA 2008, UTS 46), which are
//! kept as A-labels. Names of records may have a wildcard in front. What else the DNS allows can only
//! be had from octets.

use std::{fmt, str::FromStr, sync::Arc};

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name must not be empty")]
    Empty,
    /// Two dots in a row, or one at the start.
    #[error("a name must not have an empty label")]
    EmptyLabel,
    /// RFC 1035 §2.3.4.
    #[error("the label `{0}` has {len} octets; at most 63 are allowed (RFC 1035 §2.3.4)", len = .0.len())]
    LabelTooLong(String),
    /// RFC 1035 §2.3.4.
    #[error("the name has {0} octets on the wire; at most 255 are allowed (RFC 1035 §2.3.4)")]
    NameTooLong(usize),
    /// Anything but letters, digits, `-`, `_`.
    #[error("the character {0:?} is not allowed in a name: use letters, digits, `-` and `_`")]
    Character(char),
    /// Letters of other scripts that mean nothing together.
    #[error("`{0}` cannot be written as an A-label (RFC 5891)")]
    Idn(String),
    /// Not below the apex.
    #[error("the name `{0}` is not inside the zone `{1}`")]
    OutsideZone(String, DnsName),
    /// Below a service, but not begun by an underscore.
    #[error("each label before the name of a service begins with `_`, as in `_http._tcp`")]
    Prefix,
    /// A pool name of the wrong length.
    #[error("a pool name has 1 to 63 characters")]
    PoolLength,
}

/// A fully qualified domain name: wire form (RFC 1035 §3.1), lower case, at most 255 octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<[u8]>);

impl DnsName {
    /// The longest name on the wire, in octets.
    pub const MAX_WIRE_LEN: usize = 255;
    const MAX_LABEL_LEN: usize = 63;

    /// A name as written in a zone: `@` is the apex, a final dot makes it absolute, everything
    /// else is relative to the apex.
    pub fn within(text: &str, apex: &Self) -> Result<Self, NameError> {
        if text == "@" {
            return Ok(apex.clone());
        }
        if text.ends_with('.') {
            let name: Self = text.parse()?;
            return match name.is_within(apex) {
                true => Ok(name),
                false => Err(NameError::OutsideZone(text.to_owned(), apex.clone())),
            };
        }
        let mut wire = wire_labels(text)?;
        wire.extend_from_slice(&apex.0);
        Self::from_wire(wire)
    }

    /// The owner of a record: as [`DnsName::within`], and it may have a wildcard as its first label
    /// (RFC 4592 §2.1.1).
    pub fn of_record(text: &str, apex: &Self) -> Result<Self, NameError> {
        let below = match text.strip_prefix('*') {
            Some("") => apex.clone(),
            Some(rest) if rest.starts_with('.') => Self::within(&rest[1..], apex)?,
            _ => return Self::within(text, apex),
        };
        Self::from_wire([b"\x01*", below.wire()].concat())
    }

    /// A dotted name with its labels as A-labels, where they are of other scripts.
    pub fn to_ascii(text: &str) -> Result<String, NameError> {
        if text.is_ascii() {
            return Ok(text.to_owned());
        }
        let ascii = idna::uts46::Uts46::new().to_ascii(
            text.as_bytes(),
            idna::AsciiDenyList::EMPTY,
            idna::uts46::Hyphens::Allow,
            idna::uts46::DnsLength::Ignore,
        );
        ascii.map(String::from).map_err(|_| NameError::Idn(text.to_owned()))
    }

    /// As people of other scripts read it, if that differs.
    pub fn unicode(&self) -> Option<String> {
        let text = self.to_string();
        let (unicode, result) = idna::domain_to_unicode(&text);
        (result.is_ok() && unicode != text).then_some(unicode)
    }

    /// A name in wire form, in any case, with labels of any octets.
    pub fn from_octets(wire: &[u8]) -> Result<Self, NameError> {
        let mut rest = wire;
        while let Some((len, behind)) = rest.split_first().filter(|(len, _)| **len > 0) {
            if usize::from(*len) > Self::MAX_LABEL_LEN {
                return Err(NameError::LabelTooLong(String::from_utf8_lossy(behind).into()));
            }
            rest = behind.get(usize::from(*len)..).ok_or(NameError::EmptyLabel)?;
        }
        // Length octets are at most 63 and so are never taken for letters.
        if rest == [0] {
            Self::from_wire(wire.to_ascii_lowercase())
        } else {
            Err(NameError::EmptyLabel)
        }
    }

    /// The octets as they are sent, the root's zero octet included.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether this name is `apex` or below it.
    pub fn is_within(&self, apex: &Self) -> bool {
        self.ancestors().any(|suffix| suffix == apex.wire())
    }

    /// The name itself, its parent, and so on up to the root, in wire form.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Some(self.wire());
        std::iter::from_fn(move || {
            let here = rest?;
            let label_len = usize::from(here[0]);
            rest = (label_len > 0).then(|| &here[1 + label_len..]);
            Some(here)
        })
    }

    /// The name one label up; the root has none.
    pub fn parent(&self) -> Option<Self> {
        self.ancestors().nth(1).map(|wire| Self(wire.into()))
    }

    fn from_wire(wire: Vec<u8>) -> Result<Self, NameError> {
        match wire.len() {
            len if len > Self::MAX_WIRE_LEN => Err(NameError::NameTooLong(len)),
            _ => Ok(Self(wire.into())),
        }
    }
}

/// The root.
impl Default for DnsName {
    fn default() -> Self {
        Self([0].into())
    }
}

/// An absolute name, with or without its final dot.
impl FromStr for DnsName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut wire = wire_labels(text.strip_suffix('.').unwrap_or(text))?;
        wire.push(0);
        Self::from_wire(wire)
    }
}

/// Without the final dot; the root is `.`. As in zone files (RFC 1035 §5.1).
impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.wire();
        if rest.len() == 1 {
            return f.write_str(".");
        }
        while rest[0] > 0 {
            let (label, after) = rest[1..].split_at(usize::from(rest[0]));
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(octet))?;
                    }
                    b'!'..=b'~' => write!(f, "{}", char::from(octet))?,
                    other => write!(f, "\\{other:03}")?,
                }
            }
            if after[0] > 0 {
                f.write_str(".")?;
            }
            rest = after;
        }
        Ok(())
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnsName({self})")
    }
}

/// The labels of a dotted text, each with its length octet, without the root.
fn wire_labels(text: &str) -> Result<Vec<u8>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let text = DnsName::to_ascii(text)?;
    let mut wire = Vec::with_capacity(text.len() + 2);
    for label in text.split('.') {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if let Some(character) = label.chars().find(|&c| !is_name_character(c)) {
            return Err(NameError::Character(character));
        }
        match u8::try_from(label.len()) {
            Ok(len) if label.len() <= DnsName::MAX_LABEL_LEN => wire.push(len),
            _ => return Err(NameError::LabelTooLong(label.to_owned())),
        }
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    Ok(wire)
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// A service's name: relative to the apex, lower case, one label or more (`api`, `www.shop`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        wire_labels(text)?;
        Ok(Self(DnsName::to_ascii(text)?.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pool's name, for people and metrics. Case counts. In a DNS name it is [`PoolName::label`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As one label of a host name: in lower case, and with dashes in place of dots and underscores.
    pub fn label(&self) -> String {
        self.0.to_ascii_lowercase().replace(['.', '_'], "-")
    }
}

impl FromStr for PoolName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(character) = text.chars().find(|&c| !is_name_character(c) && c != '.') {
            return Err(NameError::Character(character));
        }
        match text.len() {
            1..=63 => Ok(Self(text.into())),
            _ => Err(NameError::PoolLength),
        }
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apex() -> DnsName {
        "svc.Example.test.".parse().expect("valid")
    }

    #[test]
    fn names_are_lower_case_and_relative_to_the_apex() {
        assert_eq!(apex().to_string(), "svc.example.test");
        let api = DnsName::within("API", &apex()).expect("valid");
        assert_eq!(api.wire(), b"\x03api\x03svc\x07example\x04test\x00");
        assert!(api.is_within(&apex()));
        assert_eq!(DnsName::within("@", &apex()), Ok(apex()));
        assert!(matches!(DnsName::within("a.other.", &apex()), Err(NameError::OutsideZone(..))));
    }

    #[test]
    fn limits_of_rfc_1035() {
        assert!("a".repeat(63).parse::<DnsName>().is_ok());
        assert!(matches!("a".repeat(64).parse::<DnsName>(), Err(NameError::LabelTooLong(_))));
        // 4 × (1 + 63) labels and the root are 257 octets.
        let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
        assert_eq!(long.parse::<DnsName>(), Err(NameError::NameTooLong(257)));
        assert_eq!("".parse::<DnsName>(), Err(NameError::Empty));
        assert_eq!("a..b".parse::<DnsName>(), Err(NameError::EmptyLabel));
        assert_eq!("a*b".parse::<DnsName>(), Err(NameError::Character('*')));
    }

    #[test]
    fn a_longer_label_is_not_within() {
        let other: DnsName = "xsvc.example.test".parse().expect("valid");
        assert!(!other.is_within(&apex()));
    }

    proptest! {
        #[test]
        fn text_survives_the_wire(text in "[a-z0-9_-]{1,20}(\\.[a-z0-9_-]{1,20}){0,5}") {
            let name: DnsName = text.parse().expect("valid");
            prop_assert_eq!(name.to_string(), text);
            prop_assert!(name.wire().len() <= DnsName::MAX_WIRE_LEN);
        }

        #[test]
        fn any_text_is_a_name_or_an_error(text in ".{0,300}") {
            if let Ok(name) = text.parse::<DnsName>() {
                prop_assert!(name.wire().len() <= DnsName::MAX_WIRE_LEN);
            }
        }
    }
}
