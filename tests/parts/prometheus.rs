//! A Prometheus that scrapes what the test says, and numbers of the test for it to scrape: what is to be
//! tried against a real one stands on this.
//!
//! ```text
//! let errors = Exporter::start(&[("errors_ratio", 0.01)]).await;
//! let targets: [(&str, &[_]); 1] = [(&errors.target(), &[("pool", "v42")])];
//! let Some(prometheus) = Prometheus::start(Duration::from_millis(200), &targets).await else { return };
//! prometheus.wait_for(r#"errors_ratio{pool="v42"}"#, |values| values == [0.01]).await;
//! errors.set("errors_ratio", 0.5);
//! ```

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, http::header::CONNECTION, routing::get};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
};

use super::{
    HERE, PATIENCE, pause,
    server::{Server, free_port, program},
};

/// A running Prometheus with a storage of its own; ends with this.
///
/// Its first scrape comes 5 s after its start: it waits so long for more targets, whatever is set. From
/// then on a number is seen at the next scrape, within one interval.
///
/// A scrape that fails marks every series of its target as stale at once. So what an [`Exporter`] had is
/// gone within one interval after it has stopped (with 200 ms to 1 s, half of one on average), and is
/// back as soon once it answers again; of a target that takes connections and is silent it is gone after
/// two, because a scrape may take one. The five minutes for which Prometheus looks back count only where
/// nothing could be marked, as when it was itself not running.
///
/// On a busy machine a scrape at a short interval may be missed, too: what is asked once may be gone for
/// a moment, which [`Self::wait_for`] outlasts.
pub(super) struct Prometheus {
    address: SocketAddr,
    server: Server,
}

impl Prometheus {
    /// Starts one that scrapes each target, an address and a port, and puts these labels on what it
    /// finds there; waits until it can be asked. `None`, with a word about it, if it is not installed.
    pub(super) async fn start(
        scrape_interval: Duration,
        targets: &[(&str, &[(&str, &str)])],
    ) -> Option<Self> {
        let program = program("prometheus")?;
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, config_for(scrape_interval, targets)).expect("written");
        let port = free_port();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--storage.tsdb.retention.time=1h")
            .arg(format!("--web.listen-address={HERE}:{port}"));
        let server = Server::start(folder, &mut command, port).await;
        let prometheus = Self { address: (HERE, port).into(), server };
        let begun = Instant::now();
        while !matches!(prometheus.get("/-/ready").await, Some((StatusCode::OK, _))) {
            assert!(begun.elapsed() < PATIENCE, "not ready: {}", prometheus.server.said());
            pause().await;
        }
        Some(prometheus)
    }

    /// Where it is asked, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The numbers that a query gives now, the smallest first; none if it finds nothing.
    pub(super) async fn values(&self, query: &str) -> Vec<f64> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let (status, body) = self.get(&path).await.expect("it answers");
        assert_eq!(status, StatusCode::OK, "{query}: {}", String::from_utf8_lossy(&body));
        let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let found = &answer["data"]["result"];
        // A time and a number: one pair for each series, or a single one.
        let number = |pair: &serde_json::Value| {
            pair[1].as_str().and_then(|text| text.parse::<f64>().ok()).expect("a number")
        };
        let mut values: Vec<f64> = match answer["data"]["resultType"].as_str() {
            Some("vector") => {
                let series = found.as_array().expect("a list");
                series.iter().map(|series| number(&series["value"])).collect()
            }
            Some("scalar") => vec![number(found)],
            other => panic!("{query} gives no numbers: {other:?}"),
        };
        values.sort_by(f64::total_cmp);
        values
    }

    /// Asks until [`Self::values`] are what is wanted.
    pub(super) async fn wait_for(&self, query: &str, is_wanted: impl Fn(&[f64]) -> bool) {
        let begun = Instant::now();
        loop {
            let values = self.values(query).await;
            if is_wanted(&values) {
                return;
            }
            let said = || self.server.said();
            assert!(begun.elapsed() < PATIENCE, "{query} is still {values:?}: {}", said());
            pause().await;
        }
    }

    /// `None` when it breaks off.
    async fn get(&self, path: &str) -> Option<(StatusCode, Bytes)> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let request = Request::get(path).header(HOST, self.address.to_string());
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.ok()?;
        let status = response.status();
        Some((status, response.into_body().collect().await.ok()?.to_bytes()))
    }
}

