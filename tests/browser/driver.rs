//! A browser of its own for each test: a process of the driver, a fresh profile, and what went over the net.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_LENGTH, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{
    Capabilities, WebDriver,
    error::{WebDriverError, WebDriverResult},
    session::http::{Body, HttpClient},
};
use tokio::net::TcpStream;

use super::common::{PATIENCE, pause};

/// So often a driver is started until one stays.
const STARTS_MAX: usize = 5;
/// Nothing of the browser's own business may mix with the page's.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-device-scale-factor=1",
];

/// What is below that is more of the same.
const PICTURE_HEIGHT_MAX: f64 = 4000.0;

/// How wide and high, and in which colours.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) name: &'static str,
    pub(super) width: u32,
    pub(super) is_dark: bool,
}

pub(super) const DESK: Look = Look { name: "desk", width: 1280, is_dark: false };
pub(super) const PHONE: Look = Look { name: "phone", width: 320, is_dark: false };
pub(super) const DARK: Look = Look { name: "dark", width: 1280, is_dark: true };
pub(super) const LOOKS: [Look; 3] = [DESK, PHONE, DARK];

/// A running browser; ends with this.
pub(super) struct Browser {
    driver: WebDriver,
    process: Process,
    _profile: TempDir,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        // It ends the browser that it has started, too.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The path of a program, or a word about what is left out without it.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(io::stderr(), "skipped: {name} is not installed");
    }
    found
}

/// Where pictures are put.
pub(super) fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

impl Browser {
    /// Nothing where there is none; that is said.
    pub(super) async fn open() -> Option<Self> {
        Self::open_with(&[]).await
    }

    /// The same with further preferences.
    pub(super) async fn open_with(preferences: &[(&str, Value)]) -> Option<Self> {
        let (driver, chromium) = (program("chromedriver")?, program("chromium")?);
        let (process, port) = started(&driver);
        let profile = tempfile::tempdir().expect("a scratch folder");
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let preferences: serde_json::Map<String, Value> =
            preferences.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let wishes = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": flags, "prefs": preferences },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(wishes) = wishes else { unreachable!("an object") };
        let at = format!("http://127.0.0.1:{port}");
        let builder = WebDriver::builder(at, Capabilities::from(wishes)).client(Plain);
        let driver = builder.await.expect("a browser");
        Some(Self { driver, process, _profile: profile })
    }

    pub(super) async fn close(self) {
        let Self { driver, process, _profile } = self;
        driver.quit().await.expect("it ends");
        drop(process);
    }

