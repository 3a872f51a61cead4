//! Load balancers in front of a release: HAProxy, which takes its servers and their weights from SRV
//! records, and nginx, which asks for addresses again while it runs.

use std::{net::SocketAddr, path::Path, process::Command};

use cutover::{admin::orders, cutover::Verb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    HERE, PATIENCE,
    common::{House, pools::Pools},
    pause,
    server::{Server, free_port, program},
};

const REQUESTS: usize = 2_000;
/// In which it is looked whether a balancer has followed already.
const LOOK: usize = 200;

/// Counts requests to a balancer, none of which may fail.
struct Traffic<'p> {
    balancer: SocketAddr,
    pools: &'p Pools,
}

impl Traffic<'_> {
    /// Whether the new pool has answered; nothing if nobody has.
    async fn request(&self) -> Option<bool> {
        let mut stream = TcpStream::connect(self.balancer).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\nHost: api.zone.test\r\n\r\n").await.ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.ok()?;
        let host = reply.lines().find_map(|line| line.strip_prefix("x-host: "))?.parse().ok()?;
        (reply.split(' ').nth(1) == Some("200")).then(|| self.pools.v2.contains(&host))
    }

    /// How many percent of so many requests the new pool has answered.
    async fn share(&self, requests: usize) -> f64 {
        let mut by_new = 0;
        for number in 0..requests {
            let answered = self.request().await;
            by_new += usize::from(answered.unwrap_or_else(|| panic!("request {number} failed")));
        }
        by_new as f64 * 100.0 / requests as f64
    }

    /// Waits until the new pool has about a share, and then sees that it has it.
    async fn until_share(&self, percent: f64) {
        let is_near = |share: f64| (share - percent).abs() <= 3.0;
        let begun = std::time::Instant::now();
        loop {
            let share = self.share(LOOK).await;
            if is_near(share) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{share} % instead of {percent} %");
        }
        let share = self.share(REQUESTS).await;
        assert!(is_near(share), "{share} % of {REQUESTS} instead of {percent} %");
    }

    async fn until_answered(&self) {
        let begun = std::time::Instant::now();
        while self.request().await.is_none() {
            assert!(begun.elapsed() < PATIENCE, "nobody answers");
            pause().await;
        }
    }
}

async fn haproxy(program: &Path, dns: SocketAddr) -> (Server, SocketAddr) {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let config = format!(
        "defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
resolvers cutover
  nameserver one {dns}
  accepted_payload_size 1232
  timeout resolve 100ms
  timeout retry 200ms
  hold valid 100ms
  hold obsolete 0s
frontend web
  bind {HERE}:{port}
  default_backend api
backend api
  balance roundrobin
  server-template web 10 _http._tcp.api.zone.test resolvers cutover check inter 200ms init-addr none
"
    );
    let path = folder.path().join("haproxy.cfg");
    std::fs::write(&path, config).expect("written");
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&path);
    (Server::start(folder, &mut command, port).await, (HERE, port).into())
}

/// A file of two pools that load balancers are told.
fn file(pools: &Pools, live: &str) -> String {
    let more = "ramp = [{ share = \"10%\", bake = \"1h\" }, { share = \"50%\", bake = \"1h\" }]\nbake = \"1h\"";
    let file = pools.file(live, more);
    let port = format!("]\nport = {}\n[services", pools.port);
    file.replace("]\n[services", &port).replace("ttl =", "srv = [\"_http._tcp\"]\nttl =")
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_follows_a_ramp_by_the_weights_of_srv_records() {
    let Some(program) = program("haproxy") else { return };
    let pools = Pools::start().await;
    let (house, socket) = House::start_with_admin(&file(&pools, "v1")).await;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
    let (_server, balancer) = haproxy(&program, house.daemon.dns()[0]).await;
    let traffic = Traffic { balancer, pools: &pools };
    traffic.until_answered().await;
    traffic.until_share(0.0).await;
    house.save(&file(&pools, "v2"));
    for share in [10, 50, 100] {
        house
            .until("the step", |status| status.services["api"].serving.get("v2") == Some(&share))
            .await;
        traffic.until_share(share.into()).await;
        if share < 100 {
            promote(&socket).await;
        }
    }
}

async fn promote(socket: &Path) {
    let said = orders::ask(socket, "api", Verb::Promote, &[]).await;
    said.unwrap_or_else(|error| panic!("{error}"));
}

/// nginx that asks for the addresses of the service each second.
async fn nginx(program: &Path, dns: SocketAddr, upstream: u16) -> (Server, SocketAddr) {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let root = folder.path().display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {root}/{what};\n"))
        .concat();
    let config = format!(
        "daemon off; master_process off; pid {root}/pid; error_log stderr;
         events {{}}
         http {{ access_log off;
         {temporary}
         resolver {dns} valid=1s ipv6=off;
         server {{ listen {HERE}:{port};
           set $api api.zone.test;
           location / {{ proxy_pass http://$api:{upstream}; }} }} }}\n"
    );
    let path = folder.path().join("nginx.conf");
    std::fs::write(&path, config).expect("written");
    let mut command = Command::new(program);
    command.arg("-p").arg(folder.path()).arg("-c").arg(&path);
    (Server::start(folder, &mut command, port).await, (HERE, port).into())
}

/// One client, as clients are told apart: it moves whole.
#[tokio::test(flavor = "multi_thread")]
async fn nginx_moves_with_the_addresses() {
    let Some(program) = program("nginx") else { return };
    let pools = Pools::start().await;
    let house = House::start(&pools.file("v1", "bake = \"0s\"")).await;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
    let (_server, balancer) = nginx(&program, house.daemon.dns()[0], pools.port).await;
    let traffic = Traffic { balancer, pools: &pools };
    traffic.until_answered().await;
    traffic.until_share(0.0).await;
    house.save(&pools.file("v2", "bake = \"0s\""));
    traffic.until_share(100.0).await;
}
