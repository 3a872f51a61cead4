//! The certificate that is shown, kept the same as the pair of files on disk without a restart.
//!
//! The files are looked at every few seconds, and a change is taken once two looks in a row see the
//! same, so that a pair which is being written is seldom judged. A pair that cannot be used never
//! takes the place of a good one. Handshakes take what is there when they happen; connections that
//! are open are not concerned.

use std::{
    fs::OpenOptions,
    hash::{BuildHasher, RandomState},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tokio::sync::Notify;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        Error as TlsError, InconsistentKeys, ServerConfig, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
        version::{TLS12, TLS13},
    },
};
use tracing::{error, info};

/// The largest file that is read, in octets.
const FILE_LEN_MAX: u64 = 1 << 20;
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why a pair of files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("the {what} {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no usable {what} in PEM: {reason}", path.display())]
    NotPem {
        /// What it should be.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two good files that are not a pair.
    #[error(
        "the key {} does not belong to the first certificate in {}",
        key.display(), certificate.display()
    )]
    NotAPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Anything else.
    #[error(
        "the certificate {} and the key {} cannot be used: {reason}",
        certificate.display(), key.display()
    )]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: TlsError,
    },
    /// Two metrics have one name: a fault of this program.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The pair on disk and the one that is shown.
pub(super) struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    shown: Arc<Shown>,
    looks: Mutex<Looks>,
    hasher: RandomState,
    asked: Notify,
    loaded: IntCounter,
    refused: IntCounter,
}

impl Certificates {
    /// Loads the first pair, which has to be good.
    pub(super) fn load(
        certificate: &Path,
        key: &Path,
        registry: &Registry,
    ) -> Result<Self, CertificateError> {
        let reloads = IntCounterVec::new(
            Opts::new(
                "cutover_tls_reloads_total",
                "Changes of the certificate of encrypted transports that were loaded or refused.",
            ),
            &["result"],
        )?;
        registry.register(Box::new(reloads.clone()))?;
        let pair = Pair::read(certificate, key);
        let hasher = RandomState::new();
        let seen = pair.fingerprint(&hasher);
        let shown = Shown(ArcSwap::from_pointee(pair.certified(certificate, key)?));
        info!(certificate = %certificate.display(), "the certificate was loaded");
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            shown: Arc::new(shown),
            looks: Mutex::new(Looks { judged: seen, last: seen }),
            hasher,
            asked: Notify::new(),
            loaded: reloads.with_label_values(&["loaded"]),
            refused: reloads.with_label_values(&["refused"]),
        })
    }

    /// Looks again and again, until aborted.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            let at_once = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                () = self.asked.notified() => true,
            };
            let this = self.clone();
            // Files may hang, and answers must not. After a panic the next look may do better.
            let _ = tokio::task::spawn_blocking(move || this.look(at_once)).await;
        }
    }

    /// Looks at once, and says what is found even if it is what was there before.
    pub(super) fn reload(&self) {
        self.asked.notify_one();
    }

    fn look(&self, at_once: bool) {
        let pair = Pair::read(&self.certificate, &self.key);
        let seen = pair.fingerprint(&self.hasher);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if !looks.is_to_be_judged(seen, at_once) {
            return;
        }
        match pair.certified(&self.certificate, &self.key) {
            Ok(certified) => {
                self.shown.0.store(Arc::new(certified));
                self.loaded.inc();
                let certificate = self.certificate.display();
                info!(%certificate, "the certificate was loaded again and is shown from now on");
            }
            Err(why) => {
                self.refused.inc();
                error!(
                    %why,
                    "the certificate on disk was refused and is not what is shown: \
                     the last good one stays"
                );
            }
        }
    }
}

/// What has been seen of the files, as fingerprints of their content.
struct Looks {
    judged: u64,
    last: u64,
}

impl Looks {
    /// A change is judged once, when it has come to rest.
    fn is_to_be_judged(&mut self, seen: u64, at_once: bool) -> bool {
        let rests = std::mem::replace(&mut self.last, seen) == seen;
        let judge = at_once || rests && seen != self.judged;
        if judge {
            self.judged = seen;
        }
        judge
    }
}

/// The content of both files, or why there is none.
struct Pair {
    certificate: io::Result<Vec<u8>>,
    key: io::Result<Vec<u8>>,
}

impl Pair {
    fn read(certificate: &Path, key: &Path) -> Self {
        Self { certificate: octets(certificate), key: octets(key) }
    }

    /// Stands for the content, so that no second copy of a key is kept.
    fn fingerprint(&self, hasher: &RandomState) -> u64 {
        let [certificate, key] =
            [&self.certificate, &self.key].map(|read| read.as_ref().map_err(|error| error.kind()));
        hasher.hash_one((certificate, key))
    }

    fn certified(self, certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
        let unreadable = |what, path: &Path| {
            let path = path.to_owned();
            move |reason| CertificateError::Unreadable { what, path, reason }
        };
        let chain = self.certificate.map_err(unreadable("certificate", certificate))?;
        let private = self.key.map_err(unreadable("key", key))?;
        let not_pem = |what, path: &Path, reason: &pem::Error| {
            let reason = match reason {
                pem::Error::NoItemsFound => "there is none".to_owned(),
                other => other.to_string(),
            };
            CertificateError::NotPem { what, path: path.to_owned(), reason }
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|error| not_pem("certificate", certificate, &error))?;
        if chain.is_empty() {
            return Err(not_pem("certificate", certificate, &pem::Error::NoItemsFound));
        }
        let private = PrivateKeyDer::from_pem_slice(&private)
            .map_err(|error| not_pem("private key", key, &error))?;
        let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
        certified.map_err(|reason| {
            let (certificate, key) = (certificate.to_owned(), key.to_owned());
            match reason {
                TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    CertificateError::NotAPair { certificate, key }
                }
                reason => CertificateError::Unusable { certificate, key, reason },
            }
        })
    }
}

/// The whole of a regular file; never waits for the other end of a pipe.
fn octets(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut octets = Vec::new();
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut octets)?;
    match octets.len() as u64 > FILE_LEN_MAX {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB")),
        false => Ok(octets),
    }
}

/// The certificate of every handshake, whatever name the client asks for.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Shakes hands for streams, by TLS 1.2 or 1.3 (RFC 9325).
pub(super) fn acceptor(certificates: &Certificates, alpn: &[u8]) -> TlsAcceptor {
    Arc::new(config(certificates, &[&TLS13, &TLS12], alpn)).into()
}

/// Shakes hands for one protocol. No early data is taken: it could be replayed.
pub(super) fn config(
    certificates: &Certificates,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[u8],
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("invariant: ring has cipher suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(certificates.shown.clone());
    config.alpn_protocols = vec![alpn.to_vec()];
    // Clients that come back are spared a whole handshake, and nothing is kept here for them.
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_judged_once_and_only_at_rest() {
        let mut looks = Looks { judged: 1, last: 1 };
        let mut look = |seen, at_once| looks.is_to_be_judged(seen, at_once);
        assert!(!look(1, false), "nothing has changed");
        assert!(!look(2, false) && !look(3, false), "it is still changing");
        assert!(look(3, false), "it rests");
        assert!(!look(3, false), "it has been judged");
        assert!(!look(4, false) && !look(3, false) && !look(3, false), "it came back");
        assert!(look(5, true) && !look(5, false), "at once");
        assert!(look(5, true), "whoever asks is told, changed or not");
    }
}
