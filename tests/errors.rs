//! What people read when a file is wrong: every message as a snapshot.

use std::{fs, path::Path, time::Duration};

use cutover::{
    config::{load_settings, release, settings},
    model::{Hook, HookKind, HttpAccess, Outside, Readers, RrlSettings, Zones},
};
use proptest::prelude::*;

const SERVICE: &str = r#"version = 1
[services.api]
live = "v1"
pools.v1.endpoints = ["192.0.2.1"]
"#;

fn zone() -> Zones {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cutover.toml");
    load_settings(&path).expect("the example loads").zones
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    fs::read_to_string(path).expect("readable")
}

fn release_error(text: &str) -> String {
    release::parse(Path::new("release.toml"), text, &zone(), &Outside::default())
        .expect_err("refused")
        .to_string()
}

fn settings_error(text: &str) -> String {
    settings::parse(Path::new("cutover.toml"), text).expect_err("refused").to_string()
}

#[test]
fn a_file_without_mistakes_is_accepted() {
    let desired = release::parse(Path::new("release.toml"), SERVICE, &zone(), &Outside::default())
        .expect("good");
    assert_eq!(desired.services.len(), 1);
}

#[test]
fn a_mistyped_pool() {
    insta::assert_snapshot!(release_error(&SERVICE.replace("live = \"v1\"", "live = \"v11\"")));
}

#[test]
fn a_split_with_many_mistakes() {
    let split = "live = { v11 = 90, v1 = 1_000_001, blue = 0, \"v 2\" = 1, v3 = \"10\" }";
    insta::assert_snapshot!(release_error(&SERVICE.replace("live = \"v1\"", split)));
}

