//! What is wrong with zones, and where: in zone files and in `cutover.toml`.

use std::{collections::BTreeMap, path::Path};

use cutover::{
    config::{self, release, settings, zone_file},
    model::Outside,
};

const HEAD: &str = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n";

fn settings(more: &str) -> Result<settings::Settings, String> {
    let text = format!(
        "version = 1\nzone = \"zone.test\"\nlisten = {{ dns = [\"127.0.0.1:53\"] }}\n{more}"
    );
    settings::parse(Path::new("cutover.toml"), &text).map_err(|rejected| rejected.to_string())
}

fn file(text: &str) -> Result<cutover::model::ZoneSpec, String> {
    let settings = settings("zone_file = \"zone.db\"\n").expect("good");
    let zone = &settings.sources[0].spec;
    let lines = BTreeMap::from([("taken.zone.test".parse().expect("a name"), 7)]);
    let parsed = zone_file::parse(Path::new("zone.db"), text, zone, &lines);
    parsed.map_err(|rejected| rejected.to_string())
}

#[track_caller]
fn mistakes(text: &str) -> String {
    file(text).expect_err("refused")
}

#[test]
fn every_mistake_of_a_zone_file_has_its_place() {
    insta::assert_snapshot!(mistakes(
        "$TTL 1x\n$ORIGN sub\n$INCLUDE other.db\n  A 192.0.2.1\na A 192.0.2\nb AA 192.0.2.1\n\
         c CH TXT \"x\"\nd TXT \"open\ne ( A 192.0.2.1\nf A 192.0.2.1 192.0.2.2\n\
         g.elsewhere.test. 60 A 192.0.2.1\nh 60 MX mail\ni 60 RRSIG x\n\
         j123456789012345678901234567890123456789012345678901234567890123 60 A 192.0.2.1\n\
         k 60 TYPE65280 \\# 3 00\nl 60 A\nm\ntaken 60 A 192.0.2.1\nn 60 CAA \\# 0\n"
    ));
}

#[test]
fn each_broken_rule_is_named() {
    insta::assert_snapshot!(mistakes(&format!(
        "{HEAD}a CNAME b\na A 192.0.2.1\nb CNAME c\nb CNAME d\n@ CNAME c\nd DNAME e\nx.d A 192.0.2.1\n\
         f DNAME g\nf DNAME h\ni DNAME j\ni NS ns\n*.k NS ns\nl NS ns.l\nm NS b\nn MX 1 b\n"
    )));
}

#[test]
fn ds_records_of_an_apex_stand_in_the_zone_above() {
    let found = mistakes(&format!("{HEAD}@ DS 1 13 2 00\n"));
    assert!(found.contains("zone.db:5:1") && found.contains("(RFC 4035 §2.4)"), "{found}");
    let more = "nameservers = [\"ns.elsewhere.test\"]\nhostmaster = \"a@elsewhere.test\"\n\
                records = [{ name = \"@\", type = \"DS\", data = [\"1 13 2 00\"] }]\n";
    let found = settings(more).expect_err("refused");
    assert!(found.contains("(RFC 4035 §2.4)"), "{found}");
    assert_eq!(records("sub NS ns.elsewhere.test.\nsub DS 1 13 2 00\n").len(), 2);
}

#[test]
fn name_servers_of_both_files_are_the_same_and_can_be_found() {
    let settings = settings(
        "zone_file = \"zone.db\"\nnameservers = [\"ns.zone.test\", \"ns.elsewhere.test\"]\n",
    );
    let zone = settings.expect("good").sources[0].spec.clone();
    let parse = |text: &str| zone_file::parse(Path::new("zone.db"), text, &zone, &BTreeMap::new());
    insta::assert_snapshot!(parse(&format!("{HEAD}@ NS ns3\n")).expect_err("refused"));
    assert!(parse("$TTL 60\nns A 192.0.2.53\n").is_ok(), "those of cutover.toml");
    let none = mistakes("$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n");
    assert!(none.contains("the zone has no name server"), "{none}");
    let lost = mistakes(&HEAD.replace("ns A", "other A"));
    assert!(lost.contains("inside the zone but has no address there"), "{lost}");
}

