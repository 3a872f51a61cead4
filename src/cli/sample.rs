//! `cutover sample`: which pool clients would be given.

use std::{
    io::{self, Write},
    net::IpAddr,
    path::Path,
    process::ExitCode,
};

use super::{Form, order::socket, progress, write_json};
use crate::{
    admin::sample::{self, CLIENTS_MAX, Clients, Sample},
    config,
    model::ServiceName,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The service, as the release file names it.
    service: ServiceName,
    /// How many made-up clients to try, spread evenly over IPv4 and IPv6 networks.
    #[arg(
        long, value_name = "N", default_value = "100000",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(CLIENTS_MAX))
    )]
    clients: u32,
    /// Which of them: the same number always gives the same clients.
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// These clients instead: addresses of resolvers, or of the clients that they speak for.
    #[arg(
        long, value_name = "ADDRESS", num_args = 1.., conflicts_with_all = ["clients", "seed"]
    )]
    client: Vec<IpAddr>,
    #[command(flatten)]
    output: super::Output,
}

pub(super) async fn run(
    path: &Path,
    options: Options,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let socket = socket(&config::load_settings_alone(path)?)?;
    let Options { service, clients, seed, client, output } = options;
    let clients = match client.is_empty() {
        true => Clients::Synthetic { count: clients, seed },
        false => Clients::Listed(client),
    };
    let asked = sample::ask(&socket, service.as_str(), &clients);
    let sample = progress::during("asking which pools they are given", asked).await?;
    match output.form {
        Form::Text => tell(&service, &clients, &sample, out)?,
        Form::Json => write_json(&sample, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(
    service: &ServiceName,
    clients: &Clients,
    sample: &Sample,
    out: &mut impl Write,
) -> io::Result<()> {
    for client in &sample.clients {
        writeln!(out, "{} (as all of {}): {}", client.address, client.network, client.pool)?;
    }
    if sample.spread == "random" {
        writeln!(out, "each question draws anew (spread = \"random\"); this is one draw")?;
    }
    let Clients::Synthetic { count, seed } = clients else { return Ok(()) };
    writeln!(out, "{service}  {}  {count} made-up clients, seed {seed}", sample.phase)?;
    let width = sample.pools.keys().map(String::len).max().unwrap_or(0).max("pool".len());
    writeln!(out, "{:<width$}   target    given  clients", "pool")?;
    for (name, pool) in &sample.pools {
        let (target, share, clients) = (pool.target, pool.share, pool.clients);
        writeln!(out, "{name:<width$}  {target:>5} %  {share:>5.2} %  {clients:>7}")?;
    }
    Ok(())
}
