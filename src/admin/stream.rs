//! Streams: answers that go on for as long as somebody listens, as server-sent events (WHATWG HTML
//! §9.2). There are so many of them; each has a heartbeat; they end with the daemon, so that whoever
//! listens asks its successor; and who takes nothing in is cut off.
//!
//! Nothing is buffered for a listener: what it is to be told is asked for when it has taken what was
//! before. What is told, and what becomes of a listener who falls behind, is the source's business.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::header::{CONTENT_TYPE, HeaderValue},
    response::{IntoResponse, Response},
};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use prometheus::IntGauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Sleep, sleep},
};

use super::{line::Line, orders::Undone};

/// How many there are at once.
pub const STREAMS_MAX: usize = 64;
/// How long it may be silent.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// A comment, which listeners pass over.
const BEAT: &[u8] = b":\n\n";

/// How streams are begun.
#[derive(Clone)]
pub struct Streams {
    room: Arc<Semaphore>,
    heartbeat: Duration,
    over: watch::Receiver<bool>,
    open: IntGauge,
}

impl Streams {
    /// At most so many, with a heartbeat that often, until it is `over`; `open` counts them.
    pub fn new(
        max: usize,
        heartbeat: Duration,
        over: watch::Receiver<bool>,
        open: IntGauge,
    ) -> Self {
        Self { room: Arc::new(Semaphore::new(max)), heartbeat, over, open }
    }

    /// Answers with what `source` says, on this line.
    pub(super) fn begin(
        &self,
        line: Line,
        source: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Response, Undone> {
        let permit = self.room.clone().try_acquire_owned().map_err(|_| {
            let why = "too many streams are open: close one, or ask for `status` now and then";
            Undone::Unavailable(why.to_owned())
        })?;
        let mut over = self.over.clone();
        let over = async move { drop(over.wait_for(|over| *over).await) };
        let told = Told {
            source: source.boxed(),
            beat: Box::pin(sleep(self.heartbeat)),
            over: Box::pin(over),
            heartbeat: self.heartbeat,
            line,
            _open: Open::new(permit, self.open.clone()),
        };
        told.allow();
        let body = Body::from_stream(told.map(Ok::<_, std::convert::Infallible>));
        let kind = HeaderValue::from_static("text/event-stream");
        Ok(([(CONTENT_TYPE, kind)], body).into_response())
    }
}

/// One of them is open.
struct Open {
    _permit: OwnedSemaphorePermit,
    open: IntGauge,
}

impl Open {
    fn new(permit: OwnedSemaphorePermit, open: IntGauge) -> Self {
        open.inc();
        Self { _permit: permit, open }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// What is told on one stream.
struct Told {
    source: BoxStream<'static, Bytes>,
    beat: Pin<Box<Sleep>>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    heartbeat: Duration,
    line: Line,
    _open: Open,
}

impl Told {
    /// Whoever has not taken this in by the beat after the next takes nothing in.
    fn allow(&self) {
        self.line.allow(3 * self.heartbeat);
    }
}

impl Stream for Told {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        let told = match self.source.poll_next_unpin(context) {
            Poll::Ready(Some(told)) => told,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                std::task::ready!(self.beat.as_mut().poll(context));
                Bytes::from_static(BEAT)
            }
        };
        self.beat = Box::pin(sleep(self.heartbeat));
        self.allow();
        Poll::Ready(Some(told))
    }
}

/// One event, as it is sent. The name and the id have no line breaks.
pub(super) fn event(name: &str, id: Option<&str>, data: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // A lone carriage return ends a line too.
    let lines = data.split(['\n', '\r']).map(|line| format!("data: {line}\n"));
    Bytes::from(format!("event: {name}\n{id}{}\n", lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    fn streams(max: usize, heartbeat: Duration) -> (Streams, watch::Sender<bool>, IntGauge) {
        let (end, over) = watch::channel(false);
        let open = IntGauge::new("open", "open").expect("a name");
        (Streams::new(max, heartbeat, over, open.clone()), end, open)
    }

    fn line() -> Line {
        Line::new(HEARTBEAT)
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = body.frame().await?.expect("it does not fail");
        frame.into_data().ok()
    }

    #[tokio::test]
    async fn it_tells_what_there_is_and_beats_when_there_is_nothing() {
        let (streams, _end, _) = streams(1, Duration::from_millis(1));
        let source = stream::iter([Bytes::from("one"), Bytes::from("two")]);
        let response = streams.begin(line(), source.chain(stream::pending()));
        let mut body = response.expect("there is room").into_body();
        assert_eq!(next(&mut body).await.as_deref(), Some(b"one".as_slice()));
        assert_eq!(next(&mut body).await.as_deref(), Some(b"two".as_slice()));
        for _ in 0..3 {
            assert_eq!(next(&mut body).await.as_deref(), Some(BEAT));
        }
    }

    #[tokio::test]
    async fn there_are_so_many_and_no_more() {
        let (streams, _end, open) = streams(2, HEARTBEAT);
        let begin = || streams.begin(line(), stream::pending());
        let (one, _two) = (begin().expect("room"), begin().expect("room"));
        assert!(matches!(begin(), Err(Undone::Unavailable(_))));
        assert_eq!(open.get(), 2);
        drop(one);
        assert_eq!(open.get(), 1);
        assert!(begin().is_ok());
    }

    #[tokio::test]
    async fn it_ends_with_the_daemon_and_with_its_source() {
        let (streams, end, _) = streams(2, HEARTBEAT);
        let mut endless = streams.begin(line(), stream::pending()).expect("room").into_body();
        let mut short = streams.begin(line(), stream::empty()).expect("room").into_body();
        assert_eq!(next(&mut short).await, None);
        end.send_replace(true);
        assert_eq!(next(&mut endless).await, None);
    }

    #[test]
    fn an_event_is_framed_whatever_it_says() {
        assert_eq!(event("a", None, "{}"), "event: a\ndata: {}\n\n");
        assert_eq!(
            event("a", Some("7"), "x\ny\rz"),
            "event: a\nid: 7\ndata: x\ndata: y\ndata: z\n\n"
        );
    }
}
