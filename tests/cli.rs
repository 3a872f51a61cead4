//! The command line as a user sees it: the real binary.

mod common;

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::{Command, Output},
};

use common::House;
use cutover::admin::client;

fn cutover(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cutover")).args(arguments).output().expect("runs")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    fs::read_to_string(path).expect("readable")
}

#[test]
fn check_says_good_and_exits_0_or_shows_every_mistake_and_exits_1() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = folder.path().join("cutover.toml");
    let config = settings.to_str().expect("text");
    fs::write(&settings, example("cutover.toml")).expect("writable");
    fs::write(folder.path().join("release.toml"), example("release.toml")).expect("writable");
    let good = cutover(&["check", "--config", config]);
    assert!(good.status.success());
    assert!(text(&good.stdout).contains("services: 1, pools: 2, endpoints: 6"), "{good:?}");

    let broken = example("release.toml").replace("live = \"v41\"", "live = \"v4\"");
    let line = 1 + broken.lines().position(|line| line.starts_with("live")).expect("there");
    fs::write(folder.path().join("release.toml"), broken).expect("writable");
    let bad = cutover(&["check", "--config", config]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stdout).contains(&format!("release.toml:{line}:8")), "{}", text(&bad.stdout));
    assert!(text(&bad.stdout).contains("did you mean `v4"), "{}", text(&bad.stdout));

    let json = cutover(&["check", "--config", config, "-o", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let files: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(files[0]["errors"], serde_json::json!([]));
    assert_eq!(files[1]["errors"][0]["line"], line);
}

/// By a pseudo terminal of `script`, which is of Debian's essential packages.
#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = folder.path().join("cutover.toml");
    fs::write(&settings, example("cutover.toml")).expect("writable");
    fs::write(folder.path().join("release.toml"), "version = 2\n").expect("writable");
    let verb = format!("{} check --config {}", env!("CARGO_BIN_EXE_cutover"), settings.display());
    let on_terminal = |no_color: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", &verb, "/dev/null"]).stdin(std::process::Stdio::null());
        script.env("TERM", "xterm").env("NO_COLOR", no_color).output()
    };
    let shown = match on_terminal("") {
        Ok(shown) => text(&shown.stdout).replace('\r', ""),
        Err(error) => {
            let _ = writeln!(io::stderr(), "skipped: `script` cannot be run: {error}");
            return;
        }
    };
    let piped = text(&cutover(&["check", "--config", settings.to_str().expect("text")]).stdout);
    let bare = text(&on_terminal("1").expect("it ran before").stdout).replace('\r', "");
    assert!(piped.contains("unknown version of the file"), "{piped}");
    assert!(!piped.contains('\u{1b}') && bare == piped, "{bare}");
    assert!(
        shown.contains("\u{1b}[32m") && shown.contains("\u{1b}[1m\u{1b}[31merror: "),
        "{shown:?}"
    );
    let mut without = String::new();
    let mut parts = shown.split("\u{1b}[");
    without.push_str(parts.next().expect("the first"));
    parts.for_each(|part| without.push_str(part.split_once('m').expect("a colour").1));
    assert_eq!(without, piped, "nothing but colours is added");
}

#[test]
fn check_looks_at_the_secrets_of_hooks_and_shows_nothing_of_them() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = folder.path().join("cutover.toml");
    let hook = "[events.a]\nurl = \"http://127.0.0.1/\"\nsecret_file = \"a.secret\"\n";
    fs::write(&settings, format!("{}\n{hook}", example("cutover.toml"))).expect("writable");
    fs::write(folder.path().join("release.toml"), example("release.toml")).expect("writable");
    let config = settings.to_str().expect("text");
    let checked = |secret: &str| {
        fs::write(folder.path().join("a.secret"), secret).expect("writable");
        let checked = cutover(&["check", "--config", config]);
        (checked.status.success(), text(&checked.stdout))
    };
    let (is_good, said) = checked("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    assert!(is_good && said.contains("a.secret: good"), "{said}");
    let (is_good, said) = checked("too-short");
    assert!(!is_good && said.contains("a.secret: a secret has at least 24 octets"), "{said}");
    assert!(!said.contains("too-short"), "{said}");
}

#[test]
fn check_looks_at_tokens_and_shows_nothing_of_them() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = folder.path().join("cutover.toml");
    let file = example("cutover.toml").replacen("# tokens =", "tokens =", 1);
    fs::write(&settings, file).expect("writable");
    fs::write(folder.path().join("release.toml"), example("release.toml")).expect("writable");
    let config = settings.to_str().expect("text");
    let checked = |token: &str| {
        fs::write(folder.path().join("oncall.token"), token).expect("writable");
        let checked = cutover(&["check", "--config", config]);
        (checked.status.success(), text(&checked.stdout))
    };
    let (is_good, said) = checked("0123456789abcdef0123456789abcdef\n");
    assert!(is_good && said.contains("oncall.token: good"), "{said}");
    let (is_good, said) = checked("too-short");
    assert!(!is_good && said.contains("oncall.token: a token has 24 to 512 characters"), "{said}");
    assert!(!said.contains("too-short"), "{said}");
}

