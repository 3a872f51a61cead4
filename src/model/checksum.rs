//! Short names of texts: whether two are the same is seen by looking.
//!
//! Against accidents, not against forgers: whoever wants to can make two texts with one checksum.

use std::{fmt, hash::Hasher, str::FromStr};

use siphasher::sip::SipHasher13;

/// Of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(u64);

/// Of a plan: of the file that it is for, and of the state that it starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanChecksum {
    /// Of the text of the file.
    pub file: Checksum,
    /// Of what the file would change as it is now.
    pub state: Checksum,
}

/// A text that is no checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checksum of a plan is two groups of 16 hexadecimal digits with a `-` between them")]
pub struct ChecksumError;

impl Checksum {
    /// Of some texts; where one ends and the next begins makes a difference.
    pub fn of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        // Keys of its own: no checksum says anything of where a client stands.
        let mut hasher = SipHasher13::new_with_keys(0, 3);
        for text in texts {
            let text = text.as_ref();
            hasher.write(&(text.len() as u64).to_le_bytes());
            hasher.write(text.as_bytes());
        }
        Self(hasher.finish())
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for PlanChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.file, self.state)
    }
}

impl FromStr for PlanChecksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let half = |text: &str| {
            let is_one = text.len() == 16 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
            let number = u64::from_str_radix(text, 16).ok().filter(|_| is_one);
            number.map(Checksum).ok_or(ChecksumError)
        };
        let (file, state) = text.split_once('-').ok_or(ChecksumError)?;
        Ok(Self { file: half(file)?, state: half(state)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else() {
        let [file, state] = ["a", "b"].map(|text| Checksum::of([text]));
        let checksum = PlanChecksum { file, state };
        assert_eq!(checksum.to_string().parse(), Ok(checksum));
        for wrong in ["", "-", "0123456789abcdef", "0123456789abcdef-+123456789abcde", "0-1"] {
            assert_eq!(wrong.parse::<PlanChecksum>(), Err(ChecksumError), "{wrong}");
        }
    }

    #[test]
    fn other_texts_have_another_one_wherever_they_are_cut() {
        assert_ne!(Checksum::of(["ab", "c"]), Checksum::of(["a", "bc"]));
        assert_ne!(Checksum::of(["a"]), Checksum::of(["a", ""]));
        assert_eq!(Checksum::of(["a", "b"]), Checksum::of(["a".to_owned(), "b".to_owned()]));
    }
}