#[test]
fn the_soa_record_and_the_least_ttl_are_taken_over() {
    let zone = file(&format!("{HEAD}a 90 A 192.0.2.1\na 1h A 192.0.2.2\na 90 A 192.0.2.1\n"));
    let zone = zone.expect("good");
    assert_eq!(zone.start.minimum.secs(), 60);
    assert_eq!(zone.start.primary.expect("a name").to_string(), "ns.zone.test");
    assert_eq!(zone.hostmaster.to_string(), "hostmaster.zone.test");
    assert_eq!(zone.records.len(), 3, "the same record twice is one (RFC 2181 §5)");
}

/// The records of a zone file, without those of its head.
#[track_caller]
fn records(text: &str) -> Vec<String> {
    let zone = file(&format!("{HEAD}{text}")).unwrap_or_else(|error| panic!("{error}"));
    let shown = |it: &cutover::model::StaticRecord| format!("{} {:?}", it.owner, it.data);
    zone.records.iter().skip(1).map(shown).collect()
}

#[test]
fn names_may_be_relative_to_the_root() {
    let absolute = records("a A 192.0.2.1\n_s SRV 0 0 1 a\nb MX 1 a\n");
    let relative = "$ORIGIN .\na.zone.test A 192.0.2.1\n$ORIGIN test.\n_s.zone SRV 0 0 1 a.zone\n\
                    $ORIGIN .\nb.zone.test MX 1 a.zone.test\n";
    assert_eq!(records(relative), absolute);
    for wrong in ["a..b", "..", "a.."] {
        let found = mistakes(&format!("{HEAD}$ORIGIN {wrong}\n"));
        assert!(found.contains("not a name"), "{wrong}: {found}");
    }
}

#[test]
fn only_the_same_record_is_the_same() {
    // The octets of one type say nothing of another, and texts are more than what is shown of them.
    let unlike = "a TYPE65280 \\# 1 00\na TYPE65281 \\# 1 00\n\
                  b TXT \"x\" \"y\"\nb TXT \"xy\"\nb TXT \"x y\"\nb TYPE99 \\# 4 03782079\n";
    assert_eq!(records(unlike).len(), 6, "{:?}", records(unlike));
    // Names are compared without case.
    let alike = "a MX 1 Mail\na MX 1 mail\na TYPE65280 \\# 1 00\na TYPE65280 ( \\# 1 00 )\n";
    assert_eq!(records(alike).len(), 2, "{:?}", records(alike));
}

#[test]
fn the_same_record_twice_breaks_no_rule() {
    let once = records("a CNAME b\nd DNAME e\n");
    assert_eq!(records("a CNAME b\na CNAME B\nd DNAME e\nd DNAME e\n"), once);
    // What tools print of a whole zone ends with the SOA record that it begins with.
    let again = "@ SOA ns hostmaster 1 3600 600 86400 60\n";
    assert_eq!(records(&format!("a CNAME b\nd DNAME e\n{again}")), once);
    let another = mistakes(&format!("{HEAD}{}", again.replace("600 86400", "601 86400")));
    assert!(another.contains("a zone has one SOA record"), "{another}");
    // A cache may keep it as long as each of them says.
    let zone = file(&format!("{HEAD}a 90 A 192.0.2.1\na 30 A 192.0.2.1\n")).expect("good");
    assert_eq!(zone.records[1].ttl.secs(), 30);
    // The place of a broken rule is that of its record.
    let found =
        mistakes(&format!("{HEAD}a A 192.0.2.1\na A 192.0.2.1\nb CNAME c\nb A 192.0.2.1\n"));
    assert!(found.contains("zone.db:8:1"), "{found}");
}

#[test]
fn parentheses_in_texts_and_comments_are_none() {
    let plain = records("a TXT \"b\"\nc TXT \"d)\"\n");
    assert_eq!(records("a ( TXT \"b\" )\nc ( TXT \"d)\" )\n"), plain);
    assert_eq!(records("a TXT \"b\" ; )\nc TXT \"d)\" ; :)\n"), plain);
    assert_eq!(records("a ( TXT ; (\n \"b\" ) ; (\nc ( ( TXT ) ; (\n \"d)\" )\n"), plain);
    let address = records("a A 192.0.2.1\n");
    assert_eq!(records("a ( A ; (\n 192.0.2.1 )\n"), address);
}

#[test]
fn parameters_of_services_may_stand_in_quotes() {
    let plain = records("a HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2\n");
    let quoted = "a HTTPS 1 . alpn=\"h2,h3\" port=\"8443\" ipv4hint=\"192.0.2.1,192.0.2.2\"\n";
    assert_eq!(records(quoted), plain);
    let plain = records("_dns.a SVCB 1 b alpn=h2 dohpath=/q{?dns}\n");
    assert_eq!(records("_dns.a SVCB 1 b ( alpn=\"h2\"\n dohpath=\"/q{?dns}\" ) ; \"\n"), plain);
}

