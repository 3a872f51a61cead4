//! `cutover demo`: the real daemon, two pools of small HTTP endpoints, and a release file to
//! edit, all in this process on loopback.
//!
//! [`stage`] sets it up, [`live`] shows what is answered while a person edits the file,
//! [`story`] plays a release that goes wrong and checks every step by asking.

mod endpoints;
mod live;
mod stage;
mod story;

use std::{io::Write, net::SocketAddr, process::ExitCode};

use stage::Stage;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Play the story without a person; exit 0 only if every step was seen in DNS answers.
    #[arg(long)]
    auto: bool,
    /// Where questions are answered.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5300")]
    dns: SocketAddr,
    /// Where metrics and status are shown.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9353")]
    http: SocketAddr,
}

pub(super) async fn run(options: Options, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let stage = Stage::build(options.dns, options.http).await?;
    let ended = match options.auto {
        true => story::play(&stage, out).await,
        false => live::watch(&stage, out).await,
    };
    stage.strike().await;
    ended.map(|()| ExitCode::SUCCESS)
}
