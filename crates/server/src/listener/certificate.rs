//! A certificate that is read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The interval between looks at the files of a certificate.
const LOOK_AT_FILES: Duration = Duration::from_secs(10);

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The file of the chain.
    pub chain: PathBuf,
    /// The file of the private key.
    pub key: PathBuf,
    /// The interval between looks at both files.
    pub look_every: Duration,
}

impl Certificate {
    /// A certificate whose files are checked every ten seconds.
    pub const fn new(chain: PathBuf, key: PathBuf) -> Self {
        Self { chain, key, look_every: LOOK_AT_FILES }
    }

    /// Reads the certificate.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not belong to the certificate.
    pub(super) async fn load(self) -> anyhow::Result<Tls> {
        let config = self.read().await?;
        Ok(Tls { certificate: self, config: RwLock::new(config) })
    }

    /// Checks that the certificate can be used.
    ///
    /// # Errors
    /// It cannot be used.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.read().await.map(drop)
    }

    async fn read(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let (chain, key) = (self.chain.clone(), self.key.clone());
        let read = tokio::task::spawn_blocking(move || server_config(&chain, &key)).await?;
        read.with_context(|| {
            let chain = self.chain.display();
            format!("cannot use the certificate {chain} (http.tls_certificate, http.tls_key)")
        })
    }

    /// When each file was last modified.
    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.chain, &self.key].map(|path| path.metadata().and_then(|file| file.modified()).ok())
    }
}

fn server_config(chain: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let of_file = |path: &Path| path.display().to_string();
    let read = || CertificateDer::pem_file_iter(chain)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().with_context(|| of_file(chain))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| of_file(key))?;
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificate that new connections use.
pub(super) struct Tls {
    certificate: Certificate,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// The acceptor for a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Reads the certificate again, for new connections.
    ///
    /// # Errors
    /// The new certificate cannot be used; the old one stays in use.
    pub(super) async fn reload(&self) -> anyhow::Result<()> {
        let config = self.certificate.read().await?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Reads the certificate again when its files change, for new connections. An invalid one is logged, and the old
    /// one stays in use.
    pub(super) async fn reload_on_change(self: Arc<Self>) {
        let certificate = &self.certificate;
        let mut known = certificate.written();
        loop {
            tokio::time::sleep(certificate.look_every).await;
            let now = certificate.written();
            if now == known {
                continue;
            }
            known = now;
            let chain = certificate.chain.display();
            match self.reload().await {
                Ok(()) => tracing::info!(certificate = %chain, "the certificate was reloaded"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(certificate = %chain, error, "the new certificate is invalid; the old one stays in use");
                }
            }
        }
    }
}
