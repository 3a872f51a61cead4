//! The secrets of DNS cookies, kept the same as their file without a restart.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::{
    config::secrets::{LoadError, Loaded, OpenTo, SecretsFile, load},
    dns::Plane,
    model::CookieSecrets,
};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The secrets to start with: those of the file, or one that nobody else has.
pub(super) fn first(file: Option<&Path>) -> Result<CookieSecrets, LoadError> {
    let Some(path) = file else { return Ok(CookieSecrets::random(rand::random())) };
    let loaded = load(path)?;
    warn_if_open(path, &loaded);
    Ok(loaded.secrets)
}

/// Looks at the file again and again, and at once when `asked`; until aborted.
pub(super) async fn watch(path: PathBuf, plane: Arc<Plane>, asked: Arc<Notify>) {
    let mut file = SecretsFile::new(path.clone());
    // What it holds now is what we started with.
    let _ = file.reload();
    loop {
        let at_once = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = asked.notified() => true,
        };
        // Files may hang, and the control plane must not.
        let look = tokio::task::spawn_blocking(move || {
            let said = if at_once { Some(file.reload()) } else { file.poll() };
            (file, said)
        });
        let Ok((looked, said)) = look.await else { return };
        file = looked;
        match said {
            None => {}
            Some(Ok(loaded)) => {
                warn_if_open(&path, &loaded);
                info!(path = %path.display(), "the secrets of DNS cookies were read again");
                plane.responder.set_secrets(loaded.secrets);
            }
            Some(Err(why)) => error!(
                %why,
                "the secrets of DNS cookies on disk were refused: the last good ones stay"
            ),
        }
    }
}

fn warn_if_open(path: &Path, loaded: &Loaded) {
    if loaded.open_to == OpenTo::Everyone {
        warn!(
            path = %path.display(),
            "every user of this machine can read or write the secrets of DNS cookies"
        );
    }
}