#[test]
fn a_name_that_is_none_is_refused() {
    for data in ["2 05aa", "0", "1 01", "3 000000", "5 0161c00c00", "2 40aa"] {
        let found = mistakes(&format!("{HEAD}x DNAME \\# {data}\n"));
        assert!(found.contains("DNAME"), "{data}: {found}");
        let more = format!(
            "nameservers = [\"ns.elsewhere.test\"]\nhostmaster = \"a@elsewhere.test\"\n\
             records = [{{ name = \"x\", type = \"TYPE39\", data = ['\\# {data}'] }}]\n"
        );
        assert!(settings(&more).is_err(), "{data}");
    }
    assert_eq!(records("x DNAME \\# 3 016100\n").len(), 1);
}

#[test]
fn records_of_cutover_toml_keep_to_the_same_rules() {
    let more = r#"nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
records = [
    { name = "a", type = "CNAME", data = ["b"] },
    { name = "A", type = "A", data = ["192.0.2.1"] },
    { name = "@", type = "NS", data = ["x"] },
    { name = "@", type = "SOA", data = ["x"] },
    { name = "sub", type = "NS", data = ["ns.sub"] },
    { name = "*.w", type = "DNAME", data = ["x"] },
    { name = "w*", type = "A", data = ["192.0.2.1"] },
    { name = "x", type = "OPT", data = ["x"] },
    { name = "xn--a", type = "PTR", data = ["bücher.example."] },
]
[[zones]]
zone = "ZONE.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
nameserver = []
"#;
    insta::assert_snapshot!(settings(more).expect_err("refused"));
}

/// The data of one record of `cutover.toml`.
fn datum(kind: &str, data: &str) -> Result<String, String> {
    let more = format!(
        "nameservers = [\"ns.elsewhere.test\"]\nhostmaster = \"a@elsewhere.test\"\n\
         records = [{{ name = \"a\", type = \"{kind}\", data = ['{data}'] }}]\n"
    );
    Ok(format!("a.zone.test {:?}", settings(&more)?.zones.first().records[0].data))
}

