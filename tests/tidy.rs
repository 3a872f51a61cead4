//! Keeps the house as the design says: floors, first lines, and examples that tell the truth.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use cutover::config;

/// What floors 0 and 1 must not name: the runtime, sockets, files, clocks, chance, the
/// environment.
const IMPURE: [&str; 22] = [
    "tokio",
    "Instant",
    "SystemTime",
    "rand",
    "RandomState",
    "HashMap",
    "fs",
    "File",
    "env",
    "thread",
    "process",
    "io",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "socket2",
    "notify",
    "hyper",
    "axum",
    "tracing",
    "prometheus",
];

#[test]
fn a_lower_floor_never_names_a_higher_one_and_edges_never_know_each_other() {
    let mut wrong = Vec::new();
    for (module, path, code) in sources() {
        for named in modules_named(&code) {
            let (here, there) = (floor(&module), floor(&named));
            let edges = here == 2 && there == 2 && named != module;
            if there > here || edges {
                wrong.push(format!(
                    "{}: {module} (floor {here}) names {named} (floor {there})",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn floors_0_and_1_are_pure() {
    let mut wrong = Vec::new();
    for (module, path, code) in sources().into_iter().filter(|(module, ..)| floor(module) < 2) {
        let words: BTreeSet<&str> =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        for word in IMPURE.iter().filter(|word| words.contains(**word)) {
            wrong.push(format!("{}: {module} names {word}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const UNSAFE_FILES: [&str; 3] =
    ["dns/kernel/linux.rs", "dns/kernel/near.rs", "dns/kernel/sealed.rs"];

#[test]
fn unsafe_code_stands_in_one_module() {
    let src = root().join("src");
    let mut unsafe_files = BTreeSet::new();
    for path in rust_files(&src) {
        let code = code(&path);
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.any(|word| word == "unsafe" || word == "unsafe_code") {
            unsafe_files.insert(path.strip_prefix(&src).expect("below src").to_path_buf());
        }
    }
    assert_eq!(unsafe_files, UNSAFE_FILES.map(PathBuf::from).into());
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for path in UNSAFE_FILES {
        let path = root().join("src").join(path);
        let text = fs::read_to_string(&path).expect("a readable file");
        let of = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        let (blocks, notes) = (of("unsafe {") + of("unsafe impl"), of("// SAFETY: "));
        assert!(blocks > 0, "what is counted was not found in {}", path.display());
        assert_eq!(blocks, notes, "{}", path.display());
    }
}

#[test]
fn the_floor_rule_itself_finds_what_it_looks_for() {
    let code =
        "use crate::{\n    model::Ttl,\n    dns::{Store, udp},\n};\nfn f() { crate::admin::x() }";
    let named: Vec<String> = modules_named(code).into_iter().collect();
    assert_eq!(named, ["admin", "dns", "model"]);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut silent = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&path).expect("a readable file");
            if !text.starts_with("//! ") {
                silent.push(path.display().to_string());
            }
        }
    }
    assert!(silent.is_empty(), "without //! at the top:\n{}", silent.join("\n"));
}

#[test]
fn the_examples_load() {
    let settings = config::load_settings(&root().join("config/cutover.toml"));
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    let release = config::load_release(&root().join("config/release.toml"), &settings);
    release.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_defaults_that_the_examples_show_are_those_of_the_code() {
    let load = |settings: &str, release: &str| {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let [at, beside] = ["cutover.toml", "release.toml"].map(|name| folder.path().join(name));
        fs::write(&at, settings).expect("writable");
        fs::write(&beside, release).expect("writable");
        let mut settings = config::load_settings(&at).unwrap_or_else(|error| panic!("{error}"));
        let release = config::load_release(&beside, &settings);
        for path in [&mut settings.release_file, &mut settings.state_dir] {
            *path = path.file_name().expect("a name").into();
        }
        (settings, release.unwrap_or_else(|error| panic!("{error}")))
    };
    let read = |name| fs::read_to_string(root().join("config").join(name)).expect("readable");
    let (settings, release) = (read("cutover.toml"), read("release.toml"));
    let (shown_settings, shown_release) = (with_defaults(&settings), with_defaults(&release));
    assert_eq!(load(&settings, &release), load(&shown_settings, &shown_release));
    let shown = |text: &str| text.lines().filter(|line| is_default(line)).count();
    assert_eq!((shown(&settings), shown(&release)), (22, 28), "every default is shown");
}

#[test]
fn each_kind_of_probe_is_read_and_documented() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("readable");
    let model = read("src/model/probe/mod.rs");
    let names = model.split("impl ProbeKind {").nth(1).expect("it has a name");
    let names = names.split("\n}\n").next().expect("an end");
    let names: Vec<&str> = names
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split("=> \"").nth(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(names.len() >= 8, "the names were not found: {names:?}");
    let (kinds, example) = (read("src/config/release/kinds.rs"), read("config/release.toml"));
    for name in names {
        assert!(kinds.contains(&format!("    (\"{name}\", ")), "no file can ask for {name}");
        assert!(example.contains(&format!("#   {name} = {{ ")), "nobody is told of {name}");
    }
}

#[test]
fn the_examples_of_what_a_release_must_prove_load() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let [at, beside] = ["cutover.toml", "release.toml"].map(|name| folder.path().join(name));
    let read = |name| fs::read_to_string(root().join("config").join(name)).expect("readable");
    let settings = shown_from(&read("cutover.toml"), "# [prometheus]", "# The certificate");
    let release = shown_from(&read("release.toml"), "# confirm = ", "the end");
    fs::write(&at, settings).expect("writable");
    fs::write(&beside, release).expect("writable");
    let settings = config::load_settings(&at).unwrap_or_else(|error| panic!("{error}"));
    let release = config::load_release(&beside, &settings);
    let release = release.unwrap_or_else(|error| panic!("{error}"));
    let policy = &release.services.values().next().expect("one").release;
    let limits = policy.performance.as_ref().map(|performance| performance.limits.len());
    assert_eq!((limits, policy.guards.len(), policy.confirm.len()), (Some(7), 1, 1));
}

/// Takes the `# ` away from the lines of examples, from one that begins so to one that does.
fn shown_from(text: &str, first: &str, last: &str) -> String {
    let mut is_within = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        is_within = (is_within || line.starts_with(first)) && !line.starts_with(last);
        let shown = line.strip_prefix("# ").filter(|shown| {
            let key = shown.split(" = ").next().unwrap_or_default();
            let is_key =
                key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            shown.starts_with('[') || (is_key && shown.contains(" = "))
        });
        lines.push(shown.filter(|_| is_within).unwrap_or(line));
    }
    lines.join("\n")
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let packages = |path: &str| {
        let text = fs::read_to_string(root().join(path)).expect("a readable file");
        let blocks = text.split("[[package]]").skip(1);
        let value = |block: &str, key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key));
            line.expect("a name and a version").to_owned()
        };
        let package = |block| (value(block, "name = "), value(block, "version = "));
        blocks.map(package).collect::<BTreeSet<_>>()
    };
    let (built, fuzzed) = (packages("Cargo.lock"), packages("tests/fuzz/Cargo.lock"));
    let names: BTreeSet<_> = built.iter().map(|(name, _)| name).collect();
    let other: Vec<_> =
        fuzzed.difference(&built).filter(|(name, _)| names.contains(name)).collect();
    assert!(other.is_empty() && fuzzed.len() > 100, "see tests/fuzz/run: {other:?}");
}

/// Takes the `#` away from the lines that show a default.
fn with_defaults(text: &str) -> String {
    let line = |line: &str| if is_default(line) { line[1..].to_owned() } else { line.to_owned() };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_default(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
}

fn floor(module: &str) -> u8 {
    match module {
        "model" => 0,
        "health" | "cutover" | "delegation" | "table" | "target" => 1,
        "config" | "probe" | "guard" | "dns" | "admin" | "resolver" | "store" | "web" => 2,
        "daemon" | "cli" => 3,
        other => panic!("the module `{other}` stands on no floor: give it one"),
    }
}

/// Every source file below a module: its module, its path, its code without comments.
fn sources() -> Vec<(String, PathBuf, String)> {
    let src = root().join("src");
    let inside = rust_files(&src).into_iter().filter(|path| path.parent() != Some(&src));
    let sources: Vec<_> = inside
        .map(|path| {
            let below = path.strip_prefix(&src).expect("below src");
            let module = below.iter().next().expect("a module").to_string_lossy().into_owned();
            let code = code(&path);
            (module, path, code)
        })
        .collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// What a source file says, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a readable file");
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    code.join("\n")
}

/// The modules that stand right behind `crate::`, alone or in braces.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => drop(named.insert(word(&std::mem::take(&mut item)))),
                c if depth == 0 => item.push(c),
                _ => {}
            }
        }
        named.insert(word(&item));
    }
    named.remove("");
    named
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