    /// Has it look as a screen of that size and colours does.
    pub(super) async fn look(&self, Look { width, is_dark, .. }: Look) {
        let is_phone = width < 600;
        let metrics =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": is_phone });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    pub(super) async fn cdp(&self, method: &str, parameters: Value) -> Value {
        let said = self.driver.cdp().send_raw(method, parameters).await;
        said.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(super) async fn open_page(&self, url: &str) {
        self.driver.goto(url).await.expect("it loads");
    }

    /// Runs a script in the page: what it returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        let said = self.driver.execute(script, Vec::new()).await;
        said.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// The same where the page allows no scripts to be made of texts: a promise is waited for.
    pub(super) async fn run_async(&self, script: &str) -> Value {
        let said = self.driver.execute_async(script, Vec::new()).await;
        said.unwrap_or_else(|error| panic!("{error}")).json().clone()
    }

    /// The words of an element, as they are shown; none if it is not there.
    pub(super) async fn text(&self, selector: &str) -> String {
        let quoted = json!(selector);
        let found =
            self.run(&format!("return document.querySelector({quoted})?.innerText ?? ''")).await;
        let words: Vec<&str> = found.as_str().unwrap_or_default().split_whitespace().collect();
        words.join(" ")
    }

    /// Waits until the page says so.
    pub(super) async fn until(&self, selector: &str, what: &str) -> String {
        self.until_is(selector, what, |text| text.contains(what)).await
    }

    /// Waits until what the page says there is as it should be.
    pub(super) async fn until_is(
        &self,
        selector: &str,
        what: &str,
        is_so: impl Fn(&str) -> bool,
    ) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text(selector).await;
            if is_so(&text) {
                return text;
            }
            if begun.elapsed() > PATIENCE {
                let log = self.said().await;
                panic!("{selector} does not say {what:?}: {text:?}; the browser says {log:#?}");
            }
            pause().await;
        }
    }

    /// Keys, one after the other, as a person types them.
    pub(super) async fn press(&self, keys: &str) {
        let chain = self.driver.action_chain();
        chain.send_keys(keys).perform().await.expect("typed");
    }

    /// A picture of the page, from its head to its foot.
    pub(super) async fn picture(&self, name: &str) {
        let size = self.cdp("Page.getLayoutMetrics", json!({})).await;
        let size = &size["cssContentSize"];
        let height = size["height"].as_f64().expect("a number").min(PICTURE_HEIGHT_MAX);
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        let wish = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
        let taken = self.cdp("Page.captureScreenshot", wish).await;
        let taken = taken["data"].as_str().expect("a picture");
        let taken = data_encoding::BASE64.decode(taken.as_bytes()).expect("base64");
        fs::write(pictures().join(format!("{name}.png")), taken).expect("writable");
    }

    /// Pictures in all looks; nothing may be wider than the screen.
    pub(super) async fn pictures(&self, name: &str) {
        for look in LOOKS {
            self.look(look).await;
            let width = self.run("return document.documentElement.scrollWidth").await;
            self.picture(&format!("{name}-{}", look.name)).await;
            let widest = u64::from(look.width);
            assert!(
                width.as_u64().expect("a number") <= widest,
                "{name} is {width} wide of {widest}"
            );
        }
        self.look(DESK).await;
    }

    /// What the browser has complained about since it was last asked.
    pub(super) async fn said(&self) -> Vec<String> {
        let log = self.driver.get_log("browser").await.expect("a log");
        log.into_iter().map(|entry| entry.message).collect()
    }

    /// The addresses of all that was asked for since this was last asked.
    pub(super) async fn asked(&self) -> Vec<String> {
        let log = self.driver.get_log("performance").await.expect("a log");
        let message = |entry: &str| -> Option<String> {
            let entry: Value = serde_json::from_str(entry).ok()?;
            let is_asked = entry["message"]["method"] == "Network.requestWillBeSent";
            let url = entry["message"]["params"]["request"]["url"].as_str()?;
            is_asked.then(|| url.to_owned())
        };
        log.iter().filter_map(|entry| message(&entry.message)).collect()
    }

    /// Nothing was asked of anybody else, and nothing that the page's policy forbids was tried.
    pub(super) async fn assert_kept_to_itself(&self, home: &str) {
        let asked = self.asked().await;
        assert!(!asked.is_empty(), "the log of what was asked is empty");
        // The page that the browser itself begins with is its own.
        let is_own = |url: &str| url.starts_with("data:") || url.starts_with("chrome:");
        let is_elsewhere = |url: &&String| !url.starts_with(home) && !is_own(url);
        let elsewhere: Vec<&String> = asked.iter().filter(is_elsewhere).collect();
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
        let said = self.said().await;
        assert!(said.is_empty(), "{said:#?}");
    }
}

/// A driver, and which port it has chosen. Where many start at once, one may end without having said so.
fn started(driver: &Path) -> (Process, u16) {
    let start = || {
        let mut command = Command::new(driver);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process(command.spawn().expect("it runs"));
        let port = port(&mut process.0)?;
        Some((process, port))
    };
    (0..STARTS_MAX).find_map(|_| start()).expect("it says its port")
}

fn port(process: &mut Child) -> Option<u16> {
    let out = process.stdout.take().expect("piped");
    let mut lines = BufReader::new(out).lines();
    let said = lines.by_ref().map(|line| line.expect("text")).find_map(|line| {
        line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
    });
    // What else it says goes nowhere, but must go.
    std::thread::spawn(move || lines.for_each(drop));
    said
}

/// The driver is asked over a connection for each question.
struct Plain;

#[async_trait::async_trait]
impl HttpClient for Plain {
    async fn send(&self, request: Request<Body<'_>>) -> WebDriverResult<Response<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let body = match body {
            Body::Empty => Bytes::new(),
            Body::Json(json) => Bytes::from(serde_json::to_vec(json)?),
        };
        let failed = |error: String| WebDriverError::HttpError(error);
        let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
        parts.headers.insert(HOST, authority.parse().expect("a host"));
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        parts.uri = parts.uri.path().parse().expect("a path");
        let stream =
            TcpStream::connect(&authority).await.map_err(|error| failed(error.to_string()))?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| failed(error.to_string()))?;
        let connection = tokio::spawn(connection);
        let request = Request::from_parts(parts, Full::new(body));
        let said = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
        let (parts, body) = said.into_parts();
        let body = body.collect().await.map_err(|error| failed(error.to_string()))?.to_bytes();
        connection.abort();
        Ok(Response::from_parts(parts, body))
    }

    async fn new(&self) -> Arc<dyn HttpClient> {
        Arc::new(Self)
    }
}
