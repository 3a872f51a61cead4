//! A receiver of events that can be broken and mended.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{PATIENCE, pause};

/// What it does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// So many more, then it fails.
    Fails(usize),
    /// It never answers.
    Hangs,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Heard {
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub event: Value,
    pub is_taken: bool,
}

impl Heard {
    /// The number of the event.
    pub fn sequence(&self) -> u64 {
        let text = self.event["sequence"].as_str().expect("a text");
        assert_eq!(text.len(), 20, "they can be compared as texts");
        text.parse().expect("a number")
    }

    pub fn id(&self) -> &str {
        self.event["id"].as_str().expect("a text")
    }

    pub fn to(&self) -> &str {
        self.event["data"]["to"].as_str().expect("a text")
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    shared: Arc<Mutex<Shared>>,
    _serving: Arc<Serving>,
}

struct Shared {
    mood: Mood,
    heard: Vec<Heard>,
}

struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Receiver {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Mutex::new(Shared { mood, heard: Vec::new() }));
        let router = Router::new().route("/in", post(hear)).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let url = format!("http://127.0.0.1:{port}/in?token=only-some-know");
        Self { url, shared, _serving: Arc::new(Serving(serving)) }
    }

    pub fn set_mood(&self, mood: Mood) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).mood = mood;
    }

    /// Every try so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.is_taken).collect()
    }

    /// Waits until it has taken an event of this phase, and gives all until then.
    pub async fn until_taken(&self, to: &str) -> Vec<Heard> {
        self.until(to, |heard| heard.iter().any(|heard| heard.is_taken && heard.to() == to)).await;
        self.taken()
    }

    /// Waits until what it has heard is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&[Heard]) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.heard()) {
            assert!(begun.elapsed() < PATIENCE, "not heard: {what}; but {:#?}", self.heard());
            pause().await;
        }
    }
}

async fn hear(
    State(shared): State<Arc<Mutex<Shared>>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("ASCII").to_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let event = serde_json::from_slice(&body).expect("JSON");
    let mood = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mood = shared.mood;
        let is_taken = !matches!(mood, Mood::Hangs | Mood::Fails(0));
        if let Mood::Fails(more @ 1..) = mood {
            shared.mood = Mood::Fails(more - 1);
        }
        shared.heard.push(Heard { headers, body: body.to_vec(), event, is_taken });
        mood
    };
    match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Fails(0) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::NO_CONTENT,
    }
}

/// Numbers that grow by one from `first` on.
pub fn assert_no_gap(first: u64, heard: &[Heard]) {
    let numbers: Vec<u64> = heard.iter().map(Heard::sequence).collect();
    let expected: Vec<u64> = (first..).take(heard.len()).collect();
    assert_eq!(numbers, expected, "{heard:#?}");
}
