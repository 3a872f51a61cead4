//! Probes against servers that others wrote: nginx and NSD, from Debian's packages. One that is not
//! installed is said to be skipped: `apt-get install nginx nsd`, and run
//! `cargo test --test parts`.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use cutover::{
    config::{load_settings, release},
    model::{Outside, Permit},
    probe::{Means, run_once},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// An address of the tests here alone, so that nobody takes a port of it that was free a moment ago.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 83, 53));
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The path of a program, or a word about what is left out without it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(more).map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(io::stderr(), "skipped: {name} is not installed");
    }
    found
}

/// Free for TCP and UDP a moment ago.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((HERE, 0)).expect("a port");
        let port = tcp.local_addr().expect("bound").port();
        if UdpSocket::bind((HERE, port)).is_ok() {
            return port;
        }
    }
}

/// A running server; ends with this.
struct Server {
    child: Child,
    folder: TempDir,
}

impl Server {
    /// Waits until somebody listens on `port`.
    fn start(folder: TempDir, command: &mut Command, port: u16) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let error = log.try_clone().expect("a descriptor");
        let child =
            command.stdin(Stdio::null()).stdout(log).stderr(error).spawn().expect("it runs");
        let mut server = Self { child, folder };
        let begun = Instant::now();
        while TcpStream::connect(SocketAddr::from((HERE, port))).is_err() {
            let ended = server.child.try_wait().expect("a child");
            let said = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {said}");
            sleep(LOOK_EVERY);
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It ends what it has started, too.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// What one try by a probe, as the release file has it, says.
async fn tried(probe: &str) -> Result<Option<String>, String> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cutover.toml");
    let zone = load_settings(&example).expect("the example loads").zone;
    let file = format!(
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"{HERE}\"]\n{probe}\n"
    );
    let desired =
        release::parse(Path::new("release.toml"), &file, &zone, &Outside::default()).expect("good");
    let service = desired.services.values().next().expect("one");
    let spec = service.probe.spec().expect("a probe");
    let tried = run_once(spec, HERE, &Means::new(Permit::default())).await;
    let outcome = tried.outcome.expect("nothing is lacking here");
    outcome.result.map(|()| outcome.warning)
}

async fn assert_passes(probe: &str) {
    assert_eq!(tried(probe).await, Ok(None), "{probe}");
}

async fn assert_fails(probe: &str, why: &str) {
    let reason = tried(probe).await.expect_err(probe);
    assert!(reason.contains(why), "{probe}: {reason:?} instead of {why:?}");
}

/// nginx with two names on one address, each with a certificate of its own, and the signer of both.
fn nginx(program: &Path) -> (Server, u16, u16, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, secured, root) = (free_port(), free_port(), folder.path().to_owned());
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let signer = CertifiedIssuer::self_signed(params, key).expect("signed");
    let ca = root.join("ca.pem");
    fs::write(&ca, signer.pem()).expect("written");
    let mut servers = String::new();
    for (name, says) in [("default.test", "which one?"), ("api.test", "api is ready")] {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &signer).expect("signed");
        fs::write(root.join(format!("{name}.pem")), certificate.pem()).expect("written");
        fs::write(root.join(format!("{name}.key")), key.serialize_pem()).expect("written");
        servers.push_str(&format!(
            "server {{ listen {HERE}:{plain}; listen {HERE}:{secured} ssl http2;
               server_name {name}; ssl_certificate {name}.pem; ssl_certificate_key {name}.key;
               location = /healthz {{ return 200 \"{says}\"; }}
               location / {{ return 301 http://elsewhere.test/; }} }}\n"
        ));
    }
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {}/{what};\n", root.display()))
        .concat();
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log stderr;
         events {{}}\nhttp {{ access_log off;\n{temporary}{servers}}}\n",
        root.display()
    );
    fs::write(root.join("nginx.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("-p").arg(&root).arg("-c").arg(root.join("nginx.conf"));
    (Server::start(folder, &mut command, secured), plain, secured, ca)
}

#[tokio::test]
async fn nginx_is_probed_over_http_and_https_with_both_versions_and_by_name() {
    let Some(program) = program("nginx") else { return };
    let (_server, plain, secured, ca) = nginx(&program);
    let ca = ca.display();
    let http = format!("port = {plain}, host = \"api.test\", path = \"/healthz\"");
    assert_passes(&format!("probe.http = {{ {http}, body = \"api is ready\" }}")).await;
    assert_passes(&format!("probe.http = {{ {http}, method = \"HEAD\" }}")).await;
    let moved = http.replace("/healthz", "/");
    let moved = format!("probe.http = {{ {moved} }}");
    assert_fails(&moved, "status 301, expected 200").await;
    for more in ["http2 = false", "http2 = true"] {
        let https = format!(
            "port = {secured}, host = \"api.test\", path = \"/healthz\", ca = \"{ca}\", {more}"
        );
        let probe = format!("probe.https = {{ {https}, body_regex = '^api (is|was) ready$' }}");
        assert_passes(&probe).await;
        // The name of the certificate, and who answers, hang on what is asked for by SNI.
        let other = format!("probe.https = {{ {https}, server_name = \"www.test\" }}");
        assert_fails(&other, "no TLS with www.test").await;
    }
    assert_passes(&format!(
        "probe.tls = {{ port = {secured}, server_name = \"default.test\", ca = \"{ca}\" }}"
    ))
    .await;
    assert_fails(
        &format!("probe.tls = {{ port = {plain}, server_name = \"api.test\", ca = \"{ca}\" }}"),
        "no TLS with api.test",
    )
    .await;
}

#[tokio::test]
async fn nsd_is_probed_by_udp_and_tcp() {
    let Some(program) = program("nsd") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (port, root) = (free_port(), folder.path().display().to_string());
    let zone = "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n\
                @ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\nwww A 192.0.2.2\ntxt TXT \"a b\"\n";
    fs::write(folder.path().join("zone"), zone).expect("written");
    let config = format!(
        "server:\n ip-address: {HERE}@{port}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{root}\"\n \
         pidfile: \"{root}/pid\"\n database: \"\"\n xfrdfile: \"{root}/xfrd\"\n \
         zonelistfile: \"{root}/zones\"\n server-count: 1\n\
         remote-control:\n control-enable: no\n\
         zone:\n name: example.test\n zonefile: zone\n"
    );
    fs::write(folder.path().join("nsd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.path().join("nsd.conf"));
    let _server = Server::start(folder, &mut command, port);
    for by in ["false", "true"] {
        let dns = |more: &str| format!("probe.dns = {{ port = {port}, tcp = {by}, {more} }}");
        assert_passes(&dns("name = \"example.test\"")).await;
        assert_passes(&dns("name = \"www.example.test\", type = \"A\", data = \"192.0.2.2\""))
            .await;
        assert_passes(&dns("name = \"none.example.test\", rcode = \"NXDOMAIN\"")).await;
        assert_passes(&dns("name = \"elsewhere.test\", rcode = \"REFUSED\"")).await;
        let absent = dns("name = \"www.example.test\", type = \"A\", data = \"192.0.2.3\"");
        assert_fails(&absent, "192.0.2.1, 192.0.2.2 in its answer, expected 192.0.2.3").await;
        let none = dns("name = \"txt.example.test\", type = \"A\", data = \"192.0.2.1\"");
        assert_fails(&none, "no A in its answer").await;
        assert_passes(&dns(r#"name = "txt.example.test", type = "TXT", data = "a b""#)).await;
    }
}
