//! What it costs to keep: one change of phase, a first start with many services, and reading them
//! again. Prints; `cargo bench --bench store`.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use cutover::{
    cutover::{Side, Snapshot, Stage},
    model::{
        DnsName, Endpoint, FailPolicy, Pass, Pool, PoolName, ProbeKind, ProbeSetting, ProbeSpec,
        ReleasePolicy, ServiceName, ServiceSpec, Spread, TcpProbe, Weight,
    },
    store::{self, Batch, Kept, Store},
};

const SAMPLES: usize = 200;
const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    let zone: DnsName = "zone.test".parse().expect("a name");
    // Beside the sources: a scratch folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder");
    println!("fsync of 4 KiB: median {:?}", median(|| synced(folder.path())));
    for size in SIZES {
        let path = folder.path().join(format!("{size}.redb"));
        let mut services: Vec<_> = (0..size).map(|number| service(number, &zone)).collect();
        // As the conductor has them.
        services.sort_by(|a, b| a.0.cmp(&b.0));
        let one = Batch { services: vec![services[0].clone()], ..Batch::default() };
        let all = Batch { services, ..Batch::default() };
        let begun = Instant::now();
        let store = Store::open(&path, &zone).expect("a new file");
        store.write(&all).expect("written");
        println!("{size} services: kept at a first start in {:?}", begun.elapsed());
        let again = median(|| {
            let begun = Instant::now();
            store.write(&one).expect("written");
            begun.elapsed()
        });
        let octets = fs::metadata(&path).expect("there").len();
        println!(
            "   one of them again: median {again:?}; {} octets each",
            octets / u64::from(size)
        );
        drop(store);
        let begun = Instant::now();
        drop(Store::open(&path, &zone).expect("good"));
        println!("   opened for writing and closed: {:?}", begun.elapsed());
        let begun = Instant::now();
        let found = store::look(&path, &zone).expect("good").expect("there");
        assert_eq!(found.services.len(), all.services.len());
        println!("   checked and read, as at a start: {:?}", begun.elapsed());
    }
}

fn median(mut sample: impl FnMut() -> Duration) -> Duration {
    let mut samples: Vec<Duration> = (0..SAMPLES).map(|_| sample()).collect();
    samples.sort();
    samples[SAMPLES / 2]
}

fn synced(folder: &Path) -> Duration {
    let mut file = File::create(folder.join("probe")).expect("writable");
    let begun = Instant::now();
    file.write_all(&[1; 4_096]).expect("written");
    file.sync_data().expect("synced");
    begun.elapsed()
}

/// Two pools of three endpoints, a probe.
fn service(number: u32, zone: &DnsName) -> (ServiceName, Kept) {
    let name: ServiceName = format!("service-{number}").parse().expect("a name");
    let pool = |version: u32| {
        let endpoint = |host: u32| {
            let address = Ipv4Addr::from_bits(0x0a00_0000 | (number * 6 + version * 3 + host));
            Endpoint::new(address.into(), Weight::ONE).expect("a host")
        };
        let name: PoolName = format!("v{version}").parse().expect("a name");
        (name.clone(), Arc::new(Pool::new(name, (0..3).map(endpoint).collect())))
    };
    let pools = BTreeMap::from([pool(0), pool(1)]);
    let live = pools.values().next().expect("two").clone();
    let spec = ServiceSpec {
        name: name.clone(),
        owner: DnsName::within(name.as_str(), zone).expect("a name"),
        live: live.name.clone().into(),
        spread: Spread::default(),
        ttl: ServiceSpec::TTL,
        pools,
        kinds: Default::default(),
        probe: ProbeSetting::On(Arc::new(ProbeSpec {
            checks: vec![ProbeKind::Tcp(TcpProbe { port: 8080 }).into()],
            pass: Pass::All,
            interval: ProbeSpec::INTERVAL,
            timeout: ProbeSpec::TIMEOUT,
            rise: ProbeSpec::RISE,
            fall: ProbeSpec::FALL,
            jitter: ProbeSpec::JITTER,
        })),
        fail_policy: FailPolicy::default(),
        release: ReleasePolicy::default(),
    };
    let given = BTreeMap::from([(live.name.clone(), spec.ttl)]);
    let serving = Side::new([(live, Weight::ONE)]).expect("a pool");
    let stage = Stage::Steady { serving, previous: None };
    let snapshot = Snapshot {
        spec: Arc::new(spec),
        orphaned: false,
        releases: 0,
        last_step: None,
        last_swap: None,
        stage,
    };
    (name, Kept { snapshot, given, horizons: BTreeMap::new() })
}
