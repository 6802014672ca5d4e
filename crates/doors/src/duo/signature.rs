//! Signatures of requests: HMACs over a text that is made of the request, in four versions.

use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::secret::Secret;
use data_encoding::HEXLOWER;
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};

use super::failure::Failure;
use super::parameters::Parameters;

/// Headers with this beginning are signed by version 5.
const OWN_HEADERS: &str = "x-duo-";
/// The date, where a client's library sets `Date` itself.
const OWN_DATE: &str = "x-duo-date";

/// The key and the signature of a request, as `Authorization` holds them.
pub(crate) struct Credentials {
    /// The key of the integration.
    pub(crate) key: String,
    /// The signature in lower-case hexadecimal digits.
    pub(crate) digits: String,
    mac: Vec<u8>,
}

impl Credentials {
    /// Reads `Authorization`.
    ///
    /// # Errors
    /// [`Failure::NoCredentials`].
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        Self::read(headers).ok_or(Failure::NoCredentials)
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = header.split_once(' ')?;
        let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(token.trim()))?;
        let pair = String::from_utf8(pair.ok()?).ok()?;
        let (key, digits) = pair.split_once(':')?;
        let mac = HEXLOWER.decode(digits.as_bytes()).ok()?;
        Some(Self { key: key.to_owned(), digits: digits.to_owned(), mac })
    }

    /// The algorithm, which the length of the signature tells.
    fn algorithm(&self) -> Option<hmac::Algorithm> {
        match self.mac.len() {
            20 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            64 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }
}

/// The version of a signature, by what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Method, host, path and parameters.
    V1,
    /// As version 1, and the date.
    V2,
    /// As version 2, and the body.
    V4,
    /// As version 4, and the headers of the protocol.
    V5,
}

/// The parts of a request that a signature may cover.
pub(crate) struct SignedRequest<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The host as it was asked for, with or without a port.
    pub(crate) host: &'a str,
    /// The path as it was sent.
    pub(crate) path: &'a str,
    /// The parameters.
    pub(crate) parameters: &'a Parameters,
    /// The body.
    pub(crate) body: &'a [u8],
    /// Whether the body is JSON.
    pub(crate) is_json: bool,
    /// All headers.
    pub(crate) headers: &'a HeaderMap,
}

impl SignedRequest<'_> {
    /// The date that is signed, if there is one.
    pub(crate) fn date(&self) -> Option<&str> {
        let date = self.headers.get(OWN_DATE).or_else(|| self.headers.get(DATE));
        date?.to_str().ok()
    }

    /// The version in which this secret has signed the request; `None` if it has not.
    pub(crate) fn signed_by(&self, secret: &Secret, credentials: &Credentials) -> Option<Version> {
        let key = hmac::Key::new(credentials.algorithm()?, secret.expose().as_bytes());
        let is_signed = |version: Version| {
            let texts = self.canonical(version);
            texts.iter().any(|text| hmac::verify(&key, text.as_bytes(), &credentials.mac).is_ok())
        };
        self.candidates(credentials).iter().copied().find(|version| is_signed(*version))
    }

    /// The versions that a request of this form may have.
    fn candidates(&self, credentials: &Credentials) -> &'static [Version] {
        let has_long_signature = credentials.mac.len() == 64;
        match (self.date().is_some(), self.is_json, has_long_signature) {
            (false, ..) => &[Version::V1],
            // A body that is JSON has no parameters, so version 2 would not cover it.
            (true, true, true) => &[Version::V5, Version::V4],
            (true, true, false) => &[],
            (true, false, true) => &[Version::V2, Version::V5, Version::V4, Version::V1],
            (true, false, false) => &[Version::V2, Version::V1],
        }
    }

    /// The text that is signed: lines without an end. Version 5 is unclear about `X-Duo-Date`, so it has two texts if there
    /// is one.
    fn canonical(&self, version: Version) -> Vec<String> {
        let has_body = self.method != "GET";
        let host = without_port(self.host).to_ascii_lowercase();
        let covers_body = matches!(version, Version::V4 | Version::V5);
        let parameters =
            if covers_body && has_body { String::new() } else { self.parameters.canonical() };
        let mut lines: Vec<String> = Vec::new();
        if version != Version::V1 {
            lines.push(self.date().unwrap_or_default().to_owned());
        }
        lines.extend([self.method.to_owned(), host, self.path.to_owned(), parameters]);
        if covers_body {
            lines.push(sha512(if has_body { self.body } else { b"" }));
        }
        let text = lines.join("\n");
        if version != Version::V5 {
            return vec![text];
        }
        let mut own = vec![format!("{text}\n{}", sha512(&self.own_headers(true)))];
        if self.headers.contains_key(OWN_DATE) {
            own.push(format!("{text}\n{}", sha512(&self.own_headers(false))));
        }
        own
    }

    /// The headers of the protocol, sorted: names and values with zero bytes between.
    fn own_headers(&self, with_date: bool) -> Vec<u8> {
        let is_own = |name: &str| name.starts_with(OWN_HEADERS) && (with_date || name != OWN_DATE);
        let own = self.headers.iter().filter(|(name, _)| is_own(name.as_str()));
        let mut own: Vec<_> =
            own.map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]).collect();
        own.sort_unstable();
        own.concat().join(&0)
    }
}

fn sha512(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA512, bytes).as_ref())
}

/// The host without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
