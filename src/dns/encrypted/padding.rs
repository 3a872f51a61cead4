//! Padding of replies (RFC 7830, 8467), so that their length tells less of what was asked.
//!
//! Works on the octets of a whole message: whoever makes replies need not know of it.

/// Replies are padded to a multiple of this (RFC 8467 §4.1).
const BLOCK_LEN: usize = 468;
/// The option's code.
const PADDING: u16 = 12;
/// Code and length of an option.
const OPTION_HEAD_LEN: usize = 4;
const HEADER_LEN: usize = 12;
/// Type, class, TTL and length of data.
const RECORD_FIXED_LEN: usize = 10;
const OPT: u16 = 41;

/// Pads `reply` if `query` asks for it by being padded itself.
pub(super) fn pad(query: &[u8], reply: &mut Vec<u8>) {
    let asks = find_opt(query).is_some_and(|opt| options(opt.data).any(|code| code == PADDING));
    let Some(opt) = find_opt(reply).filter(|_| asks) else { return };
    // Only where nothing follows, and where no option of the kind is there yet.
    if opt.data_at + opt.data.len() != reply.len() || options(opt.data).any(|c| c == PADDING) {
        return;
    }
    let least = reply.len() + OPTION_HEAD_LEN;
    let padded = least.next_multiple_of(BLOCK_LEN).min(usize::from(u16::MAX));
    let Some(padding) = padded.checked_sub(least) else { return };
    let (data_at, data_len) = (opt.data_at, opt.data.len() + OPTION_HEAD_LEN + padding);
    let (Ok(data_len), Ok(padding)) = (u16::try_from(data_len), u16::try_from(padding)) else {
        return;
    };
    reply[data_at - size_of::<u16>()..data_at].copy_from_slice(&data_len.to_be_bytes());
    reply.extend_from_slice(&PADDING.to_be_bytes());
    reply.extend_from_slice(&padding.to_be_bytes());
    reply.resize(padded, 0);
}

/// The data of an OPT record and where it begins.
struct Opt<'a> {
    data: &'a [u8],
    data_at: usize,
}

/// The first OPT record of a message, if the message is whole up to it.
fn find_opt(message: &[u8]) -> Option<Opt<'_>> {
    let [questions, answers, authorities, additional] =
        [4, 6, 8, 10].map(|at| u16_at(message, at).map(usize::from));
    let mut at = HEADER_LEN;
    for _ in 0..questions? {
        at = after_name(message, at)? + 4;
    }
    for _ in 0..answers? + authorities? + additional? {
        let fixed_at = after_name(message, at)?;
        let data_at = fixed_at + RECORD_FIXED_LEN;
        let data_len = usize::from(u16_at(message, data_at - 2)?);
        let data = message.get(data_at..data_at + data_len)?;
        if u16_at(message, fixed_at)? == OPT {
            return Some(Opt { data, data_at });
        }
        at = data_at + data_len;
    }
    None
}

/// The codes of the options, up to the first that is not whole.
fn options(mut data: &[u8]) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let (code, len) = (u16_at(data, 0)?, usize::from(u16_at(data, 2)?));
        data = data.get(OPTION_HEAD_LEN + len..)?;
        Some(code)
    })
}

/// Where a name ends: behind its root label, or behind a pointer to the rest of it.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message with one question, `answers` addresses at a pointer, and these options in OPT.
    fn message(answers: u8, options: Option<&[u8]>) -> Vec<u8> {
        let additional = u8::from(options.is_some());
        let mut octets = vec![0, 0, 0x84, 0, 0, 1, 0, answers, 0, 0, 0, additional];
        octets.extend_from_slice(b"\x03api\x04test\x00\x00\x01\x00\x01");
        for host in 0..answers {
            octets.extend_from_slice(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04");
            octets.extend_from_slice(&[192, 0, 2, host]);
        }
        if let Some(options) = options {
            octets.extend_from_slice(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00");
            octets.extend_from_slice(&(options.len() as u16).to_be_bytes());
            octets.extend_from_slice(options);
        }
        octets
    }

    fn padded(query: &[u8], reply: &[u8]) -> Vec<u8> {
        let mut reply = reply.to_vec();
        pad(query, &mut reply);
        reply
    }

    const NSID: &[u8] = &[0, 3, 0, 2, b'n', b's'];
    const PADDED: &[u8] = &[0, 3, 0, 0, 0, 12, 0, 3, 0, 0, 0];

    #[test]
    fn who_pads_is_answered_with_padding() {
        let query = message(0, Some(PADDED));
        for (answers, options, len) in [(1, &[][..], 468), (2, NSID, 468), (100, NSID, 1872)] {
            let reply = message(answers, Some(options));
            let padded = padded(&query, &reply);
            assert_eq!(padded.len(), len);
            let opt = find_opt(&padded).expect("still there");
            assert_eq!(opt.data_at + opt.data.len(), padded.len(), "its length is right");
            assert_eq!(&opt.data[..options.len()], options, "the other options stay");
            assert_eq!(super::options(opt.data).last(), Some(PADDING));
            assert!(padded.starts_with(&reply[..opt.data_at - 2]));
        }
    }

    #[test]
    fn a_reply_that_ends_at_a_block_has_an_empty_option() {
        let fill = vec![0; 468 - OPTION_HEAD_LEN - OPTION_HEAD_LEN - message(0, Some(&[])).len()];
        let len = (fill.len() as u16).to_be_bytes();
        let options = [&[0, 99], len.as_slice(), fill.as_slice()].concat();
        let padded = padded(&message(0, Some(PADDED)), &message(0, Some(&options)));
        assert_eq!((padded.len(), &padded[464..]), (468, [0, 12, 0, 0].as_slice()));
    }

    #[test]
    fn nobody_else_is() {
        let (plain, with_opt) = (message(1, None), message(1, Some(NSID)));
        assert_eq!(padded(&message(0, None), &with_opt), with_opt, "no EDNS");
        assert_eq!(padded(&message(0, Some(NSID)), &with_opt), with_opt, "no padding");
        assert_eq!(padded(&message(0, Some(PADDED)), &plain), plain, "no EDNS in the reply");
        let already = message(1, Some(PADDED));
        assert_eq!(padded(&message(0, Some(PADDED)), &already), already);
        let bare = &plain[..HEADER_LEN];
        assert_eq!(padded(&message(0, Some(PADDED)), bare), bare, "a header alone");
    }

    proptest! {
        #[test]
        fn any_octets_are_padded_or_left(
            query in prop::collection::vec(any::<u8>(), 0..80),
            reply in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let query = [&message(0, Some(PADDED))[..11], query.as_slice()].concat();
            let padded = padded(&query, &reply);
            prop_assert!(padded == reply || padded.len() == BLOCK_LEN);
        }

        #[test]
        fn no_reply_grows_beyond_a_message(answers in 0..=255_u8, more in 0..65_535_usize) {
            let fill = vec![0; more.min(65_535 - 4 - message(answers, Some(&[])).len())];
            let options =
                [&[0, 99], (fill.len() as u16).to_be_bytes().as_slice(), fill.as_slice()].concat();
            let reply = message(answers, Some(&options));
            let padded = padded(&message(0, Some(PADDED)), &reply);
            prop_assert!(padded.len() <= usize::from(u16::MAX));
            prop_assert!(padded.len().is_multiple_of(BLOCK_LEN) || padded.len() > 65_000);
        }
    }
}
