//! Two paths, one truth: where the common path replies, the general path says the same.

#![no_main]

use cutover_fuzz::STAGE;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| STAGE.check_paths(packet));
