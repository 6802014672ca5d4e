//! A certificate authority for the stand-ins and for clients with certificates.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::error::Error;

/// Signs the certificates of stand-ins. Clients must trust [`pem`](Self::pem).
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pem: String,
    names: Vec<String>,
}

/// A client certificate and its key.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate, in PEM.
    pub certificate_pem: String,
    /// Its private key: PKCS#8 in PEM.
    pub private_key_pem: String,
    /// The certificate in DER.
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    /// A new authority. Its server certificates name `localhost`, `127.0.0.1`, `::1` and `more`.
    ///
    /// # Errors
    /// A name is not valid in a certificate.
    pub fn new(more: &[String]) -> Result<Self, Error> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        names.extend(more.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());

        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "Countersign stand-ins");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let (root, pem) = (certificate.der().clone(), certificate.pem());
        let authority = Self { issuer: Issuer::new(params, key), root, pem, names };
        // Reports an invalid name here and not at the first server.
        authority.server_certificate()?;
        Ok(authority)
    }

    /// The root certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a client of this name.
    ///
    /// # Errors
    /// The name is not valid in a certificate.
    pub fn client_certificate(&self, name: &str) -> Result<ClientCertificate, Error> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(ClientCertificate {
            certificate_pem: certificate.pem(),
            private_key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
        })
    }

    /// The TLS configuration of a server with these ALPN protocols. It verifies client certificates of this authority.
    pub(crate) fn server(&self, protocols: &[&str]) -> Result<Arc<ServerConfig>, Error> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone())?;
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        let (certificate, key) = self.server_certificate()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn server_certificate(
        &self,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), Error> {
        let mut params = CertificateParams::new(self.names.clone())?;
        params.distinguished_name.push(DnType::CommonName, "Countersign stand-in");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok((certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into())))
    }
}