#[test]
fn live_is_a_pool_or_a_split() {
    let shown = ["live = {}", "live = [\"v1\", \"v2\"]"]
        .map(|live| release_error(&SERVICE.replace("live = \"v1\"", live)));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn pools_that_are_cached_for_different_times_cannot_be_drawn_at_random() {
    let with = |spread: &str| {
        format!("{SERVICE}pools.v2.endpoints = [\"192.0.2.2\", \"2001:db8::2\"]\n{spread}\n")
    };
    let parse =
        |text: &str| release::parse(Path::new("release.toml"), text, &zone(), &Outside::default());
    assert!(parse(&with("spread = \"sticky\"")).is_ok());
    assert!(parse(&format!("{SERVICE}spread = \"random\"")).is_ok());
    let shown =
        ["random", "rnadom"].map(|spread| release_error(&with(&format!("spread = \"{spread}\""))));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_split_of_one_pool_is_that_pool() {
    let parse =
        |text: &str| release::parse(Path::new("release.toml"), text, &zone(), &Outside::default());
    let split = parse(&SERVICE.replace("live = \"v1\"", "live = { v1 = 7 }")).expect("good");
    assert_eq!(split, parse(SERVICE).expect("good"));
}

#[test]
fn a_mistyped_key() {
    insta::assert_snapshot!(release_error(&SERVICE.replace("live", "lvie")));
}

#[test]
fn syntax() {
    insta::assert_snapshot!(release_error("version = 1\n[services.api\nlive = v1\n"));
}

#[test]
fn many_mistakes_are_shown_at_once() {
    insta::assert_snapshot!(release_error(
        r#"version = 2
removed = ["api", "web"]
[services.api]
live = "v1"
ttl = 60
pools.v1.endpoints = ["192.0.2.1", "192.0.2.1", "example.com", { address = "::", wieght = 2 }]
pools."v 2".endpoints = []
probe = { http = { port = 0, path = "x", status = [99] }, tcp = { port = 1 }, interval = "1ms" }
release = { bake = "5 minuets", min_up = 50 }
[services."a..b"]
live = true
pools = {}
fail_policy = "opne"
[services.ns1]
live = "v1"
pools.v1.endpoints = ["192.0.2.1"]
probe = { rise = 0 }
"#
    ));
}

#[test]
fn two_services_on_one_name() {
    let text = SERVICE.replace("version = 1", "");
    let other = text.replace("services.api", "services.API");
    insta::assert_snapshot!(release_error(&format!("version = 1{text}{other}")));
}

#[test]
fn nothing_but_the_version() {
    insta::assert_snapshot!(release_error("version = 1\n"));
}

#[test]
fn keys_of_a_later_version() {
    let text = format!("{SERVICE}release = {{ ramp = [], mirror = \"1%\" }}\n");
    insta::assert_snapshot!(release_error(&text));
}

#[test]
fn a_handover_without_a_name() {
    insta::assert_snapshot!(limits_error("listen = { handover = \"\" }\n"));
}

#[test]
fn hooks_that_are_none() {
    let many: String = (1..=9).map(|n| format!("h{n} = {{ command = \"/bin/true\" }}\n")).collect();
    insta::assert_snapshot!(limits_error("events = 1\n"));
    insta::assert_snapshot!(limits_error(&format!("[events]\n{many}")));
    insta::assert_snapshot!(limits_error(
        r#"[events."a b"]
url = "https://user:word@hooks.test/"
[events.chat]
url = "hooks.test"
secret_file = ""
timeout = "1h"
arguments = ["a"]
[events.CHAT]
command = "page"
secret_file = "a"
arguments = ["a", "b\u0000"]
[events.both]
url = "https://hooks.test/#a"
command = "/bin/page"
[events.none]
timeout = "999ms"
[events.twice]
url = "https://hooks.test/"
[events.Twice]
url = "https://hooks.test/"
"#
    ));
}

#[test]
fn hooks_are_read_as_they_are_written() {
    let text = r#"
[events.pager]
command = "/usr/bin/page"
arguments = ["--team", "dns"]
timeout = "1m"
[events.chat]
url = "https://hooks.test:8443/services?room=7"
secret_file = "chat.secret"
"#;
    let parsed =
        settings::parse(Path::new("/etc/cutover/cutover.toml"), &format!("{LIMITED}{text}"));
    let [chat, pager] = &parsed.expect("good").events[..] else { panic!("two, by name") };
    let url = "https://hooks.test:8443/services?room=7".parse().expect("a URL");
    let secret_file = Some("/etc/cutover/chat.secret".into());
    let kind = HookKind::Web { url, secret_file };
    let name = |text: &str| text.parse().expect("a name");
    assert_eq!(chat, &Hook { name: name("chat"), kind, timeout: Duration::from_secs(10) });
    let arguments = vec!["--team".to_owned(), "dns".to_owned()];
    let kind = HookKind::Command { command: "/usr/bin/page".into(), arguments };
    assert_eq!(pager, &Hook { name: name("pager"), kind, timeout: Duration::from_secs(60) });
}

#[test]
fn who_may_ask_over_http_is_somebody() {
    let many: Vec<String> = (0..17).map(|at| format!("t{at} = \"t{at}.token\"")).collect();
    insta::assert_snapshot!(limits_error(
        r#"[http]
hosts = ["cutover.example.com:80", "https://cutover.example.com", "192.0.2.1", "a..b", 1]
readers = "loopbak"
token = "x"
tokens = { on-call = "", "a b" = "a.token", ops = "ops.token", OPS = "o.token", ci = 1 }
"#
    ));
    let many = format!("[http]\ntokens = {{ {} }}\nreaders = 1\n", many.join(", "));
    insta::assert_snapshot!(limits_error(&many));
}

#[test]
fn who_may_ask_over_http_is_read() {
    let text = r#"
[http]
hosts = ["Cutover.Example.com."]
readers = "all"
tokens = { oncall = "oncall.token" }
"#;
    let path = Path::new("/etc/cutover/cutover.toml");
    let settings = settings::parse(path, &format!("{LIMITED}{text}"));
    let access = settings.unwrap_or_else(|error| panic!("{error}")).access;
    assert_eq!(access.hosts, ["cutover.example.com".parse().expect("a name")]);
    assert_eq!(access.readers, Readers::All);
    let tokens: Vec<_> = access.tokens.iter().map(|(name, path)| (name.as_str(), path)).collect();
    assert_eq!(tokens, [("oncall", &"/etc/cutover/oncall.token".into())]);
    let none = settings::parse(path, LIMITED);
    assert_eq!(none.expect("good").access, HttpAccess::default());
}

#[test]
fn settings_with_many_mistakes() {
    insta::assert_snapshot!(settings_error(
        r#"version = 1
zone = "svc..test"
nameservers = []
hostmaster = "first.last@example.test"
[listen]
dns = ["127.0.0.1"]
htpp = "127.0.0.1:1"
[[records]]
name = "ns1"
type = "CNAME"
data = ["x"]
"#
    ));
}

#[test]
fn resolvers_that_are_none() {
    let mistakes = r#"resolvers = ["192.0.2.53", "192.0.2.53:53", "[2001:db8::53]", "ns.example", "0.0.0.0",
    "192.0.2.53:0", 53]
"#;
    insta::assert_snapshot!([mistakes, "resolvers = []\n"].map(limits_error).join("\n"));
    let good = format!("{LIMITED}resolvers = [\"192.0.2.53\", \"2001:db8::53\", \"[::1]:5353\"]");
    let settings = settings::parse(Path::new("cutover.toml"), &good).expect("good");
    let resolvers = ["192.0.2.53:53", "[2001:db8::53]:53", "[::1]:5353"];
    let resolvers = resolvers.map(|it| it.parse().expect("an address")).to_vec();
    assert_eq!(settings.resolvers, Some(resolvers));
}

/// Settings that are good but for what is added.
fn limits_error(more: &str) -> String {
    settings_error(&format!("{LIMITED}{more}"))
}

const LIMITED: &str = r#"version = 1
zone = "svc.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@example.test"
"#;

#[test]
fn limits_with_many_mistakes() {
    insta::assert_snapshot!(limits_error(
        r#"[rrl]
enabled = "yes"
responses_per_second = 0
window = "1500ms"
slip = 11
ipv4_prefix = 7
ipv6_prefix = 65
table_entries = 100000
exempt = ["192.0.2.0/24", "192.0.2.1/24", "192.0.2.0/24", "::/129", "localhost", 7]
log-only = true
[cookies]
secret_file = ""
secret = "000102030405060708090a0b0c0d0e0f"
"#
    ));
}

#[test]
fn limits_out_of_range() {
    insta::assert_snapshot!(limits_error(
        r#"[rrl]
responses_per_second = 50001
window = 2
slip = -1
table_entries = 512
exempt = "192.0.2.0/24"
log_only = 1
[cookies]
secret_file = true
"#
    ));
}

#[test]
fn limits_are_read() {
    let text = format!(
        r#"{LIMITED}[rrl]
enabled = false
responses_per_second = 50000
window = "1m"
slip = 0
ipv4_prefix = 32
ipv6_prefix = 64
table_entries = 1024
exempt = ["192.0.2.1", "2001:db8::/32"]
log_only = true
[cookies]
secret_file = "keys/cookie.secret"
"#
    );
    let settings = settings::parse(Path::new("/etc/cutover/cutover.toml"), &text).expect("good");
    let expected = RrlSettings {
        enabled: false,
        log_only: true,
        responses_per_second: 50_000,
        window: Duration::from_secs(60),
        slip: 0,
        ipv4_prefix: 32,
        ipv6_prefix: 64,
        table_entries: 1_024,
        exempt: ["192.0.2.1/32", "2001:db8::/32"].map(|n| n.parse().expect("good")).to_vec(),
    };
    assert_eq!(settings.rrl, expected);
    let secret_file = Path::new("/etc/cutover/keys/cookie.secret");
    assert_eq!(settings.cookie_secret_file.as_deref(), Some(secret_file));
    let settings = settings::parse(Path::new("cutover.toml"), LIMITED).expect("good");
    assert_eq!((settings.rrl, settings.cookie_secret_file), (RrlSettings::default(), None));
}

#[test]
fn a_name_server_without_an_address() {
    insta::assert_snapshot!(settings_error(
        r#"version = 1
zone = "svc.test"
nameservers = ["ns1.svc.test"]
hostmaster = "hostmaster@example.test"
[[records]]
name = "www.other.test."
type = "A"
data = ["192.0.2.1"]
[[records]]
name = "www"
type = "A"
data = ["192.0.2.300"]
"#
    ));
}

#[test]
fn names_in_records_are_relative_to_the_zone() {
    let text = r#"version = 1
zone = "svc.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@example.test"
[[records]]
name = "@"
type = "MX"
data = ["10 mail", "20 mail.example.test."]
"#;
    let settings = settings::parse(Path::new("cutover.toml"), text).expect("good");
    let data: Vec<String> =
        settings.zones.first().records.iter().map(|r| r.data.to_string()).collect();
    assert_eq!(data, ["10 mail.svc.test.", "20 mail.example.test."]);
    insta::assert_snapshot!(settings_error(
        &text.replace("\"20 mail.example.test.\"", "\"10 mail\"")
    ));
    let none = text.replace("\"10 mail\", \"20 mail.example.test.\"", "");
    insta::assert_snapshot!(settings_error(&none));
}

#[test]
fn a_file_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let error = load_settings(&folder.path().join("cutover.toml")).expect_err("refused");
    let text = error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(text);
}

