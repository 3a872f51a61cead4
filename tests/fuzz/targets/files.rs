//! Text in: the files that a person edits, zone files too, and the cookie secrets. What is refused says where.

#![no_main]

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use cutover::{
    config::{release, settings, zone_file},
    model::{CookieSecrets, Outside, Zones},
};
use cutover_fuzz::allocator::measured;
use libfuzzer_sys::fuzz_target;

/// What one file may make us allocate, in octets: so much for each of its own, and fifty mistakes
/// drawn for people in each of three files.
const ALLOCATED_PER_OCTET_MAX: usize = 4 << 10;
const ALLOCATED_MAX: usize = 6 << 20;

static ZONE: LazyLock<Zones> = LazyLock::new(|| {
    let text = include_str!("../../../config/cutover.toml");
    settings::parse(Path::new("cutover.toml"), text).expect("the example").zones
});

fuzz_target!(|text: &str| {
    let zone = &*ZONE;
    let (refusals, allocated) = measured(|| {
        let settings = settings::parse(Path::new("cutover.toml"), text).map(drop);
        let release =
            release::parse(Path::new("release.toml"), text, zone, &Outside::default()).map(drop);
        let _ = CookieSecrets::parse(text);
        let lines = BTreeMap::new();
        let zone = zone_file::parse(Path::new("zone.db"), text, zone.first(), &lines).map(drop);
        [settings, release, zone].map(|parsed| parsed.err().map(|rejected| rejected.to_string()))
    });
    for refusal in refusals.into_iter().flatten() {
        assert!(refusal.contains("error"), "{refusal}");
    }
    let most = ALLOCATED_MAX + ALLOCATED_PER_OCTET_MAX * text.len();
    assert!(allocated <= most, "{allocated} octets for {}", text.len());
});
