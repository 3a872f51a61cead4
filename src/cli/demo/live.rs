//! Shows what is answered, while a person edits the release file.

use std::{io::Write, time::Duration};

use super::stage::Stage;

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn watch(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    introduce(stage, out)?;
    let mut shown = String::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            ended = tokio::signal::ctrl_c() => {
                ended?;
                writeln!(out, "\nended; the scratch folder is removed")?;
                return Ok(());
            }
        }
        let now = line(stage).await?;
        if now != shown {
            let time = std::time::SystemTime::now();
            writeln!(out, "{}  {now}", humantime::format_rfc3339_seconds(time))?;
            shown = now;
        }
    }
}

/// One line of what a client is answered, and why.
async fn line(stage: &Stage) -> anyhow::Result<String> {
    let addresses = stage.answered().await?;
    let status = stage.status().await?;
    let version = stage.version_of(&addresses);
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut line =
        format!("{} = {version} ({})  {}", stage.owner, addresses.join(" "), status.phase);
    if let Some(reason) = status.release.and_then(|release| release.reason) {
        line.push_str(&format!(": {reason}"));
    }
    let refused = stage.daemon.inquiry().status().await.filter(|status| !status.file.accepted);
    if let Some(error) = refused.and_then(|status| status.file.errors.into_iter().next()) {
        line.push_str(&format!("  [file refused, line {}: {}]", error.line, error.message));
    }
    Ok(line)
}

fn introduce(stage: &Stage, out: &mut impl Write) -> anyhow::Result<()> {
    let dns = stage.dns()?;
    let port = stage.endpoints.port;
    let new = &stage.endpoints.new;
    writeln!(
        out,
        "A zone, two versions of a service, and a release file, all on this machine.

  release it   edit {path}
               change  live = \"v1\"  to  live = \"v2\"  and save
  ask it       dig @{ip} -p {dns_port} {owner} A
  break it     curl -X POST http://{address}:{port}/break    (v2; /heal to mend it)
  look at it   http://{http}/ in a browser, or with curl; /status, /metrics
  end it       Ctrl-C

What clients are answered, whenever it changes:
",
        path = stage.release_path().display(),
        ip = dns.ip(),
        dns_port = dns.port(),
        owner = stage.owner,
        address = new.addresses[0],
        http = stage.daemon.http(),
    )?;
    Ok(())
}
