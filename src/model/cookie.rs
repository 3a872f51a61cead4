//! The secrets behind server cookies (RFC 9018) and the text that nodes of one zone share them by.
//! Making and checking cookies is `dns`'s business.

use std::fmt;

/// Hexadecimal digits of one secret.
const DIGITS: usize = 32;

/// Why a text holds no secrets. What stands in the line is never repeated: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// Nothing but comments and blank lines.
    #[error("there is no secret: the first line must be {DIGITS} hexadecimal digits")]
    Empty,
    /// A character that is no hexadecimal digit.
    #[error("line {line}, column {column}: not a hexadecimal digit")]
    NotHexadecimal {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// Digits, but too few or too many.
    #[error("line {line}: a secret is {DIGITS} hexadecimal digits, here are {digits}")]
    Length {
        /// From 1.
        line: usize,
        /// How many there are.
        digits: usize,
    },
    /// The same secret twice.
    #[error("line {line}: the two secrets are the same")]
    Same {
        /// From 1.
        line: usize,
    },
    /// More than two secrets.
    #[error("line {line}: a third secret; there is the one that signs and one that is believed")]
    TooMany {
        /// From 1.
        line: usize,
    },
}

impl SecretsError {
    /// Line and column, from 1; 0 where there is none.
    pub const fn place(&self) -> (usize, usize) {
        match *self {
            Self::Empty => (0, 0),
            Self::NotHexadecimal { line, column } => (line, column),
            Self::Length { line, .. } | Self::Same { line } | Self::TooMany { line } => (line, 1),
        }
    }
}

/// The secret that signs server cookies, and perhaps another one whose cookies are believed.
///
/// The other one is the next secret while it is brought to every node, and the one before while
/// clients still hold its cookies (RFC 9018 §5).
#[derive(Clone, PartialEq, Eq)]
pub struct CookieSecrets {
    current: [u8; 16],
    other: Option<[u8; 16]>,
}

impl CookieSecrets {
    /// One secret, drawn at random by the caller.
    pub const fn random(octets: [u8; 16]) -> Self {
        Self { current: octets, other: None }
    }

    /// One or two lines of 32 hexadecimal digits, the secret that signs first; `#` begins a
    /// comment, and blank lines are skipped.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let mut secrets: Option<Self> = None;
        for (at, text) in text.lines().enumerate() {
            let line = at + 1;
            let written = text.split('#').next().unwrap_or("");
            if written.trim().is_empty() {
                continue;
            }
            let secret = secret(written, line)?;
            match &mut secrets {
                None => secrets = Some(Self { current: secret, other: None }),
                Some(Self { other: Some(_), .. }) => return Err(SecretsError::TooMany { line }),
                Some(Self { current, .. }) if *current == secret => {
                    return Err(SecretsError::Same { line });
                }
                Some(Self { other, .. }) => *other = Some(secret),
            }
        }
        secrets.ok_or(SecretsError::Empty)
    }

    /// The secret that signs.
    pub const fn current(&self) -> &[u8; 16] {
        &self.current
    }

    /// The other secret whose cookies are believed.
    pub const fn other(&self) -> Option<&[u8; 16]> {
        self.other.as_ref()
    }
}

/// Says how many there are, and never what they are.
impl fmt::Debug for CookieSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = 1 + usize::from(self.other.is_some());
        f.debug_struct("CookieSecrets").field("count", &count).finish_non_exhaustive()
    }
}

/// The secret in one line that is not blank.
fn secret(written: &str, line: usize) -> Result<[u8; 16], SecretsError> {
    let begin = written.chars().take_while(|c| c.is_whitespace()).count();
    let mut secret = [0; 16];
    let mut digits = 0;
    for (at, digit) in written.trim().chars().enumerate() {
        let column = begin + at + 1;
        let value = digit.to_digit(16).ok_or(SecretsError::NotHexadecimal { line, column })?;
        if let Some(octet) = secret.get_mut(digits / 2) {
            *octet = *octet << 4 | value as u8;
        }
        digits += 1;
    }
    if digits == DIGITS { Ok(secret) } else { Err(SecretsError::Length { line, digits }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f";
    const TWO: &str = "FFfefdfcfbfaf9f8f7f6f5f4f3f2f1f0";

    fn parse(text: impl AsRef<str>) -> Result<CookieSecrets, SecretsError> {
        CookieSecrets::parse(text.as_ref())
    }

    #[test]
    fn one_secret_or_two() {
        let one = parse(ONE).expect("one secret");
        assert_eq!(*one.current(), std::array::from_fn(|at| at as u8));
        assert_eq!(one.other(), None);
        let both = parse(format!("# of the zone\r\n\r\n {TWO} # signs\r\n{ONE}\r\n"));
        let both = both.expect("two secrets");
        assert_eq!(*both.current(), std::array::from_fn(|at| 255 - at as u8));
        assert_eq!(both.other(), Some(one.current()));
    }

    #[test]
    fn mistakes_name_their_line_and_not_the_secret() {
        let error = |text: String| parse(text).expect_err("refused").to_string();
        let length = |digits| format!("a secret is 32 hexadecimal digits, here are {digits}");
        assert_eq!(
            error("# nothing\n\n".to_owned()),
            "there is no secret: the first line must be 32 hexadecimal digits"
        );
        assert_eq!(error(format!("#\n{}", &ONE[1..])), format!("line 2: {}", length(31)));
        assert_eq!(error(format!("{ONE}0")), format!("line 1: {}", length(33)));
        assert_eq!(error(format!("{ONE}{TWO}")), format!("line 1: {}", length(64)));
        assert_eq!(error(format!("  é{ONE}")), "line 1, column 3: not a hexadecimal digit");
        assert_eq!(
            error(format!("{ONE}\n{} x", &TWO[..9])),
            "line 2, column 10: not a hexadecimal digit"
        );
        assert_eq!(error(format!("{ONE}\n\n{ONE}")), "line 3: the two secrets are the same");
        assert!(error(format!("{ONE}\n{TWO}\n{ONE}")).starts_with("line 3: a third secret"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", parse(format!("{ONE}\n{TWO}")));
        assert_eq!(shown, "Ok(CookieSecrets { count: 2, .. })");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,80}") {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn what_is_written_is_read(current: [u8; 16], other: [u8; 16]) {
            prop_assume!(current != other);
            let [first, second] =
                [current, other].map(|secret| format!("{:032x}", u128::from_be_bytes(secret)));
            let secrets = parse(format!("{first}\n{second}\n")).expect("two secrets");
            prop_assert_eq!((secrets.current(), secrets.other()), (&current, Some(&other)));
        }
    }
}
