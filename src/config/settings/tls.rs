//! `[tls]`: the certificate of the encrypted transports. It stands there exactly when one of their
//! lists in `[listen]` has an address: what is not asked for is not half there either.

use std::path::{Path, PathBuf};

use super::listen::Listen;
use crate::{
    config::{
        document::Value,
        schema::{Notes, parts},
    },
    model::EncryptedListen,
};

const HTTPS_PATH_DEFAULT: &str = "/dns-query";
const HTTPS_PATH_LEN_MAX: usize = 255;

/// The encrypted transports: `None` after a mistake, `Some(None)` when there are none.
pub(super) fn encrypted(
    listen: Option<&Listen>,
    tls: Option<&Value<'_>>,
    beside: &Path,
) -> Option<Option<EncryptedListen>> {
    let pair = match tls {
        Some(value) => Some(pair(value)?),
        None => None,
    };
    let listen = listen?;
    match (&listen.encrypted_at, pair) {
        (None, None) => Some(None),
        (Some(_), Some((certificate, key, https_path))) => Some(Some(EncryptedListen {
            tls: listen.tls.clone(),
            quic: listen.quic.clone(),
            https: listen.https.clone(),
            certificate: beside.join(certificate),
            key: beside.join(key),
            https_path,
        })),
        (Some(at), None) => {
            at.wrong_with_hint(
                "encrypted transports need a certificate",
                r#"add [tls] with certificate = "tls/fullchain.pem" and key = "tls/privkey.pem""#,
            );
            None
        }
        (None, Some(_)) => {
            tls?.wrong_with_hint(
                "nothing listens for encrypted questions, so this certificate would not be used",
                r#"name addresses in [listen], such as tls = ["192.0.2.53:853"], or remove [tls]"#,
            );
            None
        }
    }
}

fn pair(value: &Value<'_>) -> Option<(PathBuf, PathBuf, String)> {
    let mut table = value.table()?;
    let certificate = table.required("certificate", r#""tls/fullchain.pem""#);
    let key = table.required("key", r#""tls/privkey.pem""#);
    let https_path = match table.optional("https_path") {
        Some(value) => https_path(&value),
        None => Some(HTTPS_PATH_DEFAULT.to_owned()),
    };
    table.finish();
    let file = |value: Option<Value<'_>>| {
        let value = value?;
        let text = value.text()?;
        if text.is_empty() {
            value.wrong("not the name of a file");
            return None;
        }
        Some(PathBuf::from(text))
    };
    let (certificate, key) = (file(certificate), file(key));
    Some((certificate?, key?, https_path?))
}

/// A path that stands in an address as it is, without escapes.
fn https_path(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if !text.starts_with('/') || !text.chars().all(is_plain) || text.len() > HTTPS_PATH_LEN_MAX {
        let message = format!("not a path of at most {HTTPS_PATH_LEN_MAX} plain characters");
        value.wrong_with_hint(message, r#"write it like "/dns-query": letters, digits, / - . _ ~"#);
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let mut path = parts::matching("^/[A-Za-z0-9/._~-]*$");
    path["maxLength"] = HTTPS_PATH_LEN_MAX.into();
    parts::Keys::at(notes, ["tls"])
        .required("certificate", parts::some_text())
        .required("key", parts::some_text())
        .optional("https_path", path)
        .table()
}
