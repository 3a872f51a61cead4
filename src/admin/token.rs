//! A token: whoever shows it may change things. It shows itself to nobody.

use std::{fmt, sync::OnceLock};

use ring::hmac;

/// How long it is, in characters.
const LEN: std::ops::RangeInclusive<usize> = 24..=512;

/// What stands in the file of a token.
#[derive(Clone)]
pub struct Token(Vec<u8>);

impl Token {
    /// Visible ASCII characters, without the blanks around them. What is wrong is told without what
    /// stands there.
    pub fn parse(octets: &[u8]) -> Result<Self, String> {
        let token = octets.trim_ascii();
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err("a token is visible ASCII characters without blanks".to_owned());
        }
        let (least, most) = (LEN.start(), LEN.end());
        match token.len() {
            len if LEN.contains(&len) => Ok(Self(token.to_vec())),
            len => Err(format!("a token has {least} to {most} characters, here are {len}")),
        }
    }

    /// Whether this is it. How long that takes says nothing of how much of it is right.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        // With a key that nobody knows, what is compared says nothing of what is shown.
        static KEY: OnceLock<hmac::Key> = OnceLock::new();
        let key = KEY.get_or_init(|| {
            let octets: [u8; 32] = rand::random();
            hmac::Key::new(hmac::HMAC_SHA256, &octets)
        });
        hmac::verify(key, &self.0, hmac::sign(key, shown).as_ref()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdefghijklmn";

    #[test]
    fn a_file_holds_visible_characters_and_enough_of_them() {
        let token = Token::parse(format!(" {TOKEN}\r\n").as_bytes()).expect("good");
        assert!(token.is(TOKEN.as_bytes()));
        for other in [&TOKEN[1..], "", "0123456789abcdefghijklmN"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        let why = |octets: &[u8]| Token::parse(octets).expect_err("refused");
        let short = "a token has 24 to 512 characters, here are 23";
        assert_eq!(why(&TOKEN.as_bytes()[1..]), short);
        assert_eq!(why(b"  \n"), "a token has 24 to 512 characters, here are 0");
        assert!(why(&[b'x'; 513]).ends_with("here are 513"));
        for wrong in [format!("{TOKEN} {TOKEN}"), format!("{TOKEN}\u{e9}"), format!("{TOKEN}\n\0")]
        {
            assert!(why(wrong.as_bytes()).contains("visible ASCII"), "{wrong}");
        }
    }

    #[test]
    fn it_shows_itself_to_nobody() {
        let token = Token::parse(TOKEN.as_bytes()).expect("good");
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
