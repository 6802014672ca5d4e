//! A service account and its access tokens.

use std::collections::HashMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use serde_json::{Value, json};

use crate::error::Error;
use crate::jws::{Algorithm, Jws};
use crate::{pem, random};

/// The scope of messaging.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The longest lifetime of an assertion, in seconds.
const LONGEST: i64 = 3600;
/// How far a client's clock may be ahead, in seconds.
const SKEW: i64 = 60;

/// A service account, and the access tokens that it was granted.
pub(super) struct Account {
    pub(super) project_id: String,
    email: String,
    key_id: String,
    key_pem: String,
    public_key: Vec<u8>,
    token_uri: String,
    tokens: HashMap<String, i64>,
}

/// Why an assertion is refused: the OAuth error, and its description.
pub(super) type Refused = (&'static str, &'static str);

impl Account {
    pub(super) fn generate(project_id: &str, token_uri: &str) -> Result<Self, Error> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let der: Pkcs8V1Der<'static> = pair.as_der()?;
        Ok(Self {
            project_id: project_id.to_owned(),
            email: format!("firebase-adminsdk@{project_id}.iam.gserviceaccount.com"),
            key_id: random::hex::<20>(),
            key_pem: pem::private_key(der.as_ref()),
            public_key: pair.public_key().as_ref().to_vec(),
            token_uri: token_uri.to_owned(),
            tokens: HashMap::new(),
        })
    }

    /// The JSON file that the console offers for download.
    pub(super) fn json(&self) -> Value {
        json!({
            "type": "service_account",
            "project_id": self.project_id,
            "private_key_id": self.key_id,
            "private_key": self.key_pem,
            "client_email": self.email,
            "client_id": "100000000000000000000",
            "token_uri": self.token_uri,
            "universe_domain": "googleapis.com",
        })
    }

    /// Checks whether an assertion may be exchanged for a token.
    pub(super) fn check(&self, assertion: &str, now: i64) -> Result<(), Refused> {
        const GRANT: &str = "invalid_grant";
        let jws = Jws::parse(assertion).ok_or((GRANT, "Invalid JWT: not a compact JWS."))?;
        if jws.text("iss") != Some(&self.email) {
            return Err((GRANT, "Invalid grant: account not found"));
        }
        // The key id is optional.
        if jws.header_text("kid").is_some_and(|kid| kid != self.key_id)
            || !jws.is_signed_by(Algorithm::Rs256, &self.public_key)
        {
            return Err((GRANT, "Invalid JWT Signature."));
        }
        if jws.text("aud") != Some(&self.token_uri) {
            return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
        }
        let (Some(issued), Some(expires)) = (jws.seconds("iat"), jws.seconds("exp")) else {
            return Err((GRANT, "Invalid JWT: iat and exp must be numbers."));
        };
        let is_in_time = issued <= now + SKEW && now < expires && expires - issued <= LONGEST;
        if !is_in_time {
            return Err((
                GRANT,
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
                 timeframe. Check your iat and exp values in the JWT claim.",
            ));
        }
        match jws.text("scope") {
            Some(scopes) if scopes.split(' ').all(|scope| scope == SCOPE) => Ok(()),
            _ => Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided.")),
        }
    }

    /// Grants an access token that expires at `until`.
    pub(super) fn grant(&mut self, now: i64, until: i64) -> String {
        self.tokens.retain(|_, until| *until > now);
        let token = format!("ya29.{}", random::hex::<24>());
        self.tokens.insert(token.clone(), until);
        token
    }

    pub(super) fn accepts(&self, token: &str, now: i64) -> bool {
        self.tokens.get(token).is_some_and(|until| now < *until)
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    pub(super) fn revoke_all(&mut self) {
        self.tokens.clear();
    }
}