#[test]
fn check_looks_at_the_secrets_of_cookies_and_shows_nothing_of_them() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = folder.path().join("cutover.toml");
    let config = settings.to_str().expect("text");
    let text_of = |secret: &str| {
        fs::write(folder.path().join("cookie.secret"), secret).expect("writable");
        let checked = cutover(&["check", "--config", config]);
        (checked.status.code(), text(&checked.stdout))
    };
    let file = example("cutover.toml").replacen("# secret_file =", "secret_file =", 1);
    fs::write(&settings, file).expect("writable");
    fs::write(folder.path().join("release.toml"), example("release.toml")).expect("writable");
    let missing = cutover(&["check", "--config", config]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stdout).contains("cookie.secret: the file does not exist"));
    let (code, said) = text_of("0123456789abcdef0123456789abcdef\n");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = text_of("# old\n0123456789abcdef\n");
    assert_eq!(code, Some(1));
    assert!(said.contains("cookie.secret: line 2: a secret is 32 hexadecimal digits"), "{said}");
    assert!(!said.contains("0123"), "{said}");
}

#[test]
fn without_settings_every_verb_says_so() {
    for verb in ["serve", "check", "status"] {
        let ended = cutover(&[verb, "--config", "/nonexistent/cutover.toml"]);
        assert_eq!(ended.status.code(), Some(1), "{verb}");
        let said = text(&ended.stdout) + &text(&ended.stderr);
        assert!(said.contains("/nonexistent/cutover.toml: the file does not exist"), "{said}");
    }
}

#[test]
fn without_settings_there_is_no_delegation_to_check() {
    let arguments = ["check", "--delegation", "--config", "/nonexistent/cutover.toml"];
    let ended = cutover(&arguments);
    assert_eq!(ended.status.code(), Some(1));
    let said = text(&ended.stdout);
    assert!(said.contains("the delegation was not checked: it needs the settings"), "{said}");
    let json = cutover(&[&arguments[..], &["-o", "json"]].concat());
    let both: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(both["delegation"], serde_json::Value::Null);
    let alone = cutover(&["check", "--parent", "192.0.2.1"]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(text(&alone.stderr).contains("--delegation"), "{alone:?}");
}

#[test]
fn a_mistyped_verb_is_corrected() {
    for (mistyped, meant) in
        [("stauts", "'status'"), ("promot", "'promote'"), ("rolback", "'rollback'")]
    {
        let ended = cutover(&[mistyped]);
        assert_eq!(ended.status.code(), Some(2));
        let said = text(&ended.stderr);
        let tip = said.lines().find(|line| line.contains("tip: ")).unwrap_or_default();
        assert!(tip.contains(meant), "{said}");
    }
}

#[test]
fn a_rule_that_is_none_is_refused_with_the_list() {
    let ended = cutover(&["promote", "api", "--force", "health", "--force", "windows"]);
    assert_eq!(ended.status.code(), Some(2));
    let said = text(&ended.stderr);
    assert!(said.contains("the rules are freeze, window, interval, health and gate"), "{said}");
}

#[test]
fn help_names_every_verb() {
    let help = text(&cutover(&["--help"]).stdout);
    let orders = ["rollback", "promote", "retry", "pause", "resume", "freeze", "unfreeze"];
    for verb in ["serve", "check", "status", "plan", "apply", "forget", "sample", "schema", "demo"]
        .into_iter()
        .chain(orders)
    {
        assert!(help.contains(&format!("  {verb} ")), "{help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_draws_a_tree() {
    let house = House::start(&example("release.toml")).await;
    // The daemon chose its port; the settings for the verb name it.
    let settings = fs::read_to_string(house.folder().join("cutover.toml")).expect("readable");
    let here = settings.replace("127.0.0.1:0\"\n\n", &format!("{}\"\n\n", house.daemon.http()));
    let path = house.folder().join("here.toml");
    fs::write(&path, here).expect("writable");
    let config = path.to_str().expect("text").to_owned();
    let shown = tokio::task::spawn_blocking(move || {
        let arguments = ["status", "--config", &config];
        let json = cutover(&[&arguments[..], &["-o", "json"]].concat());
        let mistyped = cutover(&["history", "apy", "--config", &config]);
        (cutover(&arguments), json, mistyped)
    });
    let (tree, json, mistyped) = shown.await.expect("ran");
    let said = text(&mistyped.stderr);
    assert!(said.contains("there is no service `apy`; did you mean `api`?"), "{said}");
    assert!(tree.status.success() && json.status.success(), "{tree:?} {json:?}");
    let tree = text(&tree.stdout);
    for expected in [
        "zone.test  generation ",
        "└─ api  Steady  ",
        "├─ v41  100 %",
        "└─ v42    0 %",
        "192.0.2.10",
        "  since 20",
    ] {
        assert!(tree.contains(expected), "{expected:?} is not in\n{tree}");
    }
    let (code, page) = client::get(house.daemon.http(), "/").await.expect("a page");
    assert_eq!(code, 200);
    assert!(text(&page).starts_with(&tree), "the page shows the same tree");
    let status: cutover::admin::status::Status =
        serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(status.services["api"].serving, [("v41".to_owned(), 100)].into());
    assert!(status.file.accepted);
}

#[test]
fn status_of_nobody_fails_with_the_address() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = folder.path().join("cutover.toml");
    // Bound and never accepting HTTP.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let http = port.local_addr().expect("bound");
    let with_port = example("cutover.toml")
        .replace("#http = \"127.0.0.1:9353\"", &format!("http = \"{http}\""));
    fs::write(&settings, with_port).expect("writable");
    let ended = cutover(&["status", "--config", settings.to_str().expect("text")]);
    assert_eq!(ended.status.code(), Some(1));
    let said = text(&ended.stderr);
    assert!(said.contains(&format!("no daemon answers at http://{http}")), "{said}");
}
