//! `cutover check --delegation`: whether the parent zone leads clients to us.
//!
//! What is asked stands in `walk`; what the answers mean, in the module `delegation`.

mod walk;

use std::{
    io::{self, Write},
    net::SocketAddr,
    str::FromStr,
};

use hickory_proto::rr::Name;
use serde::Serialize;

use crate::{
    delegation::{self, Finding, Level, ParentSeen, Says, Seen, ServerSeen, text},
    model::{DNS_PORT, ZoneSpec, dns_server},
    table::to_hickory,
};

// Clap tells groups apart by the names of their types, and the verb has `Options` too.
#[derive(Debug, clap::Args)]
#[group(id = "asked")]
pub(super) struct Options {
    /// Ask the parent zone's name servers, and ours, and show what is wrong with the delegation.
    ///
    /// Asks by DNS from here. Each question may take 3 seconds; they are asked at once where that is
    /// possible. Exits 1 if there is an error; a warning is none.
    #[arg(long)]
    pub(super) delegation: bool,
    /// A name server of the parent zone; several by giving it again. Without it they are looked up.
    #[arg(long, value_name = "ADDR[:PORT]", requires = "delegation")]
    parent: Vec<Server>,
    /// The resolver that looks names up [default: those in /etc/resolv.conf].
    #[arg(long, value_name = "ADDR[:PORT]", requires = "delegation")]
    resolver: Vec<Server>,
    /// The port at which our own name servers are asked.
    #[arg(long, value_name = "PORT", default_value_t = DNS_PORT, requires = "delegation")]
    port: u16,
}

/// An address, with a port or the usual one.
#[derive(Clone, Copy, Debug)]
struct Server(SocketAddr);

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        dns_server(text).map(Self).ok_or_else(|| {
            "not an address, such as 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53".to_owned()
        })
    }
}

/// What is said of the delegation.
#[derive(Serialize)]
pub(super) struct Report {
    zone: String,
    /// The parent zone, if that is known.
    parent: Option<String>,
    parents: Vec<ParentLine>,
    servers: Vec<ServerLine>,
    findings: Vec<FindingLine>,
}

#[derive(Serialize)]
struct ParentLine {
    server: SocketAddr,
    says: String,
}

#[derive(Serialize)]
struct ServerLine {
    name: String,
    server: SocketAddr,
    /// Of the zone, if it answers for it.
    serial: Option<u32>,
    udp: bool,
    tcp: bool,
}

#[derive(Serialize)]
struct FindingLine {
    /// `error` or `warning`.
    level: String,
    code: &'static str,
    what: String,
    at: Vec<SocketAddr>,
    advice: String,
}

/// Asks, and judges.
pub(super) async fn report(zone: &ZoneSpec, options: &Options) -> Report {
    let seen = walk::walk(zone, options).await;
    let findings = delegation::judge(zone, &seen).into_iter().map(FindingLine::of).collect();
    let apex = to_hickory(&zone.apex);
    let Seen { parent, parents, servers, .. } = &seen;
    Report {
        zone: zone.apex.to_string(),
        parent: parent.as_ref().map(text),
        parents: parents.iter().map(|seen| ParentLine::of(seen, &apex)).collect(),
        servers: servers.iter().map(|seen| ServerLine::of(seen, &apex)).collect(),
        findings,
    }
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.count(Level::Error) == 0
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level.to_string()).count()
    }

    pub(super) fn as_text(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { zone, parent, parents, servers, findings } = self;
        let parent = parent.as_deref().unwrap_or("its parent zone");
        writeln!(out, "\ndelegation of {zone} by {parent}")?;
        for ParentLine { server, says } in parents {
            writeln!(out, "  parent  {server}  {says}")?;
        }
        for ServerLine { name, server, serial, udp, tcp } in servers {
            let by = match (udp, tcp) {
                (true, true) => "answers by UDP and TCP",
                (true, false) => "answers by UDP alone",
                (false, true) => "answers by TCP alone",
                (false, false) => "does not answer",
            };
            let serial = serial.map_or(String::new(), |serial| format!(", serial {serial}"));
            writeln!(out, "  server  {server}  {name} {by}{serial}")?;
        }
        for FindingLine { level, code, what, at, advice } in findings {
            writeln!(out, "\n{level}: {what} [{code}]")?;
            if !at.is_empty() {
                let at: Vec<String> = at.iter().map(SocketAddr::to_string).collect();
                writeln!(out, "  at: {}", at.join(", "))?;
            }
            writeln!(out, "  do: {advice}")?;
        }
        let [errors, warnings] = [Level::Error, Level::Warning].map(|level| self.count(level));
        match errors + warnings {
            0 => writeln!(out, "\nthe delegation is good"),
            _ => writeln!(out, "\nerrors: {errors}, warnings: {warnings}"),
        }
    }
}

impl ParentLine {
    fn of(seen: &ParentSeen, apex: &Name) -> Self {
        let says = match Says::read(apex, &seen.referral) {
            Says::Refers(referral) => {
                let names: Vec<String> = referral.nameservers.iter().map(text).collect();
                format!("delegates to {}", names.join(", "))
            }
            Says::Silent(why) => why,
            _ => "does not delegate".to_owned(),
        };
        Self { server: seen.server, says }
    }
}

impl ServerLine {
    fn of(seen: &ServerSeen, apex: &Name) -> Self {
        Self {
            name: text(&seen.name),
            server: seen.server,
            serial: delegation::serial(seen, apex),
            udp: seen.udp.is_ok(),
            tcp: seen.tcp.is_ok(),
        }
    }
}

impl FindingLine {
    fn of(Finding { level, code, what, at, advice }: Finding) -> Self {
        Self { level: level.to_string(), code, what, at, advice }
    }
}
