//! Certificates for the tests of probes over TLS: a signer of their own, in a file.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::model::{ServerName, TlsSettings};

/// The name that everything is asked for by.
pub(super) const NAME: &str = "api.example.test";
const DAY: Duration = Duration::from_secs(86_400);

pub(super) struct Pki {
    signer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Pki {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        let name = format!("signer {}", rand::random::<u64>());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let signer = CertifiedIssuer::self_signed(params, key).expect("signed");
        let pki = Self { signer, folder: tempfile::tempdir().expect("a folder") };
        pki.write(&pki.signer.pem());
        pki
    }

    /// The file with the signer.
    pub(super) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(super) fn write(&self, ca: &str) {
        fs::write(self.ca(), ca).expect("written");
    }

    pub(super) fn settings(&self) -> TlsSettings {
        TlsSettings {
            server_name: ServerName::Name(NAME.to_owned()),
            ca: Some(self.ca()),
            validity_min: TlsSettings::VALIDITY_MIN,
            validity_warn: TlsSettings::VALIDITY_WARN,
        }
    }

    /// A server with a certificate for `name`, good for so many days from now on, or until so many
    /// days ago.
    pub(super) fn server(&self, name: &str, days: i64, protocols: &[&str]) -> TlsAcceptor {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        let now = std::time::SystemTime::now();
        let end = match u32::try_from(days) {
            Ok(days) => now + DAY * days,
            Err(_) => now - DAY * u32::try_from(-days).expect("some days"),
        };
        params.not_after = end.into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.signer).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        let mut config = config.expect("a pair");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