#[test]
fn positions_count_characters_and_lines_from_one() {
    let text = SERVICE.replace("live = \"v1\"", "# é\nlive = \"é\"");
    let error = release::parse(Path::new("release.toml"), &text, &zone(), &Outside::default())
        .expect_err("refused");
    let places: Vec<_> = error.findings.iter().map(|f| (f.line, f.column)).collect();
    assert_eq!(places, [(4, 8)]);
}

proptest! {
    /// Whatever stands in the file, it is read or refused with a place and a reason.
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        if let Err(rejected) = release::parse(Path::new("release.toml"), &text, &zone(), &Outside::default()) {
            prop_assert!(!rejected.findings.is_empty());
            prop_assert!(rejected.findings.iter().all(|f| f.line > 0 && !f.message.is_empty()));
        }
    }

    /// The same for a good file in which something was overwritten.
    #[test]
    fn a_spoiled_file_is_read_or_refused(at in 0usize..900, with in "[\\PC\n]{1,8}") {
        let mut text = example("release.toml");
        let at = (at..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.insert_str(at, &with);
        if let Err(rejected) = release::parse(Path::new("release.toml"), &text, &zone(), &Outside::default()) {
            prop_assert!(!rejected.findings.is_empty());
            prop_assert!(!rejected.to_string().is_empty());
        }
    }
}

