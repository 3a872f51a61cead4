//! What becomes of commands: good ones, bad ones, and those that will not end.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::Semaphore;

use super::{Command, Failure, Means, Passed, battery::spec, exec::attempt, run_command, run_once};
use crate::model::{ExecProbe, Permit, ProbeKind};

const SHELL: &str = "/bin/sh";
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// More than anything takes that ends.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);

fn means() -> Means {
    let commands = vec![SHELL.into(), "/nowhere/check".into()];
    Means::new(Permit { commands, ..Permit::default() })
}

fn probe(command: &str, arguments: &[&str]) -> ExecProbe {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    ExecProbe { command: command.into(), arguments, host: "api.zone.test".to_owned() }
}

async fn shell(script: &str, limit: Duration) -> Passed {
    attempt(&probe(SHELL, &["-c", script]), ADDRESS, limit, &means(), None).await
}

fn failed(why: &str) -> Passed {
    Err(Failure::Endpoint(why.to_owned()))
}

#[tokio::test]
async fn a_status_of_0_passes_and_another_fails_with_the_first_line_of_the_output() {
    assert_eq!(shell("exit 0", LONG).await, Ok(None));
    assert_eq!(shell("exit 7", LONG).await, failed("exit status 7"));
    let said = "echo; echo 'no quorum \u{7}' >&2; echo more; exit 1";
    assert_eq!(shell(said, LONG).await, failed("exit status 1: no quorum"));
    assert_eq!(shell("kill -SEGV $$", LONG).await, failed("ended by signal 11"));
}

#[tokio::test]
async fn what_the_settings_do_not_have_is_not_run() {
    let other = attempt(&probe("/bin/true", &[]), ADDRESS, LONG, &means(), None).await;
    let why = "/bin/true is not run unless `probes.commands` in the settings has it";
    assert_eq!(other, failed(why));
    let missing = attempt(&probe("/nowhere/check", &[]), ADDRESS, LONG, &means(), None).await;
    let Err(Failure::Ours(why)) = missing else { panic!("{missing:?}") };
    assert!(why.starts_with("cannot run /nowhere/check: No such file"), "{why}");
}

#[tokio::test]
async fn it_has_two_variables_no_input_and_no_capabilities() {
    let script = r#"
        [ "$CUTOVER_ADDRESS $CUTOVER_HOST" = "192.0.2.1 api.zone.test" ] || exit 1
        tr '\0' '\n' < /proc/$$/environ | grep -qv ^CUTOVER_ && exit 2
        [ "$(cat)" = "" ] || exit 3
        [ "$(grep -c '^Cap[PEA]..:[[:space:]]*0*$' /proc/$$/status)" = 3 ] || exit 4
        grep -q 'NoNewPrivs:.1' /proc/$$/status || exit 5
        [ "$(pwd)" = / ] || exit 6
    "#;
    assert_eq!(shell(script, LONG).await, Ok(None));
}

#[tokio::test]
async fn one_of_a_hook_has_its_input_and_what_is_named_for_it() {
    let input = "x".repeat(1 << 20).into_bytes();
    let command = |script: &str| Command {
        path: SHELL.into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: vec![("CUTOVER_TO", "Baking".to_owned())],
        input: input.clone(),
    };
    let script = r#"
        [ "$CUTOVER_TO" = Baking ] || exit 1
        tr '\0' '\n' < /proc/$$/environ | grep -qv ^CUTOVER_ && exit 2
        [ "$(wc -c)" = 1048576 ] || exit 3
        [ "$(grep -c '^Cap[PEA]..:[[:space:]]*0*$' /proc/$$/status)" = 3 ] || exit 4
    "#;
    assert_eq!(run_command(command(script), LONG).await, Ok(()));
    // Whether it reads or not.
    assert_eq!(run_command(command("exit 0"), LONG).await, Ok(()));
    let ended = run_command(command("echo no luck; sleep 1000"), SHORT).await;
    assert_eq!(ended, Err("not done within 100ms, and killed: no luck".to_owned()));
}

