//! What the page is drawn with. Each has a hash of its content in its name, so that a browser may keep it
//! for ever and still has the one that belongs to the page.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use ring::digest;

/// One file.
pub(super) struct Asset {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

/// All of them.
pub(super) struct Assets {
    pub(super) style: Asset,
    pub(super) script: Asset,
    pub(super) acts: Asset,
    pub(super) icon: Asset,
}

pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: asset("page", "css", "text/css; charset=utf-8", include_str!("page.css")),
    script: asset("page", "js", "text/javascript; charset=utf-8", include_str!("page.js")),
    acts: asset("act", "js", "text/javascript; charset=utf-8", include_str!("act.js")),
    icon: asset("icon", "svg", "image/svg+xml", include_str!("icon.svg")),
});

impl Assets {
    /// The one at a path.
    pub(super) fn at(&self, path: &str) -> Option<&Asset> {
        let all = [&self.style, &self.script, &self.acts, &self.icon];
        all.into_iter().find(|asset| asset.path == path)
    }
}

fn asset(name: &str, ending: &str, kind: &'static str, text: &'static str) -> Asset {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let hash = HEXLOWER.encode(&hash.as_ref()[..8]);
    Asset { path: format!("/assets/{name}-{hash}.{ending}"), kind, text }
}
