//! What the binary writes about itself: manual pages, and scripts with which shells complete. Whoever
//! reads them here is the program for which they are made, where it is installed.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn cutover(arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cutover")).args(arguments).output().expect("runs")
}

fn said(arguments: &[&str]) -> String {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let output = cutover(&arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The verbs that `--help` lists, but for `help`.
fn verbs() -> BTreeSet<String> {
    let help = said(&["--help"]);
    let list = help.split("Verbs:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let first = |line: &str| {
        let line = line.strip_prefix("  ")?;
        line.split(' ').next().filter(|word| !word.is_empty()).map(str::to_owned)
    };
    let mut verbs: BTreeSet<_> = list.expect("a list").lines().filter_map(first).collect();
    assert!(verbs.remove("help") && verbs.len() >= 18, "{verbs:?}");
    verbs
}

/// What a program says of `input`, or nothing where it is not installed.
fn run(program: &str, arguments: &[&OsStr], input: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Not `println!`: the harness keeps back what a passing test prints.
            let _ = writeln!(io::stderr(), "skipped: {program} is not installed");
            return None;
        }
        Err(error) => panic!("{program} does not run: {error}"),
    };
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    Some(child.wait_with_output().expect("it ends"))
}

fn shell(program: &str, arguments: &[&str], script: &str) -> Option<String> {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let output = run(program, &arguments, script)?;
    assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn bash_completes_verbs_and_options() {
    let script = said(&["completions", "bash"]);
    if shell("bash", &["-n"], &script).is_none() {
        return;
    }
    let complete = |words: &str| {
        let last = words.split(' ').count() - 1;
        let asking = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={last}\n\
             _cutover cutover \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{}]}}\"\n\
             echo \"${{COMPREPLY[@]}}\"\n",
            last - 1
        );
        shell("bash", &["--norc", "--noprofile"], &asking).expect("it is there")
    };
    assert_eq!(complete("cutover roll"), "rollback\n");
    assert_eq!(complete("cutover rollback --fo"), "--force\n");
    assert_eq!(complete("cutover status -o j"), "json\n");
    let all: BTreeSet<String> =
        complete("cutover \"\"").split_whitespace().map(str::to_owned).collect();
    assert!(verbs().is_subset(&all), "{all:?}");
}

#[test]
fn fish_and_zsh_take_their_scripts() {
    let fish = said(&["completions", "fish"]) + "\ncomplete --do-complete 'cutover roll'\n";
    if let Some(completed) = shell("fish", &["--no-config"], &fish) {
        assert!(completed.starts_with("rollback\t"), "{completed}");
    }
    shell("zsh", &["-f", "-n"], &said(&["completions", "zsh"]));
}

#[test]
fn a_shell_that_is_none_is_refused_with_the_list() {
    let output = cutover(&["completions", "sh"].map(OsStr::new));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("bash") && said.contains("fish") && said.contains("zsh"), "{said}");
}

/// The pages in a folder that the binary makes.
fn pages(folder: &Path) -> BTreeSet<PathBuf> {
    let made = folder.join("man/man1");
    let output = cutover(&[OsStr::new("man"), made.as_os_str()]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    fs::read_dir(made).expect("made").map(|entry| entry.expect("a page").path()).collect()
}

#[test]
fn there_is_a_page_for_each_verb_and_the_first_one_names_them_all() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let pages = pages(folder.path());
    let name = |page: &PathBuf| page.file_name().expect("a name").to_string_lossy().into_owned();
    let names: BTreeSet<String> = pages.iter().map(name).collect();
    let expected = verbs().into_iter().map(|verb| format!("cutover-{verb}.1"));
    assert_eq!(names, expected.chain(["cutover.1".to_owned()]).collect());
    let first = fs::read_to_string(folder.path().join("man/man1/cutover.1")).expect("readable");
    assert_eq!(first, said(&["man"]));
    for verb in verbs() {
        assert!(first.contains(&format!("\ncutover\\-{verb}(1)\n")), "{verb} is not in\n{first}");
    }
    for heading in ["FILES", "EXIT STATUS", "ENVIRONMENT", "SIGNALS", "SEE ALSO"] {
        let quoted = format!("\n.SH \"{heading}\"\n");
        assert!(
            first.contains(&quoted) || first.contains(&format!("\n.SH {heading}\n")),
            "{heading}"
        );
    }
}

#[test]
fn those_who_show_manuals_find_no_fault() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let readers: [(&str, &[&str]); 2] = [
        ("man", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"]),
        ("mandoc", &["-T", "lint", "-W", "error"]),
    ];
    let pages = pages(folder.path());
    for (program, arguments) in readers {
        for page in &pages {
            let mut arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
            arguments.push(page.as_os_str());
            let Some(output) = run(program, &arguments, "") else { break };
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && complaints.is_empty(), "{program}: {complaints}");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("writable");
    let below = file.join("man1");
    let output = cutover(&[OsStr::new("man"), below.as_os_str()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&below.display().to_string()), "{said}");
}
