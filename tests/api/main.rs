//! The API over HTTP, against the real daemon: who may ask what, how much of it, what comes of it, and that
//! the OpenAPI document tells the truth.

mod access;
#[path = "../common/mod.rs"]
mod common;
mod document;
mod events;
mod http;
mod limits;
mod verbs;

use std::{fs, path::PathBuf};

use common::{House, pools::Pools};
use document::Document;
use http::{Reply, send};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixStream};

const TOKEN: &str = "a-token-that-nobody-guesses-0001";

/// A daemon that answers v1, has found v2 up, and knows the token of `oncall`.
struct Scene {
    house: House,
    pools: Pools,
    socket: PathBuf,
    token_file: PathBuf,
    document: Document,
}

impl Scene {
    async fn open() -> Self {
        Self::open_with("bake = \"1h\"").await
    }

    /// The release has these settings.
    async fn open_with(more: &str) -> Self {
        let pools = Pools::start().await;
        let (mut socket, mut token_file) = (PathBuf::new(), PathBuf::new());
        let file = pools.file("v1", more);
        let house = House::start_with("127.0.0.1", &file, |settings| {
            let beside = |name| settings.release_file.with_file_name(name);
            (socket, token_file) = (beside("admin.sock"), beside("oncall.token"));
            settings.admin = Some(socket.clone());
            fs::write(&token_file, format!("{TOKEN}\n")).expect("writable");
            let name = "oncall".parse().expect("a name");
            settings.access.tokens = [(name, token_file.clone())].into();
            settings.access.hosts = vec!["cutover.example.com".parse().expect("a name")];
        });
        let house = house.await;
        house.until_pool_is("v1", "up").await;
        house.until_pool_is("v2", "up").await;
        let document = Document::of(&house).await;
        Self { house, pools, socket, token_file, document }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.house.daemon.http()).await.expect("it listens")
    }

    /// What is said to this request, as it stands here but for its end.
    async fn raw(&self, head: &str, body: &str) -> Reply {
        let stream = self.connect().await;
        send(stream, head, body).await
    }

    /// What is said to whoever reads.
    async fn get(&self, path: &str) -> Reply {
        let reply = self.raw(&format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1"), "").await;
        self.document.check("get", path, &reply);
        reply
    }

    /// What is said to whoever asks for a change with the token.
    async fn post(&self, path: &str, body: &Value) -> Reply {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json"
        );
        let reply = self.raw(&head, &body.to_string()).await;
        self.document.check("post", path, &reply);
        reply
    }

    /// The same over the socket.
    async fn post_by_socket(&self, path: &str, body: &Value) -> Reply {
        let stream = UnixStream::connect(&self.socket).await.expect("it listens");
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json");
        let reply = send(stream, &head, &body.to_string()).await;
        self.document.check("post", path, &reply);
        reply
    }

    /// Has a verb done with the token.
    async fn verb(&self, verb: &str) -> Reply {
        self.post(&format!("/api/v1/services/api/{verb}"), &json!({})).await
    }

    fn release(&self, live: &str, more: &str) {
        self.house.save(&self.pools.file(live, more));
    }

    async fn counted(&self, cause: &str) -> u64 {
        let metrics = self.raw("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1", "").await.body;
        let line = format!("cutover_http_refused_total{{cause=\"{cause}\"}} ");
        let value = metrics.lines().find_map(|text| text.strip_prefix(&line)).expect("counted");
        value.parse().expect("a number")
    }
}