#[test]
fn any_cut_of_a_good_file_is_refused_or_means_what_stands_there() {
    let text = example("release.toml");
    let zone = zone();
    for cut in (0..text.len()).filter(|&cut| text.is_char_boundary(cut)) {
        if let Ok(desired) =
            release::parse(Path::new("release.toml"), &text[..cut], &zone, &Outside::default())
        {
            let spec = desired.services.values().next().expect("a service");
            assert!(spec.live.pools().all(|pool| spec.pools.contains_key(pool)));
        }
    }
}

/// Settings with these lines in `[listen]`, and these behind.
fn listening(listen: &str, rest: &str) -> String {
    format!(
        "version = 1\nzone = \"svc.test\"\nnameservers = [\"ns.elsewhere.test\"]\n\
         hostmaster = \"hostmaster@svc.test\"\n[listen]\n{listen}\n{rest}"
    )
}

#[test]
fn encrypted_transports_and_their_certificate_come_together_or_not_at_all() {
    insta::assert_snapshot!(settings_error(&listening("quic = [\"192.0.2.53:853\"]", "")));
    let tls = "[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"";
    insta::assert_snapshot!(settings_error(&listening("quic = []", tls)));
    insta::assert_snapshot!(settings_error(&listening(
        "https = [\"192.0.2.53:443\"]",
        "[tls]\nkey = \"\"\nhttps_path = \"dns-query{?dns}\"\nkeys = 1"
    )));
}

#[test]
fn a_ramp_that_does_not_rise() {
    insta::assert_snapshot!(release_error(&format!(
        r#"{SERVICE}
[services.api.release]
ramp = [
    {{ share = "10%", bake = "5m" }},
    {{ share = "10%", bake = "1m" }},
    {{ share = "20%", bake = "8d" }},
    {{ share = "0%", bake = "5m" }},
    {{ share = "100%", bake = "5m" }},
    {{ bake = "5m" }},
]
"#
    )));
}