/// Whether a process is there that is more than an entry for its parent to read.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

async fn until_dead(file: &Path) {
    let pid = fs::read_to_string(file).expect("it has said who it is");
    let begun = std::time::Instant::now();
    while is_alive(&pid) {
        assert!(begun.elapsed() < LONG, "{pid} lives on");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pid");
    (folder, file)
}

#[tokio::test]
async fn one_that_hangs_and_ignores_signals_is_killed_with_all_that_it_has_started() {
    let (_folder, file) = scratch();
    let shown = file.display();
    let script = format!(
        "trap '' TERM INT HUP; echo still here; sh -c 'echo $$ > {shown}; exec sleep 1000' & wait"
    );
    let ended = shell(&script, SHORT * 5).await;
    assert_eq!(ended, failed("not done within 500ms, and killed: still here"));
    until_dead(&file).await;
}

#[tokio::test]
async fn one_that_nobody_waits_for_any_more_is_killed_and_gives_its_turn_back() {
    let turns = Arc::new(Semaphore::new(1));
    for is_hook in [false, true] {
        let (_folder, file) = scratch();
        let script = format!("echo $$ > {}; exec sleep 1000", file.display());
        let turn = turns.clone().acquire_owned().await.expect("it is not closed");
        let (probe, means) = (probe(SHELL, &["-c", &script]), means());
        let command = Command {
            path: SHELL.into(),
            arguments: vec!["-c".to_owned(), script],
            environment: Vec::new(),
            input: Vec::new(),
        };
        let running: BoxFuture<'_, ()> = match is_hook {
            true => Box::pin(run_command(command, LONG * 100).map(drop)),
            false => Box::pin(attempt(&probe, ADDRESS, LONG * 100, &means, Some(turn)).map(drop)),
        };
        let begun = async {
            while fs::read(&file).unwrap_or_default().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        // What was not the first to be done is dropped.
        tokio::select! {
            () = running => panic!("it has ended"),
            () = begun => {}
        }
        until_dead(&file).await;
    }
    let turn = tokio::time::timeout(LONG, turns.acquire()).await;
    assert!(turn.expect("given back").is_ok());
}

#[tokio::test]
async fn one_that_leaves_others_behind_has_ended_when_it_ends() {
    let (_folder, file) = scratch();
    let shown = file.display();
    let script =
        format!("sh -c 'echo $$ > {shown}; yes' & while ! [ -s {shown} ]; do :; done; exit 0");
    assert_eq!(shell(&script, LONG).await, Ok(None));
    until_dead(&file).await;
}

#[tokio::test]
async fn one_that_prints_without_end_takes_no_memory_and_no_more_than_its_time() {
    let ended = shell("head -c 200000000 /dev/zero; echo; echo done; exit 1", LONG).await;
    // Of what it prints the beginning is kept.
    assert_eq!(ended, failed("exit status 1"));
    let ended = shell("yes on and on", SHORT).await;
    assert_eq!(ended, failed("not done within 100ms, and killed: on and on"));
}

#[tokio::test]
async fn more_than_may_run_at_once_wait_and_what_a_late_one_said_is_told() {
    let check = |script| ProbeKind::Exec(probe(SHELL, &["-c", script]));
    let (means, quick) = (means(), spec(check("sleep 0.05"), LONG));
    let tries = (0..2 * super::exec::AT_ONCE_MAX).map(|_| run_once(&quick, ADDRESS, &means));
    for tried in futures_util::future::join_all(tries).await {
        assert_eq!(tried.outcome.map(|outcome| outcome.result), Ok(Ok(())));
    }
    let late = run_once(&spec(check("echo no luck; sleep 1000"), SHORT), ADDRESS, &means).await;
    let why = "not done within 100ms, and killed: no luck".to_owned();
    assert_eq!(late.outcome.map(|outcome| outcome.result), Ok(Err(why)));
}