fn config_for(scrape_interval: Duration, targets: &[(&str, &[(&str, &str)])]) -> String {
    let interval = scrape_interval.as_millis();
    let mut config = format!(
        "global: {{ scrape_interval: {interval}ms, scrape_timeout: {interval}ms }}\n\
         scrape_configs:\n- job_name: parts\n  static_configs:\n"
    );
    for (target, labels) in targets {
        let labels: Vec<_> =
            labels.iter().map(|(key, value)| format!("{key}: {value:?}")).collect();
        let labels = labels.join(", ");
        let _ = writeln!(config, "  - {{ targets: [{target:?}], labels: {{ {labels} }} }}");
    }
    config
}

/// For the query of a URL.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, octet| {
        match octet.is_ascii_alphanumeric() {
            true => url.push(octet.into()),
            false => drop(write!(url, "%{octet:02X}")),
        }
        url
    })
}

type Numbers = Arc<Mutex<BTreeMap<String, f64>>>;

/// Numbers at `/metrics` that the test changes as it likes; ends with this. It answers while the test
/// waits for something.
pub(super) struct Exporter {
    numbers: Numbers,
    /// Keeps the port while nobody listens there.
    reserved: TcpSocket,
    serving: JoinHandle<()>,
}

impl Exporter {
    /// Starts with these series, each written as in a query: `errors_total{code="500"}`.
    pub(super) async fn start(numbers: &[(&str, f64)]) -> Self {
        let numbers = numbers.iter().map(|(series, value)| (series.to_string(), *value));
        let numbers = Numbers::new(Mutex::new(numbers.collect()));
        let reserved = bound((HERE, 0).into());
        let listener = listener(reserved.local_addr().expect("bound"));
        let serving = tokio::spawn(serve(listener, numbers.clone()));
        Self { numbers, reserved, serving }
    }

    /// Its address and port, as a target of [`Prometheus::start`].
    pub(super) fn target(&self) -> String {
        self.address().to_string()
    }

    /// Gives a series this value; it may be a new one.
    pub(super) fn set(&self, series: &str, value: f64) {
        self.numbers.lock().expect("invariant: no panic within").insert(series.to_owned(), value);
    }

    /// From now on connections are refused.
    pub(super) async fn stop(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// Answers on the same port again after [`Self::stop`].
    pub(super) fn start_again(&mut self) {
        self.serving = tokio::spawn(serve(listener(self.address()), self.numbers.clone()));
    }

    fn address(&self) -> SocketAddr {
        self.reserved.local_addr().expect("bound")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    // Two may have an address as long as only one of them listens.
    socket.set_reuseaddr(true).expect("set");
    socket.bind(address).expect("a port");
    socket
}

fn listener(address: SocketAddr) -> TcpListener {
    bound(address).listen(16).expect("nobody else listens")
}

async fn serve(listener: TcpListener, numbers: Numbers) {
    let page = get(async move || {
        let mut text = String::new();
        for (series, value) in numbers.lock().expect("invariant: no panic within").iter() {
            let _ = writeln!(text, "{series} {value}");
        }
        // A connection that stays would be answered even when nobody listens any more.
        ([(CONNECTION, "close")], text)
    });
    let _ = axum::serve(listener, Router::new().route("/metrics", page)).await;
}

#[tokio::test]
async fn prometheus_sees_what_changes_and_what_falls_silent() {
    let stable = Exporter::start(&[("load", 1.0), ("hits_total{code=\"500\"}", 3.0)]).await;
    let mut changing = Exporter::start(&[("load", 2.0)]).await;
    let targets: [(&str, &[_]); 2] =
        [(&stable.target(), &[("pool", "v41")]), (&changing.target(), &[("pool", "v42")])];
    let interval = Duration::from_millis(200);
    let Some(prometheus) = Prometheus::start(interval, &targets).await else { return };
    assert!(prometheus.url().starts_with("http://127.0.83.53:"));
    let becomes = async |query: &str, wanted: &[f64]| {
        prometheus.wait_for(query, |values| values == wanted).await;
    };
    becomes("load", &[1.0, 2.0]).await;
    becomes("hits_total{code=~\"5..\",pool=\"v41\"} + 1", &[4.0]).await;
    becomes("scalar(load{pool=\"v41\"})", &[1.0]).await;

    changing.set("load", 7.5);
    becomes("load{pool=\"v42\"}", &[7.5]).await;

    changing.stop().await;
    becomes("load{pool=\"v42\"}", &[]).await;
    becomes("absent(load{pool=\"v42\"})", &[1.0]).await;
    becomes("up{pool=\"v42\"}", &[0.0]).await;
    becomes("load", &[1.0]).await;

    changing.start_again();
    becomes("load{pool=\"v42\"}", &[7.5]).await;
    becomes("absent(load{pool=\"v42\"})", &[]).await;
}
