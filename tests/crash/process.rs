//! The real binary, and the moment at which it dies.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use cutover::{
    daemon::failpoint::{Place, VARIABLE},
    model::Timestamp,
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::{common::PATIENCE, now};

/// Where it kills itself, and which time it comes by.
pub(crate) type End = (Place, u64);

/// A daemon; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: UnboundedReceiver<String>,
    pub(crate) log: Vec<String>,
    /// Just before it was started.
    pub(crate) begun: Instant,
    pub(crate) begun_at: Timestamp,
}

/// Where it answers.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) dns: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Process {
    pub(crate) fn start(settings: &Path, end: Option<End>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["serve", "--config"]).arg(settings).stderr(Stdio::piped());
        command.env_remove(VARIABLE);
        if let Some((place, time)) = end {
            command.env(VARIABLE, format!("{}:{time}", place.name()));
        }
        let (begun, begun_at) = (Instant::now(), now());
        let mut child = command.spawn().expect("starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (send, lines) = unbounded_channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines, log: Vec::new(), begun, begun_at }
    }

    /// Waits until it answers, and says where; nothing if it dies before.
    pub(crate) async fn until_answers(&mut self) -> Option<Addresses> {
        loop {
            let line = timeout(PATIENCE, self.lines.recv()).await;
            let line = line.unwrap_or_else(|_| panic!("does not answer: {:#?}", self.log))?;
            self.log.push(line.clone());
            if line.contains(": answering zone=") {
                return Some(Addresses {
                    dns: address(&line, "dns=["),
                    http: address(&line, "http="),
                });
            }
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("ours").is_some()
    }

    /// Waits until it has ended, however that comes about.
    async fn ended(&mut self) {
        while let Some(line) = self.lines.recv().await {
            self.log.push(line);
        }
    }

    /// Ends it here and now; says whether it had not ended already.
    pub(crate) async fn kill(&mut self) -> bool {
        let was_alive = !self.has_ended();
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
        self.ended().await;
        was_alive
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(line: &str, before: &str) -> SocketAddr {
    let rest = line.split(before).nth(1).expect("an address");
    let text = rest.split([',', ']', ' ']).next().expect("an address");
    text.trim().parse().unwrap_or_else(|error| panic!("{error}: {line}"))
}
