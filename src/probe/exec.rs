//! The `exec` probe: a command that the settings allow ends with status 0. Commands of hooks run by the
//! same rules.
//!
//! It runs in `/`, in a process group of its own, with what is named for it and nothing else in its
//! environment, without capabilities, other descriptors or a way to gain privileges; one of a probe has
//! no input. The beginning of its output is the reason when it fails. When it has ended, its time is up,
//! or nobody waits for it any more, what is left of its group is killed; a process that has left the group
//! is beyond reach.
//!
//! A thread of its own starts it and waits for it, because what a thread gives up its children never
//! have.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::timeout,
};

use super::{EXEC_GRACE, Failure, Means, Passed};
use crate::model::ExecProbe;

/// Commands that run at once, of all services.
pub(super) const AT_ONCE_MAX: usize = 32;

/// A program and all that it is given.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, all of it.
    pub environment: Vec<(&'static str, String)>,
    /// What it can read from its standard input.
    pub input: Vec<u8>,
}

pub(super) async fn attempt(
    probe: &ExecProbe,
    address: IpAddr,
    limit: Duration,
    means: &Means,
    turn: Option<OwnedSemaphorePermit>,
) -> Passed {
    if let Some(refusal) = means.permit.refusal_of_command(&probe.command) {
        return Err(Failure::Endpoint(refusal));
    }
    let ExecProbe { command, arguments, host } = probe.clone();
    let environment = vec![("CUTOVER_ADDRESS", address.to_string()), ("CUTOVER_HOST", host)];
    let command = Command { path: command, arguments, environment, input: Vec::new() };
    run_on_a_thread(command, limit, turn).await.map(|()| None)
}

/// Runs a command that the settings name, and waits until it has ended well; or says why not.
pub async fn run_command(command: Command, limit: Duration) -> Result<(), String> {
    let late = format!("{} can be neither started nor ended in time", command.path.display());
    let ended =
        timeout(limit.saturating_add(EXEC_GRACE), run_on_a_thread(command, limit, None)).await;
    let ended = ended.map_err(|_| late)?;
    ended.map_err(|(Failure::Endpoint(why) | Failure::Ours(why))| why)
}

async fn run_on_a_thread(
    command: Command,
    limit: Duration,
    turn: Option<OwnedSemaphorePermit>,
) -> Result<(), Failure> {
    let (told, result) = oneshot::channel();
    let run = move || {
        let result = run::to_its_end(&command, limit, &|| told.is_closed());
        drop(turn);
        // Nobody waits any longer when the try has run out of time, or is not wanted any more.
        let _ = told.send(result);
    };
    let thread = std::thread::Builder::new().name("command".to_owned()).spawn(run);
    thread.map_err(|error| Failure::Ours(format!("no thread for a command: {error}")))?;
    result.await.unwrap_or(Err(Failure::Ours("the thread of a command broke".to_owned())))
}

#[cfg(target_os = "linux")]
mod run {
    use std::{
        fs::File,
        io::{PipeReader, Read, Seek, Write, pipe},
        os::{
            fd::{AsFd, OwnedFd},
            unix::process::{CommandExt, ExitStatusExt},
        },
        process::{self, Child, ExitStatus, Stdio},
        time::{Duration, Instant},
    };

