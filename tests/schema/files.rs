//! Files with every key in every form, and the schema that goes with each.

use std::{path::Path, sync::LazyLock};

use cutover::config::{Rejected, Settings, release, schema, settings};
use jsonschema::Validator;
use serde_json::Value;

use super::node::{Node, Place, Step};

/// Each kind of probe with every key.
const KINDS: [(&str, &str); 8] = [
    ("tcp", "{ port = 80 }"),
    (
        "http",
        r#"{ port = 80, method = "GET", path = "/a", host = "a.test", headers = { accept = "a" },
           status = [200], body = "up", body_regex = "u.", http2 = false }"#,
    ),
    (
        "https",
        r#"{ port = 443, method = "GET", path = "/a", host = "a.test", headers = { accept = "a" },
           status = [200], body = "up", body_regex = "u.", http2 = false, server_name = "a.test",
           ca = "/ca.pem", validity_min = "1d", validity_warn = "2d" }"#,
    ),
    (
        "tls",
        r#"{ port = 443, server_name = "a.test", ca = "/ca.pem", validity_min = "1d",
           validity_warn = "2d" }"#,
    ),
    (
        "grpc",
        r#"{ port = 443, service = "a.B", host = "a.test", tls = true, server_name = "a.test",
           ca = "/ca.pem", validity_min = "1d", validity_warn = "2d" }"#,
    ),
    (
        "dns",
        r#"{ port = 53, tcp = false, name = "a.test", type = "A", rcode = "NOERROR",
           data = "192.0.2.1" }"#,
    ),
    ("exec", r#"{ command = "/usr/bin/check", arguments = ["-a"] }"#),
    ("file", r#"{ path = "/run/health/{address}", content = "up", max_age = "1m" }"#),
];

/// Of the release; whatever bounds something else is as great as it may be.
const RELEASE: &str = r#"
group = "checkout"
ramp = [{ share = "10%", bake = "5m" }, { share = "50%", bake = "5m" }]
at = 2026-12-01T02:00:00Z
clean = true
ttl = "15s"
bake = "5m"
deadline = "7d"
min_up = "100%"
min_up_endpoints = 1
min_up_weight = "50%"
progress_deadline = "2h"
windows = ["Mon-Fri 09:00-16:00", "Sat,Sun 10:00-12:00", "daily 22:00-04:00"]
timezone = "Europe/Berlin"
min_change_interval = "1m"
pin_allowance = "1m"
drain_grace = "1m"
preview = ["198.51.100.0/24"]
confirm = ["change-board"]
guards = [
    { name = "a", query = "a", max = 0.5, tolerance = 0.1, interval = "30s", count = 1, fail_limit = 0, error_limit = 2 },
    { name = "b", query = 'b{pool="{{pool}}"}', min = "0.5x" },
]
"#;

/// Beside addresses.
const KINDS_OF_RECORDS: &str = r#"
https = { alpn = ["h2"], port = 8443, hints = true, priority = 1 }
svcb = [{ prefix = "_dns", alpn = ["dot"], port = 853, hints = false, priority = 2, doh_path = "/q{?dns}" }]
txt = ["owner=platform"]
srv = ["_http._tcp", { prefix = "_grpc._tcp", priority = 1, answers = "one" }]
previews = "{pool}-{service}"
"#;

const PERFORMANCE: &str = r#"mean = "100ms", p50 = "1.2x", p90 = "1s", p95 = "1s", p99 = "1s",
    throughput = 20.5, errors = "1%", tolerance = "5ms", requests = 100_000, duration = "1h",
    concurrency = 4, rate = 50, timeout = "5s", samples_min = 100, interval = "1m""#;

/// A file, and what is to be said of it.
pub(crate) struct File {
    pub(crate) text: Node,
    pub(crate) is_settings: bool,
}

impl File {
    pub(crate) fn settings() -> Self {
        Self { text: Node::read(include_str!("full.toml")), is_settings: true }
    }

    pub(crate) fn release(text: &str) -> Self {
        Self { text: Node::read(text), is_settings: false }
    }

    /// What the parser makes of a file of this kind.
    pub(crate) fn parse(&self, text: &Node) -> Result<String, Rejected> {
        let text = text.document();
        if self.is_settings {
            let settings = settings::parse(Path::new("/etc/cutover.toml"), &text);
            return settings.map(|mut settings| {
                // Where something stands is not what it means.
                settings.sources.iter_mut().for_each(|source| source.lines.clear());
                format!("{settings:?}")
            });
        }
        parse_release(&text)
    }
}

/// In the zone, and with those outside of it, that the full settings have.
pub(crate) fn parse_release(text: &str) -> Result<String, Rejected> {
    static FULL: LazyLock<Settings> = LazyLock::new(|| {
        let settings = settings::parse(Path::new("cutover.toml"), include_str!("full.toml"));
        settings.unwrap_or_else(|error| panic!("{error}"))
    });
    let desired = release::parse(Path::new("release.toml"), text, &FULL.zones, &FULL.outside);
    desired.map(|desired| format!("{desired:?}"))
}

/// All of them: every key stands in one of them at least.
pub(crate) fn files() -> Vec<File> {
    let of =
        |what: &dyn Fn(&str, &str) -> String| KINDS.map(|(kind, keys)| what(kind, keys)).join("\n");
    let limited = |keys: &str| keys.replacen('{', "{ latency = \"200ms\", ", 1);
    let tests = of(&|kind, keys| format!("{{ {kind} = {}, timeout = \"5m\" }},", one_line(keys)));
    let schedule =
        "pass = \"all\"\ninterval = \"1h\"\ntimeout = \"2s\"\nrise = 3\nfall = 3\njitter = \"10%\"";
    let checks = of(&|kind, keys| format!("{kind} = {}", one_line(&limited(keys))));
    let lists = of(&|kind, keys| format!("{kind} = [{}]", one_line(&limited(keys))));
    let service = |name: &str, more: &str| {
        format!(
            "[services.{name}]\nzone = \"other.test\"\nname = \"{name}\"\nlive = \"v1\"\nttl = \"60s\"\nspread = \"sticky\"\n\
             fail_policy = \"previous\"\n\
             pools.v1.endpoints = [\"192.0.2.1\", {{ address = \"192.0.2.2\", weight = 2, port = 81 }}]\n\
             pools.v1.port = 80\npools.v1.txt = [\"version=1\"]\n{KINDS_OF_RECORDS}{more}\n"
        )
    };
    let head = "version = 1\nremoved = [\"www.old\"]\n";
    let first = service(
        "api",
        &format!(
            "[services.api.probe]\n{checks}\n{schedule}\n[services.api.release]\n{RELEASE}\ntests = [{tests}]"
        ),
    );
    let grouped = service("web", &format!("[services.web.release]\n{RELEASE}"));
    let mut files = vec![File::settings(), File::release(&format!("{head}{first}{grouped}"))];
    let split = service("api", "probe = \"none\"").replace("\"v1\"\n", "{ v1 = 9, v2 = 1 }\n");
    let split = split.replacen(
        "pools.v1",
        "pools.v2 = { endpoints = [\"2001:db8::2\"], port = 80 }\npools.v1",
        1,
    );
    files.push(File::release(&format!("{head}{split}")));
    let lists = service("api", &format!("[services.api.probe]\n{lists}"));
    files.push(File::release(&format!("{head}{lists}")));
    for (kind, keys) in KINDS.into_iter().filter(|(kind, _)| !["exec", "file"].contains(kind)) {
        let measured = format!("{{ {kind} = {}, {} }}", one_line(keys), one_line(PERFORMANCE));
        let policy = format!("release = {{ deadline = \"7d\", performance = {measured} }}");
        files.push(File::release(&format!("{head}{}", service("api", &policy))));
    }
    files
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A schema, to ask and to look into.
pub(crate) struct Schema {
    root: Value,
    validator: Validator,
}

impl Schema {
    /// That goes with a file.
    pub(crate) fn of(file: &File) -> &'static Self {
        static BOTH: LazyLock<[Schema; 2]> =
            LazyLock::new(|| [schema::release(), schema::settings()].map(Schema::new));
        &BOTH[usize::from(file.is_settings)]
    }

    fn new(root: Value) -> Self {
        let validator = jsonschema::draft7::new(&root).expect("it is a schema");
        Self { root, validator }
    }

    pub(crate) fn takes(&self, text: &Node) -> bool {
        self.validator.is_valid(&text.json())
    }

    /// What it says against a file.
    pub(crate) fn mistakes(&self, text: &Node) -> Vec<String> {
        let json = text.json();
        let mistakes = self.validator.iter_errors(&json);
        mistakes.map(|mistake| format!("{}: {mistake}", mistake.instance_path())).collect()
    }

    pub(crate) fn root(&self) -> &Value {
        &self.root
    }

    pub(crate) fn resolved<'s>(&'s self, node: &'s Value) -> &'s Value {
        match node["$ref"].as_str() {
            Some(path) => self.root.pointer(path.trim_start_matches('#')).expect("it is defined"),
            None => node,
        }
    }

    /// What it says of a place, and the place with `*` for names and `[]` for items.
    pub(crate) fn at<'s>(&'s self, place: &Place) -> (String, &'s Value) {
        let (mut path, mut node) = (String::new(), &self.root);
        for step in place {
            match step {
                Step::Item(_) => (path, node) = (format!("{path}[]"), &node["items"]),
                Step::Key(key) if node["properties"][key].is_object() => {
                    (path, node) = (format!("{path}.{key}"), &node["properties"][key]);
                }
                Step::Key(_) => (path, node) = (format!("{path}.*"), &node["additionalProperties"]),
            }
            node = self.resolved(node);
        }
        (path, node)
    }
}
