//! Whether a credential can be used at all: asked when it arrives, so that its owner hears of it at once, and again when
//! a client is made from it.

use countersign_domain::base64::decode;
use countersign_domain::credential::{CredentialPart, CredentialType};
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use reqwest::Identity;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use url::Url;

use crate::jwt::SigningKey;
use crate::pem;
use crate::source::OpenedCredential;

/// Which part of a credential is no use, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub struct BadCredential {
    /// The part.
    pub part: CredentialPart,
    /// What it must be.
    pub why: Invalid,
}

/// Whether a credential can be used.
///
/// # Errors
/// The first part that cannot, or is missing.
pub fn check_credential(credential: &OpenedCredential) -> Result<(), BadCredential> {
    match credential.kind {
        CredentialType::Apn => apns(credential).map(|_| ()),
        CredentialType::Fcm => fcm(credential).map(|_| ()),
        // Kept and shown only.
        CredentialType::Gcm => Ok(()),
    }
}

/// What Apple is shown.
pub(crate) enum ApnsSecrets<'a> {
    /// A `.p8` key.
    Token { pem: &'a str, key_id: &'a str, team_id: &'a str },
    /// A certificate with its key.
    Certificate(Identity),
}

/// The secrets of a credential for Apple.
pub(crate) fn apns(credential: &OpenedCredential) -> Result<ApnsSecrets<'_>, BadCredential> {
    let bad = |part| move |why| BadCredential { part, why };
    let missing = |part, why| BadCredential { part, why: Invalid::because(why) };
    if let Some(topic) = &credential.topic
        && (topic.is_empty() || !topic.bytes().all(|c| c.is_ascii_graphic()))
    {
        return Err(missing(CredentialPart::Topic, "must be an app's bundle id"));
    }
    let key = credential.private_key.as_ref().map(Secret::expose);
    let key = key.ok_or(missing(
        CredentialPart::PrivateKey,
        "is required: the PEM of a .p8 key with KeyId and TeamId, or of a certificate's key",
    ))?;
    match (credential.key_id.as_deref(), credential.team_id.as_deref(), &credential.certificate) {
        (Some(key_id), Some(team_id), _) => {
            apple_id(key_id).map_err(bad(CredentialPart::KeyId))?;
            apple_id(team_id).map_err(bad(CredentialPart::TeamId))?;
            SigningKey::p256(key).map_err(bad(CredentialPart::PrivateKey))?;
            Ok(ApnsSecrets::Token { pem: key, key_id, team_id })
        }
        (Some(_), None, _) => Err(missing(CredentialPart::TeamId, "is required with KeyId")),
        (None, Some(_), _) => Err(missing(CredentialPart::KeyId, "is required with TeamId")),
        (None, None, Some(certificate)) => identity(certificate.expose(), key),
        (None, None, None) => Err(missing(
            CredentialPart::Certificate,
            "is required, or else KeyId and TeamId of a .p8 key",
        )),
    }
}

fn apple_id(id: &str) -> Result<(), Invalid> {
    if id.len() == 10 && id.bytes().all(|c| c.is_ascii_alphanumeric()) {
        Ok(())
    } else {
        Err(Invalid::because("must be the ten letters and digits that Apple gave"))
    }
}

