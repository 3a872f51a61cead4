//! What it costs to probe 10,000 endpoints every five seconds: CPU time of the thread that does it, in
//! parts of a core. The endpoints are one server in another thread.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cutover::{
    config::release,
    model::{Outside, Permit, ProbeSpec},
    probe::{Assignment, Means, Prober, Tried},
};
use prometheus::Registry;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Builder,
    sync::mpsc,
    time::sleep,
};

const SERVICES: u8 = 40;
const ENDPOINTS_EACH: u8 = 250;
const WARM_UP: Duration = Duration::from_secs(7);
const MEASURED: Duration = Duration::from_secs(20);

pub(crate) fn ten_thousand() {
    let (told, port) = std::sync::mpsc::channel();
    thread::spawn(move || on_this_thread(endpoints(told)));
    let port: u16 = port.recv().expect("it listens");
    for kind in [format!("tcp = {{ port = {port} }}"), format!("http = {{ port = {port} }}")] {
        let spec = probe(&kind);
        let measured = thread::spawn(move || on_this_thread(probed(spec)));
        let (tries, cpu, passed) = measured.join().expect("no panic");
        let core = cpu.as_secs_f64() / passed.as_secs_f64();
        println!("{kind}: {tries} tries in {passed:.1?}, {:.1} % of a core", core * 100.0);
    }
}

/// As the release file has it.
fn probe(kind: &str) -> ProbeSpec {
    let file = format!(
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"127.0.0.1\"]\n\
         probe = {{ {kind}, interval = \"5s\" }}\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let zone = crate::common::settings(folder.path(), "127.0.0.1").zones;
    let desired =
        release::parse(Path::new("release.toml"), &file, &zone, &Outside::default()).expect("good");
    let service = desired.services.values().next().expect("one");
    ProbeSpec::clone(service.probe.spec().expect("a probe"))
}

fn on_this_thread<T>(what: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(what)
}

/// Answers everybody at any address of loopback.
async fn endpoints(told: std::sync::mpsc::Sender<u16>) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("a port");
    told.send(listener.local_addr().expect("bound").port()).expect("somebody waits");
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let mut request = [0; 512];
            if stream.read(&mut request).await.is_ok_and(|len| len > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        });
    }
}

async fn probed(spec: ProbeSpec) -> (usize, Duration, Duration) {
    let means = Arc::new(Means::new(Permit::default()));
    let prober = Prober::register(means, &Registry::new()).expect("a registry of its own");
    let (assignments, assigned) = mpsc::unbounded_channel();
    let (tried, mut ended) = mpsc::channel::<Tried>(1024);
    tokio::spawn(prober.run(assigned, tried));
    let spec = Arc::new(spec);
    for service in 0..SERVICES {
        let address = |host| IpAddr::from([127, 20, service, host]);
        let addresses: BTreeSet<IpAddr> = (0..ENDPOINTS_EACH).map(address).collect();
        let (service, spec) = (format!("s{service}").parse().expect("a name"), Some(spec.clone()));
        let assignment = Assignment { service, spec, addresses, awaited: BTreeSet::new() };
        assignments.send(assignment).expect("somebody probes");
    }
    let mut tries = 0;
    let warm = sleep(WARM_UP);
    tokio::pin!(warm);
    while let Some(tried) = tokio::select! { it = ended.recv() => it, () = &mut warm => None } {
        assert_eq!(tried.outcome.map(|outcome| outcome.result), Ok(Ok(())));
    }
    let (begun, before) = (Instant::now(), cpu_time());
    let end = sleep(MEASURED);
    tokio::pin!(end);
    while let Some(tried) = tokio::select! { it = ended.recv() => it, () = &mut end => None } {
        assert_eq!(tried.outcome.map(|outcome| outcome.result), Ok(Ok(())));
        tries += 1;
    }
    (tries, cpu_time() - before, begun.elapsed())
}

/// That this thread has used.
fn cpu_time() -> Duration {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = schedstat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds"))
}
