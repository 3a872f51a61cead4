//! Whom the system trusts, read off the runtime when that is first needed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, task::spawn_blocking};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

/// How old what was read may be: a system gets new certificates with its updates.
const AGE_MAX: Duration = Duration::from_secs(3_600);

/// The configuration of TLS, as of the last time that the certificates were read.
#[derive(Debug, Default)]
pub(super) struct Trust(Mutex<Option<(Instant, Arc<ClientConfig>)>>);

impl Trust {
    /// Not read yet, or not lately: read now. One that cannot be read leaves the last good one.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut known = self.0.lock().await;
        if let Some((read_at, config)) = &*known
            && read_at.elapsed() < AGE_MAX
        {
            return Ok(config.clone());
        }
        let read = spawn_blocking(|| from(system()?)).await.map_err(|error| error.to_string());
        let config = match (read.flatten(), &*known) {
            (Ok(config), _) => config,
            (Err(_), Some((_, before))) => before.clone(),
            (Err(why), None) => return Err(why),
        };
        *known = Some((Instant::now(), config.clone()));
        Ok(config)
    }

    #[cfg(test)]
    pub(super) fn of(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self(Mutex::new(Some((Instant::now(), from(certificates).expect("a good one")))))
    }
}

fn system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let whys: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let whys = if whys.is_empty() { "none is installed".to_owned() } else { whys.join("; ") };
        return Err(format!("the system's list of trusted certificates is empty: {whys}"));
    }
    Ok(found.certs)
}

fn from(certificates: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err("none of the certificates to trust can be read".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
