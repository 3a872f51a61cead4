//! The schemas that editors are given, held against the parser, the examples and what these say.

mod files;
mod node;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use files::{File, Schema, files, parse_release};
use node::{Node, Place, Step};
use serde_json::Value;

const SCHEMAS: [(&str, &str); 2] = [("settings", "cutover"), ("release", "release")];
/// Of every type there is, and each text in the form of something.
const VALUES: [&str; 23] = [
    "\"0\"",
    "true",
    "7",
    "0",
    "-1",
    "1.5",
    "\"\"",
    "\"text\"",
    "\"two words\"",
    "\"5s\"",
    "\"1.5 h\"",
    "\"5 minuets\"",
    "\"10%\"",
    "\"1.2x\"",
    "\"192.0.2.1\"",
    "\"192.0.2.1:53\"",
    "\"/a\"",
    "\"https://a.test/\"",
    "2026-12-01T02:00:00Z",
    "[]",
    "[7]",
    "[\"text\"]",
    "{ a = 1 }",
];

fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_stands_in_the_repository_is_what_the_binary_prints() {
    for (file, name) in SCHEMAS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        let printed = command.args(["schema", file]).output().expect("it runs");
        assert!(printed.status.success());
        let path = format!("config/schema/{name}.schema.json");
        let is_same = repository(&path) == String::from_utf8_lossy(&printed.stdout);
        assert!(is_same, "cargo run -- schema {file} >{path}");
        let first = repository(&format!("config/{name}.toml"));
        let first = first.lines().next().expect("a line");
        assert_eq!(first, format!("#:schema ./schema/{name}.schema.json"));
    }
}

#[test]
fn they_are_schemas_themselves() {
    for file in [File::settings(), File::release("")] {
        let schema = Schema::of(&file);
        jsonschema::draft7::meta::validate(schema.root()).expect("it keeps to the draft");
    }
}

/// The parser is asked for the keys by one that there is not: it then names those that there are.
#[test]
fn each_key_that_the_parser_asks_for_is_in_the_schema_and_no_other() {
    let mut asked: BTreeMap<(bool, String), BTreeSet<String>> = BTreeMap::new();
    let mut known = BTreeMap::new();
    for file in files() {
        let schema = Schema::of(&file);
        let tables = [Vec::new()].into_iter().chain(file.text.places());
        for place in tables {
            let mut text = file.text.clone();
            let Node::Table(table) = text.at(&place) else { continue };
            drop(table.insert("zzzzzz".to_owned(), Node::Flag(true)));
            let refused = file.parse(&text).expect_err("it is unknown, or no value of a name");
            let unknown = refused.findings.iter().find(|it| it.message == "unknown key `zzzzzz`");
            let Some(hint) = unknown.and_then(|it| it.hint.as_ref()) else { continue };
            let keys = hint.strip_prefix("the keys here are: ").expect("a list");
            let of = asked.entry((file.is_settings, schema.at(&place).0)).or_default();
            // The parser asks there for all kinds, to say why these two cannot be measured.
            let is_refused =
                |key: &str| place_is(&place, "performance") && ["exec", "file"].contains(&key);
            of.extend(keys.split(", ").filter(|key| !is_refused(key)).map(str::to_owned));
        }
        keys_of(schema, schema.root(), String::new(), &mut |path, keys| {
            drop(known.insert((file.is_settings, path), keys));
        });
    }
    assert!(asked.len() > 45, "{asked:#?}");
    for (path, keys) in &asked {
        assert_eq!(known.get(path), Some(keys), "{path:?}");
    }
    let never: Vec<_> = known.keys().filter(|path| !asked.contains_key(path)).collect();
    assert!(never.is_empty(), "no file here has these tables: {never:?}");
}

fn place_is(place: &Place, key: &str) -> bool {
    place.last() == Some(&Step::Key(key.to_owned()))
}

/// Tells the keys of each table that a schema has.
fn keys_of(
    schema: &Schema,
    node: &Value,
    path: String,
    tell: &mut impl FnMut(String, BTreeSet<String>),
) {
    let node = schema.resolved(node);
    if let Some(keys) = node["properties"].as_object() {
        for (key, within) in keys {
            keys_of(schema, within, format!("{path}.{key}"), tell);
        }
        tell(path.clone(), keys.keys().cloned().collect());
    }
    for (keyword, mark) in [("additionalProperties", ".*"), ("items", "[]")] {
        if node[keyword].is_object() {
            keys_of(schema, &node[keyword], format!("{path}{mark}"), tell);
        }
    }
}