#[test]
fn rules_of_a_release_that_are_none() {
    insta::assert_snapshot!(release_error(&format!(
        r#"{SERVICE}
[services.api.release]
min_up_endpoints = 0
min_up_weight = "0%"
progress_deadline = "31d"
windows = ["Mon-Fri 09:00", "Mo 09:00-16:00", "daily 9-17", "Sat 10:00-10:00", 5]
timezone = "Europe/Berlim"
min_change_interval = "8d"
"#
    )));
    let too_many = format!("{SERVICE}release = {{ min_up_endpoints = 2 }}\n");
    insta::assert_snapshot!(release_error(&too_many));
    let good = format!(
        r#"{SERVICE}
[services.api.release]
windows = ["Mon-Fri 09:00-16:00", "daily 22:00-04:00"]
timezone = "Europe/Berlin"
"#
    );
    release::parse(Path::new("release.toml"), &good, &zone(), &Outside::default()).expect("good");
}

#[test]
fn groups_that_cannot_be_released_together() {
    let service = |name: &str, more: &str, release: &str| {
        let pools = "live = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]";
        format!("[services.{name}]\n{pools}\n{more}\n[services.{name}.release]\n{release}\n")
    };
    let file = |services: &[String]| format!("version = 1\n{}", services.concat());
    let differ = [
        service("api", "", "group = \"checkout\"\nbake = \"10m\"\ndeadline = \"1h\""),
        service("web", "", "group = \"Checkout\"\nbake = \"5m\"\nmin_up = \"50%\""),
    ];
    let alone = [
        service("api", "", "group = \"checkout\""),
        service("web", "", "group = \"checkout\""),
        service("www", "", "group = \"chekout\""),
    ];
    let named = [service("web", "", "group = \"web\""), service("www", "", "group = \"web\"")];
    let ramp = "ramp = [{ share = \"10%\", bake = \"5m\" }]";
    let drawn = [
        service("api", "spread = \"random\"", &format!("group = \"checkout\"\n{ramp}")),
        service("web", "", &format!("group = \"checkout\"\n{ramp}")),
    ];
    let none = [service("api", "", "group = \"a.b\"")];
    let shown = [&differ[..], &alone, &named, &drawn, &none].map(|it| release_error(&file(it)));
    insta::assert_snapshot!(shown.join("\n"));
    let good = file(&alone[..2]);
    release::parse(Path::new("release.toml"), &good, &zone(), &Outside::default()).expect("good");
}

#[test]
fn instants_that_are_none() {
    let with = |more: &str| format!("{SERVICE}\n[services.api.release]\n{more}\n");
    let wrong = [
        "at = \"2026-12-01T02:00:00Z\"",
        "at = 2026-12-01T02:00:00",
        "at = 2026-12-01",
        "at = 2026-12-01T02:00:00.5Z",
        "at = 2126-12-01T02:00:00Z",
        "at = 1969-12-31T23:59:59Z",
        "clean = true",
    ];
    insta::assert_snapshot!(wrong.map(|more| release_error(&with(more))).join("\n\n"));
    let path = Path::new("release.toml");
    for (more, unix_secs) in [
        ("at = 2026-12-01T02:00:00Z\nclean = true", 1_796_090_400),
        ("at = 2026-12-01T02:00:00+01:00", 1_796_090_400 - 3_600),
        ("at = 2026-12-01 02:00:00-07:30", 1_796_090_400 + 27_000),
    ] {
        let desired =
            release::parse(path, &with(more), &zone(), &Outside::default()).expect("good");
        let policy = &desired.services.values().next().expect("one").release;
        assert_eq!(policy.at.map(|at| at.unix_secs()), Some(unix_secs), "{more}");
    }
}

