//! Octets in, octets out, however they are cut.

use proptest::prelude::*;

use super::{
    super::frames::{Halt, answer_all, lacking},
    *,
};

fn client() -> SocketAddr {
    ([192, 0, 2, 1], 4000).into()
}

proptest! {
    #[test]
    fn the_replies_do_not_depend_on_how_the_octets_are_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 12..300), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        // Echoes of all of them.
        let messages: Vec<Vec<u8>> = messages.into_iter().map(|mut message| {
            message[0] = ECHO;
            message
        }).collect();
        let input: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        let cut = cut.index(input.len() + 1);
        let mut output = Vec::new();
        let first = answer_all(&mut &Stub::default(), client(), &input[..cut], &mut output);
        prop_assert_eq!(first.halt, Halt::Starved);
        prop_assert!(first.consumed <= cut);
        prop_assert!(lacking(&input[first.consumed..cut]) > 0);
        let rest = answer_all(&mut &Stub::default(), client(), &input[first.consumed..], &mut output);
        prop_assert_eq!(first.consumed + rest.consumed, input.len());
        prop_assert!(output == input);
    }

    #[test]
    fn any_octets_are_taken_without_a_panic_and_progress_is_never_beyond_them(
        input in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut output = Vec::new();
        let answered = answer_all(&mut Silent, client(), &input, &mut output);
        prop_assert!(answered.consumed <= input.len());
        prop_assert!(output.is_empty() && !answered.replied);
        if answered.halt == Halt::Starved {
            prop_assert!(lacking(&input[answered.consumed..]) > 0);
        }
    }
}

#[test]
fn replies_are_sent_before_they_grow_without_bound() {
    let input = framed(&message(BIG, 0)).repeat(10);
    let mut output = Vec::new();
    let answered = answer_all(&mut &Stub::default(), client(), &input, &mut output);
    assert_eq!((answered.halt, answered.consumed), (Halt::Full, 2 + MESSAGE_LEN));
    assert_eq!(output.len(), 2 + BIG_LEN);
}

#[test]
fn what_comes_before_a_frame_without_room_for_a_header_is_answered() {
    let input = [framed(&message(ECHO, 1)), framed(&[0; 11])].concat();
    let mut output = Vec::new();
    let answered = answer_all(&mut &Stub::default(), client(), &input, &mut output);
    assert_eq!((answered.halt, answered.consumed), (Halt::Astray, 2 + MESSAGE_LEN));
    assert_eq!(output, framed(&message(ECHO, 1)));
}

struct Silent;

impl Sitting for Silent {
    fn answer(&mut self, _packet: &[u8], _client: SocketAddr, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn end(self, _delay: Duration) {}
}
