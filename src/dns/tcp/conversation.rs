//! One connection: reads what has come, answers every whole message in it, and sends the replies
//! with one write.
//!
//! The octets pass through buffers of the thread. A connection owns memory only while it is in the
//! middle of something: of a message, at most that message (64 KiB); of sending, at most what the
//! client has not taken (80 KiB), and then nothing more is read from it. Its times are kept by the
//! [`Registry`](super::registry::Registry), which needs no timer for each connection.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{
    Answer, Cause, STUCK_MAX, Sitting,
    frames::{Halt, answer_all, lacking},
    registry::{Call, Place},
};
use crate::dns::admission::Standing;

/// Read at once, at most. Some hundred questions: enough for the two system calls around them to
/// cost nothing, and little enough for others to wait while greedy clients are answered.
pub(super) const READ_LEN_MAX: usize = 4096;
/// Of a longer unfinished message the connection keeps the octets where they are: moving them for
/// each octet that comes would be work out of all proportion.
const MOVED_LEN_MAX: usize = 2048;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: Vec::with_capacity(READ_LEN_MAX),
        output: Vec::new(),
    });
}

/// Buffers that the connections of a thread share. What is in them means nothing to the next turn.
struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// Talks to a client until one side has had enough.
pub(super) async fn converse<S, A>(stream: S, client: SocketAddr, place: Place, answerer: Arc<A>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Answer,
{
    poll_fn(|context| {
        place.listen(context);
        Poll::Ready(())
    })
    .await;
    let mut conversation = Conversation::begin(stream, client, place, answerer);
    let cause = poll_fn(|context| conversation.poll(context)).await;
    conversation.place.ends_by(cause);
}

struct Conversation<S, A> {
    stream: S,
    client: SocketAddr,
    answerer: Arc<A>,
    place: Place,
    course: Course,
    /// What was read and is not answered: the beginning of a message, or, while replies wait to be
    /// sent, whole ones.
    held: Vec<u8>,
    /// Replies that the client has not taken yet, from `unsent_from` on.
    unsent: Vec<u8>,
    unsent_from: usize,
    has_replied: bool,
    /// When the last reply was made; before the first one, when the client came. Messages that
    /// get no reply keep no connection alive.
    heard_at: Instant,
    /// When the held message began, or the client stopped taking replies.
    busy_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Messages may come.
    Open,
    /// No further message is answered: say goodbye when all is sent.
    Closing,
    /// Goodbye is said. What still comes is read, because closing with unread octets would reset
    /// the connection, and the client could lose replies that it has not read yet.
    Parting(Instant),
}

/// What reading has brought.
enum Read {
    End,
    /// All that was there.
    All,
    /// As much as fits; there may be more.
    Part,
}

impl<S: AsyncRead + AsyncWrite + Unpin, A: Answer> Conversation<S, A> {
    fn begin(stream: S, client: SocketAddr, place: Place, answerer: Arc<A>) -> Self {
        Self {
            heard_at: place.since(),
            stream,
            client,
            answerer,
            place,
            course: Course::Open,
            held: Vec::new(),
            unsent: Vec::new(),
            unsent_from: 0,
            has_replied: false,
            busy_since: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Cause> {
        if let Some(Call::Close(cause)) = self.place.call() {
            return Poll::Ready(cause);
        }
        if self.place.is_in_line() {
            return Poll::Pending;
        }
        match SCRATCH.with_borrow_mut(|scratch| self.turn(context, scratch)) {
            Poll::Ready(Ok(()) | Err(_)) => Poll::Ready(Cause::Client),
            Poll::Pending => {
                let (standing, since) = self.standing();
                self.place.stand(standing, since);
                Poll::Pending
            }
        }
    }

    /// Goes on until the end, or until there is nothing to do but wait.
    fn turn(&mut self, context: &mut Context<'_>, scratch: &mut Scratch) -> Poll<io::Result<()>> {
        loop {
            // While a client does not take its replies, nothing more is read from it.
            ready!(self.poll_unsent(context))?;
            match self.course {
                Course::Open => {}
                Course::Closing => {
                    ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
                    self.course = Course::Parting(Instant::now());
                    continue;
                }
                Course::Parting(_) => return self.poll_discard(context, scratch),
            }
            if !self.held.is_empty() && lacking(&self.held) == 0 {
                let held = std::mem::take(&mut self.held);
                self.answer_in_place(context, held, scratch)?;
                continue;
            }
            match self.poll_read(context, scratch)? {
                Poll::Ready(Read::End) => return Poll::Ready(Ok(())),
                Poll::Ready(Read::All) => {}
                Poll::Ready(Read::Part) => {
                    ready!(self.poll_unsent(context))?;
                    self.place.stand_in_line();
                    return Poll::Pending;
                }
                Poll::Pending => match self.place.call() {
                    Some(Call::Part) => self.close(Cause::Drain),
                    Some(Call::Leave) if self.held.is_empty() => self.close(Cause::Drain),
                    _ => return Poll::Pending,
                },
            }
        }
    }

    /// Reads once, and answers the whole messages that are there then.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<Read>> {
        if self.held.len() > MOVED_LEN_MAX {
            return self.poll_read_in_place(context, scratch);
        }
        let Scratch { input, output } = scratch;
        input.clear();
        input.extend_from_slice(&self.held);
        if ready!(pin!(self.stream.read_buf(input)).poll(context))? == 0 {
            return Poll::Ready(Ok(Read::End));
        }
        let read = if input.len() == input.capacity() { Read::Part } else { Read::All };
        let done = self.answer(context, input, output)?;
        let rest = &input[done..];
        if rest.is_empty() || self.held.capacity() == 0 {
            self.held = rest.to_vec();
        } else {
            self.held.clear();
            self.held.extend_from_slice(rest);
        }
        Poll::Ready(Ok(read))
    }

    /// Reads the rest of a long message, or some of it, to where its beginning is.
    fn poll_read_in_place(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<Read>> {
        let room = self.held.len().min(lacking(&self.held));
        if self.held.len() == self.held.capacity() {
            // By doubling: a client that announces much and sends little gets little.
            self.held.reserve_exact(room);
        }
        if ready!(pin!(self.stream.read_buf(&mut self.held)).poll(context))? == 0 {
            return Poll::Ready(Ok(Read::End));
        }
        let is_full = self.held.len() == self.held.capacity();
        let held = std::mem::take(&mut self.held);
        self.answer_in_place(context, held, scratch)?;
        // A full buffer says nothing about what is left: the next turn reads on.
        Poll::Ready(Ok(if is_full { Read::Part } else { Read::All }))
    }

    fn answer_in_place(
        &mut self,
        context: &mut Context<'_>,
        mut held: Vec<u8>,
        scratch: &mut Scratch,
    ) -> io::Result<()> {
        let done = self.answer(context, &held, &mut scratch.output)?;
        if done < held.len() {
            held.drain(..done);
            self.held = held;
        }
        Ok(())
    }

    /// Answers the whole messages in `input` for as long as the client takes the replies; returns
    /// how many octets are done with.
    fn answer(
        &mut self,
        context: &mut Context<'_>,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut done = 0;
        loop {
            // Another connection may have left replies here that it could not send.
            output.clear();
            let mut sitting = self.answerer.sit();
            let answered = answer_all(&mut sitting, self.client, &input[done..], output);
            let rest = send(&mut self.stream, context, output);
            // A client that does not take its replies is waited for, but not for ever.
            let is_late = rest.as_ref().is_ok_and(|rest| !rest.is_empty());
            sitting.end(if is_late { STUCK_MAX } else { Duration::ZERO });
            self.unsent = rest?;
            done += answered.consumed;
            if answered.consumed > 0 {
                self.busy_since = None;
            }
            if answered.replied {
                self.has_replied = true;
                self.heard_at = Instant::now();
            }
            if answered.halt == Halt::Astray {
                self.close(Cause::Frame);
            }
            if answered.halt != Halt::Full || !self.unsent.is_empty() {
                return Ok(done);
            }
        }
    }

    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent_from < self.unsent.len() {
            let rest = &self.unsent[self.unsent_from..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.unsent_from += sent,
            }
        }
        if !self.unsent.is_empty() {
            self.unsent = Vec::new();
            self.unsent_from = 0;
            self.busy_since = None;
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_discard(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<()>> {
        self.held = Vec::new();
        let input = &mut scratch.input;
        loop {
            input.clear();
            if ready!(pin!(self.stream.read_buf(input)).poll(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
            if input.len() == input.capacity() {
                self.place.stand_in_line();
                return Poll::Pending;
            }
        }
    }

    fn close(&mut self, cause: Cause) {
        self.place.ends_by(cause);
        self.course = Course::Closing;
    }

    fn standing(&mut self) -> (Standing, Instant) {
        if let Course::Parting(since) = self.course {
            return (Standing::Leaving, since);
        }
        if self.unsent.is_empty() && self.held.is_empty() {
            let standing = if self.has_replied { Standing::Idle } else { Standing::Fresh };
            return (standing, self.heard_at);
        }
        let standing = if self.unsent.is_empty() { Standing::Busy } else { Standing::Stuck };
        (standing, *self.busy_since.get_or_insert_with(Instant::now))
    }
}

/// Writes `output` as far as that goes; returns the rest.
fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    output: &[u8],
) -> io::Result<Vec<u8>> {
    if output.is_empty() {
        return Ok(Vec::new());
    }
    let sent = match Pin::new(stream).poll_write(context, output) {
        Poll::Ready(sent) => sent?,
        Poll::Pending => 0,
    };
    Ok(output[sent..].to_vec())
}