/// A certificate and its key, put into the form that the TLS library reads. That they belong together is asked of that
/// library, which would refuse them otherwise only when the connection is made.
fn identity(certificate: &str, key: &str) -> Result<ApnsSecrets<'static>, BadCredential> {
    let bad = |part| move |why| BadCredential { part, why };
    let because = |part, why| BadCredential { part, why: Invalid::because(why) };
    const NO_KEY: &str = "must hold a private key: PKCS#8, PKCS#1 or SEC 1";
    const NO_CERTIFICATE: &str = "must hold a certificate: -----BEGIN CERTIFICATE-----";

    let chain = pem::blocks(certificate).map_err(bad(CredentialPart::Certificate))?;
    let chain = chain.into_iter().filter(|block| block.label == "CERTIFICATE");
    let chain: Vec<_> = chain.map(|block| CertificateDer::from(block.der)).collect();
    if chain.is_empty() {
        return Err(because(CredentialPart::Certificate, NO_CERTIFICATE));
    }
    let key = pem::blocks(key).map_err(bad(CredentialPart::PrivateKey))?;
    let key = key.into_iter().find_map(|block| {
        let der: PrivateKeyDer<'static> = match block.label.as_str() {
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(block.der).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(block.der).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(block.der).into(),
            _ => return None,
        };
        Some((block.label, der))
    });
    let (label, key) = key.ok_or(because(CredentialPart::PrivateKey, NO_KEY))?;
    let signing =
        any_supported_type(&key).map_err(|_| because(CredentialPart::PrivateKey, NO_KEY))?;
    let matches = CertifiedKey::new(chain.clone(), signing).keys_match();
    matches.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            because(CredentialPart::PrivateKey, "must be the certificate's own key")
        }
        _ => because(CredentialPart::Certificate, NO_CERTIFICATE),
    })?;

    let mut text = pem::render(&label, key.secret_der());
    for certificate in &chain {
        text.push_str(&pem::render("CERTIFICATE", certificate));
    }
    let identity = Identity::from_pem(text.as_bytes());
    identity
        .map(ApnsSecrets::Certificate)
        .map_err(|_| because(CredentialPart::Certificate, NO_CERTIFICATE))
}

/// What Google is shown.
pub(crate) struct ServiceAccount {
    pub(crate) project_id: String,
    pub(crate) client_email: String,
    pub(crate) private_key_id: Option<String>,
    pub(crate) key: SigningKey,
    pub(crate) token_uri: Url,
}

/// The members of the JSON that Firebase gives out; all others are of no use to us.
#[derive(Deserialize)]
struct ServiceAccountJson {
    project_id: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<Secretive>,
    token_uri: Option<String>,
}

/// Wiped when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secretive(Secret);

impl From<String> for Secretive {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// Where Google gives out access tokens.
pub(crate) const GOOGLE_TOKEN: &str = "https://oauth2.googleapis.com/token";

/// The service account of a credential for Google.
pub(crate) fn fcm(credential: &OpenedCredential) -> Result<ServiceAccount, BadCredential> {
    let secret = credential.secret.as_ref().map(Secret::expose).ok_or(Invalid::because(
        "is required: the JSON of a service account, from the Firebase console",
    ));
    let account = secret.and_then(service_account);
    account.map_err(|why| BadCredential { part: CredentialPart::Secret, why })
}

fn service_account(text: &str) -> Result<ServiceAccount, Invalid> {
    const FORM: Invalid = Invalid::because(
        "must be the JSON of a service account; Google switched server keys off in 2024",
    );
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    // As a variable of the environment it is often in base64.
    let unwrapped = (!text.starts_with('{')).then(|| decode(text)).flatten();
    let bytes = unwrapped.as_deref().unwrap_or(text.as_bytes());
    let json: ServiceAccountJson = serde_json::from_slice(bytes).map_err(|_| FORM)?;
    let member = |value: Option<String>, why| {
        value.filter(|text| !text.is_empty()).ok_or(Invalid::because(why))
    };
    let key = json.private_key.ok_or(Invalid::because("must hold a private_key"))?;
    let key = SigningKey::rsa(key.0.expose())
        .map_err(|why| Invalid(format!("must hold a private_key, which {why}").into()))?;
    let token_uri = json.token_uri.as_deref().unwrap_or(GOOGLE_TOKEN);
    Ok(ServiceAccount {
        project_id: member(json.project_id, "must hold a project_id")?,
        client_email: member(json.client_email, "must hold a client_email")?,
        private_key_id: json.private_key_id,
        token_uri: Url::parse(token_uri)
            .map_err(|_| Invalid::because("must hold a token_uri that is a URL"))?,
        key,
    })
}

#[cfg(test)]
mod tests;
