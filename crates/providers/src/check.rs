//! Parses and checks credentials: when they arrive, so that their owners learn of errors at once, and when a client is made.

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

/// The part of a credential that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {why}")]
pub struct CredentialError {
    /// The part.
    pub part: CredentialPart,
    /// Its valid form, as the end of a sentence.
    pub why: Invalid,
}

/// Checks that a credential can be used.
///
/// # Errors
/// The first part that is missing or cannot be used.
pub fn check_credential(credential: &OpenedCredential) -> Result<(), CredentialError> {
    match credential.kind {
        CredentialType::Apn => apns(credential).map(|_| ()),
        CredentialType::Fcm => fcm(credential).map(|_| ()),
        // Such credentials are stored and shown, never used.
        CredentialType::Gcm => Ok(()),
    }
}

/// How an APNs credential authenticates.
pub(crate) enum ApnsSecrets<'a> {
    /// A `.p8` key.
    Token { pem: &'a str, key_id: &'a str, team_id: &'a str },
    /// A certificate with its key.
    Certificate(Identity),
}

/// Parses the secrets of an APNs credential.
pub(crate) fn apns(credential: &OpenedCredential) -> Result<ApnsSecrets<'_>, CredentialError> {
    let bad = |part| move |why| CredentialError { part, why };
    let missing = |part, why| CredentialError { part, why: Invalid::because(why) };
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

/// Parses a certificate and its key, and checks that they belong together: the TLS library would report that only when a
/// connection is made.
fn identity(certificate: &str, key: &str) -> Result<ApnsSecrets<'static>, CredentialError> {
    let bad = |part| move |why| CredentialError { part, why };
    let because = |part, why| CredentialError { part, why: Invalid::because(why) };
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

/// A service account.
pub(crate) struct ServiceAccount {
    pub(crate) project_id: String,
    pub(crate) client_email: String,
    pub(crate) private_key_id: Option<String>,
    pub(crate) key: SigningKey,
    pub(crate) token_uri: Url,
}

/// The members of a service account's JSON that are used.
#[derive(Deserialize)]
struct ServiceAccountJson {
    project_id: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<SecretText>,
    token_uri: Option<String>,
}

/// A text that is wiped when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(Secret);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// Google's token endpoint.
pub(crate) const GOOGLE_TOKEN: &str = "https://oauth2.googleapis.com/token";

/// Parses the service account of an FCM credential.
pub(crate) fn fcm(credential: &OpenedCredential) -> Result<ServiceAccount, CredentialError> {
    let secret = credential.secret.as_ref().map(Secret::expose).ok_or(Invalid::because(
        "is required: the JSON of a service account, from the Firebase console",
    ));
    let account = secret.and_then(service_account);
    account.map_err(|why| CredentialError { part: CredentialPart::Secret, why })
}

fn service_account(text: &str) -> Result<ServiceAccount, Invalid> {
    const FORM: Invalid = Invalid::because(
        "must be the JSON of a service account; Google switched server keys off in 2024",
    );
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    // In an environment variable the JSON is often in base64.
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
