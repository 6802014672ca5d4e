//! The token that identifies a service to a browser's push service (RFC 8292), signed with the service's VAPID key.

use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::invalid::Invalid;
use countersign_domain::secret::Secret;
use countersign_domain::world::Clock;
use serde_json::json;
use url::Url;

use crate::jwt::{CannotSign, IssueTime, SigningKey};
use crate::lock::lock;

/// The lifetime of a token. RFC 8292 allows a day.
const TTL: Duration = Duration::from_secs(12 * 60 * 60);
/// The age at which a token is replaced.
const RENEW_AFTER: Duration = Duration::from_secs(6 * 60 * 60);

/// A new VAPID key.
pub struct NewVapidKey {
    /// The private key: base64url of its 32 bytes.
    pub private_key: Secret,
    /// The `applicationServerKey` of browsers: base64url of the uncompressed point.
    pub public_key: String,
}

/// Generates a VAPID key with the cryptographic library's randomness.
pub fn new_vapid_key() -> NewVapidKey {
    let key = PrivateKey::generate(&ECDH_P256).expect("the library has randomness");
    let private: EcPrivateKeyBin<'_> = key.as_be_bytes().expect("a P-256 key has 32 bytes");
    let public = key.compute_public_key().expect("a private key has a public one");
    NewVapidKey {
        private_key: Secret::new(URL_SAFE_NO_PAD.encode(private.as_ref())),
        public_key: URL_SAFE_NO_PAD.encode(public.as_ref()),
    }
}

/// The public key of a private key, in the form that browsers take.
///
/// # Errors
/// The private key cannot be parsed.
pub fn vapid_public_key(private_key: &Secret) -> Result<String, Invalid> {
    read(private_key).map(|key| URL_SAFE_NO_PAD.encode(key.point()))
}

fn read(private_key: &Secret) -> Result<SigningKey, Invalid> {
    let text = private_key.expose();
    if text.contains("-----BEGIN") {
        return SigningKey::p256(text);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    let form = Invalid::because("must be base64url of 32 bytes, or PKCS#8 in PEM");
    SigningKey::p256_raw(&bytes.map_err(|_| form)?)
}

/// The tokens of one service for one push service.
pub(super) struct Vapid {
    key: SigningKey,
    audience: String,
    subject: String,
    cached: Mutex<Option<(IssueTime, String)>>,
}

impl Vapid {
    pub(super) fn new(
        private_key: &Secret,
        endpoint: &Url,
        subject: &str,
    ) -> Result<Self, Invalid> {
        Ok(Self {
            key: read(private_key)?,
            audience: endpoint.origin().ascii_serialization(),
            subject: subject.to_owned(),
            cached: Mutex::default(),
        })
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self, clock: &dyn Clock) -> Result<String, CannotSign> {
        let mut cached = lock(&self.cached);
        // Also by the time of day: the push service compares `exp` with its own, and rejects without naming the cause.
        if let Some((signed, header)) = &*cached
            && signed.is_within(RENEW_AFTER, clock)
            && clock.now().since(signed.issued_at) < TTL - RENEW_AFTER / 2
        {
            return Ok(header.clone());
        }
        let signed = IssueTime::now(clock);
        let claims = json!({
            "aud": self.audience,
            "exp": (signed.issued_at + TTL).as_seconds(),
            "sub": self.subject,
        });
        let token = self.key.sign(json!({ "typ": "JWT" }), &claims)?;
        let public = URL_SAFE_NO_PAD.encode(self.key.point());
        let header = format!("vapid t={token}, k={public}");
        *cached = Some((signed, header.clone()));
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::ManualClock;

    use super::*;
    use crate::fixtures;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_new_key_is_read_and_its_public_half_found() {
        let new = new_vapid_key();
        assert_eq!(vapid_public_key(&new.private_key), Ok(new.public_key.clone()));
        assert_eq!((new.private_key.expose().len(), new.public_key.len()), (43, 87));
        assert!(vapid_public_key(&Secret::new(fixtures::p256_pem())).is_ok());
        for wrong in ["", "AAAA", "not base64", "-----BEGIN PRIVATE KEY-----"] {
            assert!(vapid_public_key(&Secret::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_names_the_origin_and_is_reused_for_a_while() {
        let new = new_vapid_key();
        let endpoint = Url::parse("https://push.example.com:8443/send/secret?x=1").unwrap();
        let vapid = Vapid::new(&new.private_key, &endpoint, "mailto:owl@example.com").unwrap();
        let clock = ManualClock::new();
        let header = vapid.header(&clock).unwrap();
        let (token, key) =
            header.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).unwrap();
        assert_eq!(key, new.public_key);
        let (head, claims) = fixtures::read_jwt(token);
        assert_eq!(head, json!({ "alg": "ES256", "typ": "JWT" }));
        assert_eq!(
            claims,
            json!({
                "aud": "https://push.example.com:8443",
                "exp": 1_767_268_800 + 12 * 3_600,
                "sub": "mailto:owl@example.com",
            })
        );
        clock.advance(HOUR * 5);
        assert_eq!(vapid.header(&clock).unwrap(), header);
        clock.advance(HOUR);
        assert_ne!(vapid.header(&clock).unwrap(), header);
    }

    #[test]
    fn a_token_of_a_wrong_clock_is_replaced_once_the_clock_is_corrected() {
        let new = new_vapid_key();
        let endpoint = Url::parse("https://push.example.com/send/secret").unwrap();
        let vapid = Vapid::new(&new.private_key, &endpoint, "mailto:owl@example.com").unwrap();
        let clock = ManualClock::new();
        let noon = clock.now();
        for wrong in [noon + HOUR * 2, countersign_domain::time::Instant::from_seconds(0)] {
            clock.step_wall(wrong);
            let header = vapid.header(&clock).unwrap();
            clock.step_wall(noon);
            let right = vapid.header(&clock).unwrap();
            assert_ne!(right, header);
            assert_eq!(vapid.header(&clock).unwrap(), right);
        }
    }
}
