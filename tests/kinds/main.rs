//! What a service answers beside its addresses, on the real daemon: HTTPS, SVCB, TXT and SRV of the
//! client's pool, pools at names of their own and shown before their time, and what is told from inside.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod ask;
mod balance;
#[path = "../common/mod.rs"]
mod common;
mod inside;
mod previews;
mod release;

use common::pools::Pools;

/// A release file with something of each type.
fn file(pools: &Pools, live: &str, more: &str, release: &str) -> String {
    let file = pools.file("LIVE", release).replace("\"LIVE\"", live);
    let of_pool =
        |number: u8| format!("pools.v{number}]\ntxt = [\"pool=v{number}\"]\nport = 8080\n");
    let file = file.replace("pools.v1]\n", &of_pool(1)).replace("pools.v2]\n", &of_pool(2));
    file.replace("ttl = \"1s\"\n", &format!("ttl = \"1s\"\n{more}\n"))
}

/// Of a service.
const ALL: &str = r#"https = { alpn = ["h2", "h3"], port = 8443 }
svcb = [{ prefix = "_dns", alpn = ["dot"], port = 853, hints = false }]
txt = ["owner=platform"]
srv = ["_http._tcp", { prefix = "_own._tcp", answers = "one", priority = 3 }]"#;
