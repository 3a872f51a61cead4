//! Octets in, reply out: every reply keeps to the RFCs, and no packet makes us allocate much.

#![no_main]

use cutover_fuzz::STAGE;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| STAGE.check_replies(packet));
