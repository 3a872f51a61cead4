//! Signatures by the Standard Webhooks specification, version 1: a receiver that has the secret knows
//! who has sent an event, and when, and that nobody has changed it.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64;
use http_body_util::Full;
use hyper::{Method, Request, body::Bytes, header::CONTENT_TYPE};
use ring::hmac;

use super::request;
use crate::model::{Timestamp, Url};

/// The header with what names what is sent, the same each time that it is.
const ID: &str = "webhook-id";
/// The header with the seconds since 1970 at which it is sent.
const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signature.
const SIGNATURE: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
/// The shortest secret, in octets: the specification's.
const LEN_MIN: usize = 24;

/// What only the sender and the receiver know.
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// What stands in a file: `whsec_` and base64, or the octets themselves without the blanks around
    /// them. What is wrong is told without what stands there.
    pub fn parse(octets: &[u8]) -> Result<Self, String> {
        let octets = octets.trim_ascii();
        let decoded = match octets.strip_prefix(PREFIX.as_bytes()) {
            Some(text) => BASE64
                .decode(text)
                .map_err(|_| format!("what follows {PREFIX} is not base64, with its padding"))?,
            None => octets.to_vec(),
        };
        match decoded.len() {
            LEN_MIN.. => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &decoded))),
            len => Err(format!("a secret has at least {LEN_MIN} octets, here are {len}")),
        }
    }

    /// The value of the header [`SIGNATURE`] for an event that is sent now.
    fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{}.", now.unix_secs()).as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    }
}

/// A POST that is sent now, signed if there is a secret.
pub fn post(
    url: &Url,
    content_type: &str,
    id: &str,
    secret: Option<&Secret>,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, String> {
    let now = time_of_day();
    let mut request = request(url)
        .method(Method::POST)
        .header(CONTENT_TYPE, content_type)
        .header(ID, id)
        .header(TIMESTAMP, now.unix_secs());
    if let Some(secret) = secret {
        request = request.header(SIGNATURE, secret.sign(id, now, &body));
    }
    let request = request.body(Full::new(Bytes::from(body)));
    request.map_err(|error| format!("the request cannot be made: {error}"))
}

/// As others have it: a receiver refuses what is signed at another time than its own.
fn time_of_day() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default() + since_epoch
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{super::file, *};

    /// The specification's example, which its reference libraries test themselves with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn at(secs: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(secs)
    }

    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = Secret::parse(SECRET.as_bytes()).expect("good");
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signed = secret.sign(id, at(1_614_265_330), body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(secret.sign(id, at(1_614_265_331), body), signed);
        assert_ne!(secret.sign("msg_2", at(1_614_265_330), body), signed);
    }

    #[test]
    fn a_file_holds_base64_or_the_octets_themselves() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hook.secret");
        let read = |octets: &[u8]| {
            fs::write(&path, octets).expect("written");
            file::read(&path).and_then(|octets| Secret::parse(&octets))
        };
        let signed = |secret: Result<Secret, String>| secret.expect("good").sign("a", at(1), b"");
        let raw = BASE64.decode(&SECRET.as_bytes()[PREFIX.len()..]).expect("base64");
        assert_eq!(signed(read(format!("\n{SECRET}\r\n").as_bytes())), signed(read(&raw)));
        let why = |octets: &[u8]| read(octets).expect_err("refused");
        let short = format!(" {} ", "s".repeat(23));
        assert_eq!(why(short.as_bytes()), "a secret has at least 24 octets, here are 23");
        assert_eq!(why(b"whsec_%%%"), "what follows whsec_ is not base64, with its padding");
        assert_eq!(why(&[b'x'; 5000]), "the file is larger than 4096 octets");
        assert_eq!(file::read(folder.path()).expect_err("refused"), "it is not a file");
        assert!(file::read(&path.join("x")).expect_err("refused").contains("cannot be read"));
    }

    #[test]
    fn it_shows_itself_to_nobody() {
        let secret = Secret::parse(SECRET.as_bytes()).expect("good");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let wrong = Secret::parse(b"whsec_SGVsbG8=").expect_err("too short");
        assert!(!wrong.contains("SGVs"), "{wrong}");
    }
}