#[test]
fn texts_of_both_files_are_read_alike() {
    let texts = [
        ("TXT", "plain"),
        ("TXT", r#""v=DMARC1; p=none""#),
        ("TXT", r#""one" two "\"three\"""#),
        ("TXT", r#""\195\169" \195\169"#),
        ("TXT", r"a\;b"),
        ("CAA", r#"0 issue "ca.example; policy=ev""#),
        ("CAA", "128 issuewild ca.example"),
    ];
    for (kind, data) in texts {
        let there = records(&format!("a {kind} {data}\n"));
        assert_eq!(datum(kind, data).as_ref(), Ok(&there[0]), "{data}");
    }
    let plain = datum("TXT", "caf\u{e9}").expect("good");
    for text in ["caf\u{e9}", "\"caf\u{e9}\"", "caf\\\u{e9}"] {
        assert_eq!(plain, records(&format!("a TXT {text} ; \u{e9}\n"))[0]);
    }
    assert_eq!(Ok(&plain), datum("TXT", r#""caf\195\169""#).as_ref());
    assert_eq!(Ok(&plain), datum("TXT", "\"caf\u{e9}\"").as_ref());
}

#[test]
fn nothing_of_a_text_is_lost_unseen() {
    let long = format!("\"{}\"", "x".repeat(256));
    for (kind, data, why) in [
        ("TXT", "v=DMARC1; p=none", "what follows the `;` is a comment"),
        ("MX", "10 mail ; x", "what follows the `;` is a comment"),
        ("CAA", "0 issue ;", "what follows the `;` is a comment"),
        ("TXT", &long, "255"),
        ("TXT", "\"open", "is not closed"),
    ] {
        let found = datum(kind, data).expect_err("refused");
        assert!(found.contains(why) && found.contains("cutover.toml:6:"), "{found}");
    }
}

#[test]
fn the_line_of_the_first_record_of_a_name_is_known() {
    let more = r#"nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
records = [
    { name = "a", type = "A", data = [
        "192.0.2.1",
        "192.0.2.2",
    ] },
    { name = "b", type = "MX", data = ["1 a", "1 b", "2 a"] },
    { name = "a", type = "TXT", data = ["x", "X", '"x" ""'] },
]
[[zones]]
zone = "other.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
records = [{ name = "c", type = "A", data = ["192.0.2.1"] }]
"#;
    let sources = settings(more).expect("good").sources;
    let line = |zone: usize, name: &str| sources[zone].lines[&name.parse().expect("a name")];
    assert_eq!((line(0, "a.zone.test"), line(0, "b.zone.test")), (8, 11));
    assert_eq!((line(1, "c.other.test"), sources[0].spec.records.len()), (18, 8));
    // Records are told apart as resolvers do it.
    let twice = settings(&more.replace("1 b", "1 A")).expect_err("refused");
    assert!(twice.contains("cutover.toml:11:") && twice.contains("(RFC 2181 §5)"), "{twice}");
}

#[test]
fn services_stand_where_there_is_room() {
    let more = r#"nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
records = [
    { name = "taken", type = "CNAME", data = ["b"] },
    { name = "sub", type = "NS", data = ["ns.elsewhere.test."] },
    { name = "d", type = "DNAME", data = ["x"] },
    { name = "*.w", type = "TXT", data = ["x"] },
    { name = "child", type = "NS", data = ["ns.child"] },
    { name = "child", type = "DS", data = ["1 13 2 00"] },
    { name = "ns.child", type = "A", data = ["192.0.2.53"] },
]
[[zones]]
zone = "child.zone.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
"#;
    let zones = settings(more).expect("good").zones;
    let service = |key: &str, more: &str| {
        format!(
            "[services.\"{key}\"]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]\n{more}\n"
        )
    };
    let parse = |text: String| {
        let text = format!("version = 1\n{text}");
        release::parse(Path::new("release.toml"), &text, &zones, &Outside::default())
    };
    let good = ["x.w", "münchen", "dd"].map(|key| service(key, "")).concat();
    let of_child = |key: &str| service(key, "zone = \"child.zone.test\"");
    // What the zone above says of the child is not in the child.
    let good = parse(good + &of_child("kid") + &of_child("ns")).expect("good");
    let owners: Vec<String> = good.services.values().map(|it| it.owner.to_string()).collect();
    assert_eq!(
        owners,
        [
            "dd.zone.test",
            "kid.child.zone.test",
            "ns.child.zone.test",
            "x.w.zone.test",
            "xn--mnchen-3ya.zone.test"
        ]
    );
    let long = "a".repeat(64);
    let bad = [
        service("taken", ""),
        service("x.sub", ""),
        service("sub.d", ""),
        service("x.child", ""),
        service("münchen", ""),
        service("XN--MNCHEN-3YA", ""),
        service("one", "name = \"two\""),
        service("two", ""),
        service("three", "zone = \"other.test\""),
        service(&long, ""),
        service("four", "name = \"a..b\""),
    ];
    insta::assert_snapshot!(parse(bad.concat()).expect_err("refused"));
}

#[test]
fn check_shows_the_mistakes_of_each_zone_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    let settings = "version = 1\nzone = \"zone.test\"\nzone_file = \"zone.db\"\n\
                    [[zones]]\nzone = \"other.test\"\nzone_file = \"other.db\"\n";
    write("cutover.toml", settings);
    write("zone.db", &HEAD.replace("ns A", "ns AA"));
    write("other.db", &HEAD.replace("@ SOA", "@ SO"));
    let checked = |form: &[&str]| {
        let at = folder.path().join("cutover.toml");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cutover"));
        let output = command.arg("check").arg("--config").arg(at).args(form).output();
        let output = output.expect("it runs");
        (output.status.success(), String::from_utf8(output.stdout).expect("text"))
    };
    let (good, text) = checked(&[]);
    assert!(!good && text.contains("cutover.toml: good"), "{text}");
    assert!(text.contains("zone.db:4:4") && text.contains("other.db:2:3"), "{text}");
    // Whoever asks a daemon that runs is not held up by them.
    let at = folder.path().join("cutover.toml");
    assert!(config::load_settings(&at).is_err() && config::load_settings_alone(&at).is_ok());
    let (_, json) = checked(&["-o", "json"]);
    let files: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(files[1]["errors"][0]["line"], 4, "{json}");
    write("zone.db", HEAD);
    write("other.db", HEAD);
    let (_, text) = checked(&[]);
    assert!(text.contains("zone.db: good, records of its zone: 1"), "{text}");
}