#[test]
fn files_that_are_good_are_good_to_the_schema_too() {
    let example = |name: &str| repository(&format!("config/{name}.toml"));
    let bare = |text: &str| {
        let is_default = |line: &str| {
            line.strip_prefix('#')
                .is_some_and(|it| it.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let line = |line| if is_default(line) { &line[1..] } else { line };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let mut all = files();
    for text in [example("cutover"), bare(&example("cutover"))] {
        all.push(File { text: Node::read(&text), is_settings: true });
    }
    for text in [example("release"), bare(&example("release"))] {
        all.push(File::release(&text));
    }
    let readme = repository("README.md");
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    for text in blocks.chain(["", "   "]).filter(|text| text.trim_start().starts_with("version")) {
        // Some stand in a list, and are indented.
        let text: Vec<&str> = text.lines().map(str::trim).collect();
        let text = Node::read(&text.join("\n"));
        let Node::Table(table) = &text else { panic!("a document is a table") };
        let is_settings = table.contains_key("zone");
        all.push(File { text, is_settings });
    }
    assert!(all.len() >= 16, "those of the README were not found");
    for file in &all {
        let parsed = file.parse(&file.text);
        parsed.unwrap_or_else(|error| panic!("{error}\n{}", file.text.document()));
        assert_eq!(Schema::of(file).mistakes(&file.text), [""; 0], "{}", file.text.document());
    }
}

/// Each value of each file is replaced by others and left out: what the parser takes the schema takes.
/// What only the parser refuses is listed: it is what editors do not see.
#[test]
fn the_schema_refuses_nothing_that_the_parser_takes_and_what_it_cannot_see_is_known() {
    let (mut wrongly, mut unseen) = (Vec::new(), BTreeSet::new());
    let (mut refused_by_both, mut tried) = (0, BTreeSet::new());
    for file in files() {
        let schema = Schema::of(&file);
        for place in file.text.places() {
            let (path, node) = schema.at(&place);
            // The same key in another place, as of a kind of probe, is read by the same code.
            let key = path.rsplit('.').next().map(str::to_owned);
            if !tried.insert((file.is_settings, key, node.to_string())) {
                continue;
            }
            for (what, text) in changed(&file.text, &place) {
                match (file.parse(&text), schema.takes(&text)) {
                    (Ok(_), true) => {}
                    (Ok(_), false) => {
                        wrongly.push(format!("{path} {what}: {:?}", schema.mistakes(&text)));
                    }
                    (Err(_), false) => refused_by_both += 1,
                    (Err(rejected), true) => {
                        unseen.extend(rejected.findings.iter().map(|it| general(&it.message)));
                    }
                }
            }
        }
    }
    assert!(wrongly.is_empty(), "{}", wrongly.join("\n"));
    assert!(refused_by_both > 3_000, "{refused_by_both}");
    insta::assert_snapshot!(unseen.into_iter().collect::<Vec<_>>().join("\n"));
}

/// A file with one mistake, and some that are none.
fn changed(text: &Node, place: &Place) -> Vec<(String, Node)> {
    let with = |value: &&str| ((*value).to_owned(), text.with(place, Node::value(value)));
    let mut changed: Vec<(String, Node)> = VALUES.iter().map(with).collect();
    changed.push(("left out".to_owned(), text.without(place)));
    let mut more = text.clone();
    match more.at(place) {
        Node::Table(table) => drop(table.insert("zzzzzz".to_owned(), Node::Flag(true))),
        Node::List(items) => items.extend(items.clone()),
        Node::Text(text) => *text = text.repeat(80),
        _ => return changed,
    }
    changed.push(("more".to_owned(), more));
    changed
}

/// A message without what is special of the file.
fn general(message: &str) -> String {
    let parts: Vec<&str> = message.split('`').collect();
    let quoted = |(at, part): (usize, &&str)| {
        if at % 2 == 1 { "…".to_owned() } else { (*part).to_owned() }
    };
    let text = parts.iter().enumerate().map(quoted).collect::<Vec<_>>().join("`");
    let is_special = |word: &&str| word.len() > 60 || word.contains("text") || word.contains("zzz");
    let words = text.split(' ').map(|word| if is_special(&word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn mistakes_of_form_are_seen_and_mistakes_of_meaning_are_not() {
    let service =
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]\n";
    let schema = Schema::of(&File::release(""));
    let sees = |text: &str| {
        parse_release(text).expect_err("the parser refuses it");
        !schema.takes(&Node::read(text))
    };
    for wrong in [
        service.replace("live", "lvie"),
        service.replace("\"v1\"", "true"),
        service.replace("[\"192.0.2.1\"]", "[]"),
        service.replace("192.0.2.1", "example.com"),
        service.replace("services.api", "services.\"a..b\""),
        "version = 1\n".to_owned(),
        format!("{service}ttl = 60\n"),
        format!("{service}fail_policy = \"opne\"\n"),
        format!("{service}probe = \"off\"\n"),
        format!("{service}probe = {{ rise = 3 }}\n"),
        format!("{service}probe = {{ tcp = {{ port = 0 }} }}\n"),
        format!("{service}release = {{ bake = \"5 minuets\" }}\n"),
        format!("{service}release = {{ clean = true }}\n"),
        format!("{service}release = {{ windows = [\"Mo 09:00-16:00\"] }}\n"),
        format!("{service}release = {{ ramp = [{{ bake = \"5m\" }}] }}\n"),
        format!("{service}release = {{ guards = [{{ name = \"a\", query = \"a\" }}] }}\n"),
    ] {
        assert!(sees(&wrong), "{wrong}");
    }
    for wrong in [
        service.replace("live = \"v1\"", "live = \"v2\""),
        service.replace("\"192.0.2.1\"", "\"192.0.2.1\", \"192.0.2.1\""),
        format!("{service}release = {{ bake = \"8d\" }}\n"),
        format!("{service}release = {{ timezone = \"Europe/Berlim\" }}\n"),
        format!("{service}release = {{ confirm = [\"nobody\"] }}\n"),
    ] {
        assert!(!sees(&wrong), "{wrong}");
    }
}