    use humantime::format_duration;
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        fs::{MemfdFlags, memfd_create},
        process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
        thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs},
    };

    use super::{super::Failure, Command};
    use crate::model::first_line;

    /// How much of its output is kept; the rest is read and forgotten.
    const OUTPUT_MAX: usize = 4096;
    const READ_LEN: usize = 1 << 16;

    /// How soon it is seen that nobody waits any more.
    const LOOK_EVERY: Duration = Duration::from_millis(200);

    /// Runs it on this thread, which is good for nothing else afterwards.
    pub(super) fn to_its_end(
        command: &Command,
        limit: Duration,
        is_unwanted: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        let path = command.path.display();
        let ours = |error: std::io::Error| Failure::Ours(format!("cannot run {path}: {error}"));
        if is_unwanted() {
            return Err(Failure::Ours(format!("{path} is not wanted any more")));
        }
        give_up_privileges().map_err(|error| ours(error.into()))?;
        let (reader, child) = start(command).map_err(ours)?;
        let mut running = Running { child, reader, output: Vec::new() };
        let status = running.wait(deadline, is_unwanted).map_err(ours)?;
        let said = first_line(&running.output);
        let said = if said.is_empty() { said } else { format!(": {said}") };
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::Endpoint(format!("{}{said}", told(status)))),
            None => {
                let limit = format_duration(limit);
                Err(Failure::Endpoint(format!("not done within {limit}, and killed{said}")))
            }
        }
    }

    fn told(status: ExitStatus) -> String {
        match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => status.to_string(),
        }
    }

    /// No program that this thread starts has capabilities, not even as root, nor gains any by a
    /// set-user-ID bit.
    fn give_up_privileges() -> rustix::io::Result<()> {
        set_no_new_privs(true)?;
        let none = CapabilitySet::empty();
        let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
        // Where nothing is left to give up, not even that may be allowed.
        if capabilities(None)? == none { Ok(()) } else { set_capabilities(None, none) }
    }

    fn start(command: &Command) -> std::io::Result<(PipeReader, Child)> {
        let Command { path, arguments, environment, input } = command;
        let (reader, writer) = pipe()?;
        let child = process::Command::new(path)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .process_group(0)
            .stdin(if input.is_empty() { Stdio::null() } else { stdin(input)? })
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()?;
        Ok((reader, child))
    }

    /// A file in memory: whether and when it is read is the command's business.
    fn stdin(input: &[u8]) -> std::io::Result<Stdio> {
        let mut file = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
        file.write_all(input)?;
        file.rewind()?;
        Ok(file.into())
    }

    struct Running {
        child: Child,
        reader: PipeReader,
        output: Vec<u8>,
    }

    impl Running {
        /// Until it has ended, its time is up, or nobody wants it; then nothing of its group is left.
        fn wait(
            &mut self,
            deadline: Instant,
            is_unwanted: &dyn Fn() -> bool,
        ) -> std::io::Result<Option<ExitStatus>> {
            let group = Pid::from_child(&self.child);
            let has_ended = pidfd_open(group, PidfdFlags::empty())
                .map_err(Into::into)
                .and_then(|ended| self.watch(&ended, deadline, is_unwanted));
            // As long as it is not waited for, its number is nobody else's.
            let _ = kill_process_group(group, Signal::KILL);
            // It may have gone to another group.
            let _ = self.child.kill();
            let status = self.child.wait()?;
            Ok(has_ended?.then_some(status))
        }

        /// True: it has ended; what it had said by then is read.
        fn watch(
            &mut self,
            ended: &OwnedFd,
            deadline: Instant,
            is_unwanted: &dyn Fn() -> bool,
        ) -> std::io::Result<bool> {
            let mut says_more = true;
            loop {
                let left = deadline.saturating_duration_since(Instant::now()).min(LOOK_EVERY);
                let timeout = Timespec {
                    tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: left.subsec_nanos().into(),
                };
                let reader = self.reader.as_fd();
                let mut polled = vec![PollFd::new(ended, PollFlags::IN)];
                if says_more {
                    polled.push(PollFd::from_borrowed_fd(reader, PollFlags::IN));
                }
                match poll(&mut polled, Some(&timeout)) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                }
                let is_there: Vec<bool> =
                    polled.iter().map(|it| !it.revents().is_empty()).collect();
                if is_there.get(1) == Some(&true) {
                    says_more = self.read()? > 0;
                }
                // As much as a pipe holds has been read: all that it said before it ended.
                if is_there[0] || Instant::now() >= deadline || is_unwanted() {
                    return Ok(is_there[0]);
                }
            }
        }

        fn read(&mut self) -> std::io::Result<usize> {
            let mut buffer = [0; READ_LEN];
            let len = self.reader.read(&mut buffer)?;
            let room = OUTPUT_MAX - self.output.len();
            self.output.extend_from_slice(&buffer[..len.min(room)]);
            Ok(len)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod run {
    use std::time::Duration;

    use super::{super::Failure, Command};

    pub(super) fn to_its_end(
        _: &Command,
        _: Duration,
        _: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        Err(Failure::Ours("commands of probes and hooks are run on Linux only".to_owned()))
    }
}
