//! The schemas of both files, for editors: which keys there are, what they may be, and what they are for.
//!
//! Each part of the parser says what it takes, beside the code that reads it (`schema` there), with the
//! same limits; [`parts`] has what such a part is made of. What people are told of a key, and its default,
//! is what the examples say of it ([`notes`]). `tests/schema/` holds schema, parser and examples against
//! each other.
//!
//! Draft 7 of JSON Schema, because taplo, which the editors use for TOML, knows no later one. A schema
//! sees one value at a time: whether names that belong together are there, or numbers fit each other, is
//! for `cutover check` to say.

mod notes;
pub(super) mod parts;

use serde_json::{Value, json};

pub(super) use notes::Notes;

use super::{release, settings};

/// The examples, which have the keys with what there is to say of them.
const SETTINGS: &str = include_str!("../../../config/cutover.toml");
const RELEASE: &str = include_str!("../../../config/release.toml");

/// What can stand in the settings.
pub fn settings() -> Value {
    titled("cutover.toml", settings::schema(&Notes::read(SETTINGS)))
}

/// What can stand in a release file.
pub fn release() -> Value {
    titled("release.toml", release::schema(&Notes::read(RELEASE)))
}

fn titled(title: &str, mut schema: Value) -> Value {
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(title);
    schema
}
