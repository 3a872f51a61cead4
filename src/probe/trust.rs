//! Whose signatures probes over TLS trust: the system's list, or a file of their own.
//!
//! A list is read when it is first needed, and again when it is some seconds old, so that a file which
//! is replaced counts without an edit. One that cannot be read is no fault of an endpoint: the last good
//! one goes on, and without any the probe cannot be made. Revocation is not looked at.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{task::spawn_blocking, time::timeout};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};
use tracing::warn;

use super::Failure;

/// How old a list may be.
const AGE_MAX: Duration = Duration::from_secs(10);
/// The largest file that is read, in octets.
const FILE_LEN_MAX: u64 = 4 << 20;

/// How long it may take to read one.
const READ_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Trust {
    /// The lists, by the file that they are from; without a file the system's.
    known: Mutex<HashMap<Option<PathBuf>, Known>>,
    /// Of each, held while it is being read: all who need it wait for the same.
    reading: Mutex<HashMap<Option<PathBuf>, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Clone, Debug)]
struct Known {
    read_at: Instant,
    signers: Result<Arc<Signers>, String>,
}

/// Those who may sign, ready to be asked.
#[derive(Debug)]
pub(super) struct Signers {
    pub(super) verifier: Arc<WebPkiServerVerifier>,
    /// What they are made from: a list that has not changed stays as it is.
    certificates: Vec<CertificateDer<'static>>,
    configs: [Arc<ClientConfig>; 3],
}

/// What is spoken within TLS, as far as that is agreed on (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Unnamed,
    Http1,
    Http2,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Unnamed, Self::Http1, Self::Http2];

    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Unnamed => None,
            Self::Http1 => Some("http/1.1"),
            Self::Http2 => Some("h2"),
        }
    }
}

impl Trust {
    /// Those who may sign what is probed with this file, as they were when it was last read.
    pub(super) fn signers(&self, ca: Option<&Path>) -> Result<Arc<Signers>, Failure> {
        let known = self.known().get(&ca.map(Path::to_owned)).cloned();
        let unread = || Err("the certificates to trust have not been read".to_owned());
        known.map_or_else(unread, |known| known.signers).map_err(Failure::Ours)
    }

    /// Reads who may sign, if that was not done lately. Not within the time of a check: it says nothing
    /// about the endpoint how long that takes.
    pub(super) async fn look(&self, ca: Option<&Path>) {
        let key = ca.map(Path::to_owned);
        let is_fresh = || self.known().get(&key).is_some_and(|it| it.read_at.elapsed() < AGE_MAX);
        if is_fresh() {
            return;
        }
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = { reading }.entry(key.clone()).or_default().clone();
        let _reading = reading.lock().await;
        if is_fresh() {
            return;
        }
        let before = self.known().get(&key).and_then(|known| known.signers.clone().ok());
        let (path, kept) = (key.clone(), before.clone());
        let reading = spawn_blocking(move || read(path.as_deref(), kept));
        let signers = match (timeout(READ_MAX, reading).await, before) {
            (Ok(Ok(signers)), _) => signers,
            (Ok(Err(_)) | Err(_), Some(before)) => Ok(before),
            (Ok(Err(error)), None) => Err(error.to_string()),
            (Err(_), None) => Err("the certificates to trust cannot be read in time".to_owned()),
        };
        self.known().insert(key, Known { read_at: Instant::now(), signers });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Option<PathBuf>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a list; when it cannot be read, the one before goes on.
fn read(ca: Option<&Path>, before: Option<Arc<Signers>>) -> Result<Arc<Signers>, String> {
    let certificates = match ca {
        Some(path) => from_file(path),
        None => from_system(),
    };
    match (certificates, before) {
        (Ok(now), Some(before)) if now == before.certificates => Ok(before),
        (Ok(now), _) => Signers::new(now).map(Arc::new),
        (Err(why), Some(before)) => {
            warn!(why, "the certificates that probes trust stay as they were");
            Ok(before)
        }
        (Err(why), None) => Err(why),
    }
}

fn from_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let unreadable = |error| format!("the CA file {shown} cannot be read: {error}");
    // A pipe in place of the file does not stop us.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("the CA file {shown} is not a file"));
    }
    let mut octets = Vec::new();
    file.take(FILE_LEN_MAX).read_to_end(&mut octets).map_err(unreadable)?;
    let wrong = |error| format!("the CA file {shown} is no PEM: {error}");
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let certificates = certificates.map_err(wrong)?;
    match certificates.is_empty() {
        true => Err(format!("the CA file {shown} holds no certificate in PEM")),
        false => Ok(certificates),
    }
}

fn from_system() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let whys: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let whys = if whys.is_empty() { "none is installed".to_owned() } else { whys.join("; ") };
        return Err(format!("the system's list of trusted certificates is empty: {whys}"));
    }
    Ok(found.certs)
}

impl Signers {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err("none of the certificates to trust can be read".to_owned());
        }
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| error.to_string())?;
        let config = |protocol| config(provider.clone(), verifier.clone(), protocol);
        let [unnamed, http1, http2] = Protocol::ALL.map(config);
        Ok(Self { verifier, certificates, configs: [unnamed?, http1?, http2?] })
    }

    pub(super) fn config(&self, protocol: Protocol) -> Arc<ClientConfig> {
        self.configs[protocol as usize].clone()
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    protocol: Protocol,
) -> Result<Arc<ClientConfig>, String> {
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    let mut config = config.with_webpki_verifier(verifier).with_no_client_auth();
    config.alpn_protocols =
        protocol.name().map(|name| name.as_bytes().to_vec()).into_iter().collect();
    // Each handshake is a whole one: it is what is being probed.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::{super::pki::Pki, *};

    #[test]
    fn a_file_that_turns_bad_leaves_the_last_good_one() {
        let (pki, other) = (Pki::new(), Pki::new());
        let ca = pki.ca();
        let first = read(Some(&ca), None).expect("good");
        let again = read(Some(&ca), Some(first.clone())).expect("good");
        assert!(Arc::ptr_eq(&first, &again), "it has not changed");
        pki.write("half writ");
        assert!(read(Some(&ca), None).is_err());
        let kept = read(Some(&ca), Some(first.clone())).expect("the last good one");
        assert!(Arc::ptr_eq(&first, &kept));
        std::fs::copy(other.ca(), &ca).expect("copied");
        let replaced = read(Some(&ca), Some(first.clone())).expect("good");
        assert_ne!(replaced.certificates, first.certificates);
    }
}
