//! Like `reply` and `paths`, on packets that are made up from the octets and so are mostly
//! questions: they get further than octets do.

#![no_main]

use cutover_fuzz::STAGE;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|choices: &[u8]| {
    let packet = STAGE.packet(choices);
    // A bit of the ID, which nothing else depends on.
    match packet.get(1).is_some_and(|low| low & 4 != 0) {
        true => STAGE.check_paths(&packet),
        false => STAGE.check_replies(&packet),
    }
});
