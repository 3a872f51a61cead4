//! A client that says what it is told to, and reads what is said to it.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::common::PATIENCE;

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// What it came to nothing with: the kind, and the sentence.
    pub(crate) fn undone(&self) -> (String, String) {
        let json = self.json();
        let undone = json.as_object().expect("an object").iter().next().expect("one");
        let why = match undone.1 {
            Value::String(why) => why.clone(),
            Value::Object(more) => {
                more.get("why").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            other => panic!("{other}"),
        };
        (undone.0.clone(), why)
    }
}

/// One request on a connection of its own, and what is said to it.
pub(crate) async fn send(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &str,
) -> Reply {
    let length = body.len();
    let request = format!("{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    // Whoever has heard enough does not read the rest.
    let _ = stream.write_all(request.as_bytes()).await;
    rest(stream).await
}

/// What is said until the end of the connection.
pub(crate) async fn rest(mut stream: impl AsyncRead + Unpin) -> Reply {
    let mut octets = Vec::new();
    let read = timeout(PATIENCE, async {
        let mut some = vec![0; 65_536];
        while let Ok(count @ 1..) = stream.read(&mut some).await {
            octets.extend_from_slice(&some[..count]);
        }
    });
    read.await.expect("it ends");
    let text = String::from_utf8(octets).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let (code, headers) = parse_head(head);
    Reply { code, headers, body: body.to_owned() }
}

fn parse_head(head: &str) -> (u16, BTreeMap<String, String>) {
    let mut lines = head.split("\r\n");
    let code = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let code = code.parse().unwrap_or_default();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    };
    (code, lines.filter_map(header).collect())
}

/// One server-sent event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }

    pub(crate) fn to(&self) -> String {
        self.json()["data"]["to"].as_str().unwrap_or_default().to_owned()
    }
}

/// Somebody who listens to a stream.
pub(crate) struct Listener {
    reader: BufReader<TcpStream>,
    pub(crate) code: u16,
    pub(crate) headers: BTreeMap<String, String>,
    text: String,
}

impl Listener {
    /// Begins, and waits until it has begun.
    pub(crate) async fn begin(mut stream: TcpStream, path: &str, more: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.expect("taken");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, reader.read_line(&mut head)).await.expect("in time");
            assert!(read.expect("readable") > 0, "it ended: {head}");
        }
        let (code, headers) = parse_head(head.trim_end());
        Self { reader, code, headers, text: String::new() }
    }

    /// The next piece; false at the end.
    async fn read(&mut self) -> bool {
        let mut line = String::new();
        let size = timeout(PATIENCE, self.reader.read_line(&mut line)).await.expect("in time");
        if size.unwrap_or(0) == 0 {
            return false;
        }
        let size = usize::from_str_radix(line.trim(), 16).expect("the length of a piece");
        let mut piece = vec![0; size + 2];
        self.reader.read_exact(&mut piece).await.expect("whole");
        self.text.push_str(str::from_utf8(&piece[..size]).expect("text"));
        size > 0
    }

    /// The next event; none when the stream has ended. Comments are passed over.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let heard = parse(event);
                self.text = rest.to_owned();
                match heard {
                    Some(heard) => return Some(heard),
                    None => continue,
                }
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// Everything up to the first event of this phase, and that.
    pub(crate) async fn until(&mut self, to: &str) -> Vec<Heard> {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &Heard| last.to() != to) {
            heard.push(self.next().await.expect("it goes on"));
        }
        heard
    }
}

fn parse(event: &str) -> Option<Heard> {
    let mut heard = Heard::default();
    for line in event.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => heard.name = name.to_owned(),
            Some(("id", id)) => heard.id = Some(id.to_owned()),
            Some(("data", data)) => heard.data.push_str(data),
            _ => assert!(line.starts_with(':'), "{line}"),
        }
    }
    (!heard.name.is_empty()).then_some(heard)
}