#[test]
fn an_address_cannot_be_had_twice() {
    let tls = "[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"";
    insta::assert_snapshot!(settings_error(&listening(
        r#"dns = ["192.0.2.53:53"]
tls = ["192.0.2.53:53", "192.0.2.53:853", "127.0.0.1:9353"]
quic = ["192.0.2.53:853", "[::]:853", "[2001:db8::1]:853"]
https = ["0.0.0.0:853"]"#,
        tls
    )));
    insta::assert_snapshot!(settings_error(&listening(r#"http = "127.0.0.1:53""#, "")));
    let good = listening(
        r#"dns = ["0.0.0.0:53", "192.0.2.53:53", "127.0.0.1:0"]
tls = ["192.0.2.53:853", "[2001:db8::1]:853", "127.0.0.1:0"]
quic = ["0.0.0.0:853", "127.0.0.1:0"]
https = ["192.0.2.53:443", "127.0.0.1:0"]"#,
        tls,
    );
    let settings = settings::parse(Path::new("/etc/x/cutover.toml"), &good);
    let encrypted = settings.unwrap_or_else(|error| panic!("{error}")).encrypted.expect("some");
    assert_eq!([encrypted.tls.len(), encrypted.quic.len(), encrypted.https.len()], [3, 2, 2]);
    assert_eq!(encrypted.certificate, Path::new("/etc/x/c.pem"));
    assert_eq!(
        (encrypted.key, encrypted.https_path.as_str()),
        ("/etc/x/k.pem".into(), "/dns-query")
    );
}

#[test]
fn kinds_of_records_that_are_none() {
    insta::assert_snapshot!(release_error(
        r#"version = 1
[services.api]
live = "v1"
https = { alpn = ["h2,h3"], port = 0, hint = true }
svcb = [{ prefix = "dns", doh_path = "dns-query" }, { alpn = ["dot"] }]
txt = ["", "twice", "twice"]
srv = ["_http._tcp", "_HTTP._tcp", { prefix = "_x._udp", answers = "some", priority = 65536 }]
previews = "{service}"
release = { preview = ["198.51.100.0/25", "2001:db8::1", "198.51.100.7/24"] }
[services.api.pools.v1]
endpoints = ["192.0.2.1", { address = "192.0.2.2", port = 8080 }, { address = "192.0.2.3", port = 65536 }]
txt = "v1"
"#
    ));
}

#[test]
fn endpoints_that_load_balancers_are_told_need_a_port() {
    insta::assert_snapshot!(release_error(
        r#"version = 1
[services.api]
live = "v1"
srv = ["_http._tcp"]
pools.v1.endpoints = ["192.0.2.1", { address = "192.0.2.2", port = 8080 }]
pools.v2 = { port = 80, endpoints = ["192.0.2.3"] }
"#
    ));
}

#[test]
fn records_that_would_be_there_twice_and_more_than_a_message_holds() {
    let twice = release_error(
        r#"version = 1
[services.api]
live = "v1"
txt = ["both", "service"]
svcb = [{ prefix = "_dns", alpn = ["dot"] }, { prefix = "_x" }, { prefix = "_DNS", alpn = ["dot"] }]
pools.v1 = { endpoints = ["192.0.2.1"], txt = ["pool", "both"] }
"#,
    );
    for (place, why) in [
        ("5:65", "this binding stands here twice"),
        ("6:56", "the service has this text too, whichever pool answers"),
    ] {
        assert!(twice.contains(place) && twice.contains(why), "{twice}");
    }
    assert_eq!(twice.matches("error:").count(), 2, "{twice}");
    let many = |hints: bool| {
        let bindings: Vec<String> = (1..=16)
            .map(|at| format!("{{ prefix = \"_dns\", priority = {at}, hints = {hints} }}"))
            .collect();
        let endpoints: Vec<String> = (1..=300).map(|at| format!("\"2001:db8::{at:x}\"")).collect();
        format!(
            "version = 1\n[services.api]\nlive = \"v1\"\nsvcb = [{}]\npools.v1.endpoints = [{}]\n",
            bindings.join(", "),
            endpoints.join(", ")
        )
    };
    let large = release_error(&many(true));
    assert!(large.contains("no answer could hold these bindings"), "{large}");
    assert_eq!(large.matches("error:").count(), 1, "{large}");
    let path = Path::new("release.toml");
    let parsed = release::parse(path, &many(false), &zone(), &Outside::default());
    assert!(parsed.is_ok());
}

#[test]
fn pools_that_point_nowhere() {
    insta::assert_snapshot!(release_error(
        r#"version = 1
[services.api]
live = { cdn = 10, v1 = 90 }
https = true
txt = ["a text"]
srv = ["_http._tcp"]
pools.v1 = { port = 80, endpoints = ["192.0.2.1"] }
pools.cdn = { cname = "d111.cdn.example.net", txt = ["of the pool"] }
pools.both = { alias = "lb.example.net", endpoints = ["192.0.2.1"], port = 80 }
pools.two = { alias = "lb.example.net", cname = "lb.example.net", port = 80 }
pools.address = { alias = "192.0.2.7", port = 80 }
pools.ours = { alias = "web.svc.example.test", port = 80 }
pools.name = { alias = "lb..example.net", port = 80 }
pools.none = { port = 80 }
pools.listed = { endpoints = ["lb.example.net"], port = 80 }
release = { ramp = [{ share = "10%", bake = "5m" }], preview = ["198.51.100.0/24"] }
[services.root]
name = "@"
live = "cdn"
pools.cdn.cname = "d111.cdn.example.net"
"#
    ));
    // What one key asks for may be in the way of another one.
    insta::assert_snapshot!(release_error(
        r#"version = 1
[services.api]
live = { cdn = 10, v1 = 90 }
https = true
txt = ["a text"]
pools.v1.endpoints = ["192.0.2.1"]
pools.cdn.cname = "d111.cdn.example.net"
release = { ramp = [{ share = "10%", bake = "5m" }], preview = ["198.51.100.0/24"] }
[services.drawn]
live = { lb = 1, v1 = 1 }
spread = "random"
pools.v1.endpoints = ["192.0.2.2"]
pools.lb.alias = "lb.example.net"
"#
    ));
}

#[test]
fn a_name_that_has_been_looked_up_and_leads_nowhere_is_a_mistake() {
    let text = SERVICE.replace("endpoints = [\"192.0.2.1\"]", "alias = \"lb.example.net\"");
    let parse = |outside: &Outside| release::parse(Path::new("r.toml"), &text, &zone(), outside);
    assert!(parse(&Outside::default()).is_ok(), "nobody has looked");
    let name = "lb.example.net".parse().expect("a name");
    let unresolvable = [(name, "there is no such name".to_owned())].into();
    let told = parse(&Outside { unresolvable, ..Outside::default() }).expect_err("refused");
    insta::assert_snapshot!(told.to_string());
}

#[test]
fn a_service_may_stand_at_the_apex_and_its_pools_below_it() {
    let text = format!("{SERVICE}name = \"@\"\npreviews = \"{{pool}}.{{service}}\"\n");
    let text = text.replace("pools.v1", "pools.v2.alias = \"lb.example.net\"\npools.v1");
    let desired = release::parse(Path::new("release.toml"), &text, &zone(), &Outside::default())
        .expect("good");
    let [service] = desired.services.values().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!(service.owner.to_string(), "svc.example.test");
    let previews: Vec<_> = service.kinds.previews.values().map(ToString::to_string).collect();
    assert_eq!(previews, ["v1.svc.example.test", "v2.svc.example.test"]);
}

#[test]
fn names_that_two_want() {
    insta::assert_snapshot!(release_error(
        r#"version = 1
[services.api]
live = "v1"
srv = ["_http._tcp", "_release"]
pools."v1.2" = { port = 80, endpoints = ["192.0.2.1"] }
pools.v1-2 = { port = 80, endpoints = ["192.0.2.2"] }
pools.v1 = { port = 80, endpoints = ["192.0.2.1"] }
[services."v1.api"]
live = "v1"
pools.v1.endpoints = ["192.0.2.1"]
[services."192-0-2-2.v1-2.api"]
live = "v1"
previews = false
pools.v1.endpoints = ["192.0.2.1"]
[services.web]
live = "ns1"
previews = "{pool}"
pools.ns1.endpoints = ["192.0.2.1"]
pools.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.endpoints = ["192.0.2.1"]
[services.long]
live = "v1"
previews = "{pool}-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
pools.v1.endpoints = ["192.0.2.1"]
"#
    ));
}
