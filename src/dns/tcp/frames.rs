//! Messages on a stream: two octets of length before each (RFC 1035 §4.2.2).
//!
//! Pure but for who answers: octets in, octets out.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::Sitting;

const PREFIX_LEN: usize = 2;
/// No DNS message is shorter than its header.
const MESSAGE_LEN_MIN: usize = 12;
/// Replies are sent when there are so many octets of them. Few, because what a client never takes
/// was made in vain.
const REPLIES_LEN_MAX: usize = 1 << 14;

/// Why no further message was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The rest is not a whole message.
    Starved,
    /// The replies have to be sent first.
    Full,
    /// The stream makes no sense from here on: a frame that no message fits into.
    Astray,
}

/// What became of the octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// So many of them belong to messages that are done with.
    pub(super) consumed: usize,
    /// A reply was made.
    pub(super) replied: bool,
    pub(super) halt: Halt,
}

/// Answers the whole messages in `input`, in their order, into `output`.
///
/// A message without a reply leaves the others alone: what is wrong with one says nothing about
/// the next, as long as the frames are right.
pub(super) fn answer_all(
    sitting: &mut impl Sitting,
    client: SocketAddr,
    input: &[u8],
    output: &mut Vec<u8>,
) -> Answered {
    let (mut consumed, mut replied) = (0, false);
    let halt = loop {
        let Some((message_len, rest)) = message_len(&input[consumed..]) else {
            break Halt::Starved;
        };
        if message_len < MESSAGE_LEN_MIN {
            break Halt::Astray;
        }
        let Some(message) = rest.get(..message_len) else { break Halt::Starved };
        if output.len() >= REPLIES_LEN_MAX {
            break Halt::Full;
        }
        replied |= reply(sitting, message, client, output);
        consumed += PREFIX_LEN + message_len;
    };
    Answered { consumed, replied, halt }
}

/// The octets that the first message still lacks; `input` holds no whole one.
pub(super) fn lacking(input: &[u8]) -> usize {
    match message_len(input) {
        Some((message_len, rest)) => message_len.saturating_sub(rest.len()),
        None => PREFIX_LEN - input.len(),
    }
}

fn message_len(input: &[u8]) -> Option<(usize, &[u8])> {
    let (prefix, rest) = input.split_first_chunk::<PREFIX_LEN>()?;
    Some((usize::from(u16::from_be_bytes(*prefix)), rest))
}

/// Appends one framed reply, or nothing.
fn reply(
    sitting: &mut impl Sitting,
    message: &[u8],
    client: SocketAddr,
    output: &mut Vec<u8>,
) -> bool {
    let start = output.len();
    output.extend_from_slice(&[0; PREFIX_LEN]);
    // A fault in one reply must not end the answers to all others.
    let answering = AssertUnwindSafe(|| sitting.answer(message, client, output));
    let replied = catch_unwind(answering).unwrap_or(false);
    let reply_len = output.len().checked_sub(start + PREFIX_LEN);
    match reply_len.map(u16::try_from) {
        Some(Ok(reply_len)) if replied && reply_len > 0 => {
            output[start..start + PREFIX_LEN].copy_from_slice(&reply_len.to_be_bytes());
            true
        }
        _ => {
            output.truncate(start);
            false
        }
    }
}
