//! What ten watchers of the page cost the daemon, with a thousand services of which eight are being
//! released: CPU time of this process with them against without, in parts of a core. They read in this
//! process too, so it is rather more than the daemon alone takes.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::common::{crowd, pools::Pools};

const SERVICES: usize = 1000;
const WATCHERS: usize = 10;
const MEASURED: Duration = Duration::from_secs(15);
const ROUNDS: usize = 7;

pub(crate) async fn ten() {
    let pools = Pools::start().await;
    let house = crowd::start(SERVICES, &pools).await;
    let asking = crowd::ask(&house);
    let http = house.daemon.http();
    for (what, paths) in [
        ("the page of all services", vec!["/live".to_owned(); WATCHERS]),
        (
            "a page of one service each",
            (0..WATCHERS).map(|number| format!("/live?service=s{number:04}")).collect(),
        ),
    ] {
        let (mut more, mut octets_each) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let without = measured().await;
            let octets = Arc::new(AtomicU64::new(0));
            let watch = |path: &String| tokio::spawn(watch(http, path.clone(), octets.clone()));
            let watching: Vec<_> = paths.iter().map(watch).collect();
            // Each is sent all of it at first, a second's budget at a time.
            sleep(Duration::from_secs(25)).await;
            let before = octets.load(Ordering::Relaxed);
            more.push((measured().await - without) * 100.0);
            let sent = octets.load(Ordering::Relaxed) - before;
            octets_each = sent / WATCHERS as u64 / MEASURED.as_secs();
            watching.iter().for_each(|task| task.abort());
        }
        more.sort_by(f64::total_cmp);
        println!(
            "{WATCHERS} watch {what}: {:.2} % of a core more (median of {more:.2?}), {octets_each} octets a second \
             each",
            more[ROUNDS / 2]
        );
    }
    asking.abort();
}

async fn watch(http: SocketAddr, path: String, octets: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(http).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {http}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
        octets.fetch_add(len as u64, Ordering::Relaxed);
    }
}

/// Which part of a core this process takes.
async fn measured() -> f64 {
    let (begun, before) = (Instant::now(), cpu_time());
    sleep(MEASURED).await;
    (cpu_time() - before).as_secs_f64() / begun.elapsed().as_secs_f64()
}

/// Of all threads of this process.
fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.filter_map(|task| {
        let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
