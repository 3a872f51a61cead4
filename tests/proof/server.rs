//! Servers that the daemon asks: what they say is set by the test, and what they were asked is kept.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::any,
};
use tokio::{net::TcpListener, task::JoinSet};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

type Say = Box<dyn FnMut(&Asked) -> (u16, String) + Send>;

/// Answers as it is told to.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    say: Arc<Mutex<Say>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: JoinSet<()>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    pub(crate) async fn start(say: impl FnMut(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("bound");
        let say: Arc<Mutex<Say>> = Arc::new(Mutex::new(Box::new(say)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (speaker, noted) = (say.clone(), asked.clone());
        let page = any(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            let asked = Asked {
                path: uri.path().to_owned(),
                headers: headers.iter().map(header).collect(),
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            let (status, said) = lock(&speaker)(&asked);
            lock(&noted).push(asked);
            (StatusCode::from_u16(status).expect("a status"), said).into_response()
        });
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _ = axum::serve(listener, Router::new().fallback(page)).await;
        });
        Self { at, say, asked, _task: task }
    }

    /// Answers otherwise from now on.
    pub(crate) fn says(&self, say: impl FnMut(&Asked) -> (u16, String) + Send + 'static) {
        *lock(&self.say) = Box::new(say);
    }

    /// All that it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}
