//! Authentication: keys, the tokens that they sign, and certificates.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::CertificateDer;

use crate::error::Error;
use crate::jws::{Algorithm, Jws};
use crate::{pem, random};

use super::reason::Reason;

/// The longest age of a provider token, in seconds.
const LONGEST_AGE: i64 = 3600;
/// How far a client's clock may be ahead, in seconds.
const SKEW: i64 = 60;

/// A signing key, as Apple issues it to a developer.
#[derive(Debug, Clone)]
pub struct ProviderKey {
    /// Ten characters.
    pub key_id: String,
    /// Ten characters.
    pub team_id: String,
    /// The bundle ids that it may push to; empty: all.
    pub topics: Vec<String>,
    /// The content of the `.p8` file.
    pub pem: String,
}

/// The keys, tokens and certificates that Apple knows.
#[derive(Default)]
pub(super) struct Keys {
    keys: HashMap<String, RegisteredKey>,
    accepted: HashMap<String, AcceptedToken>,
    refused: HashMap<String, Reason>,
    certificates: Vec<(CertificateDer<'static>, String)>,
}

struct RegisteredKey {
    team_id: String,
    topics: Vec<String>,
    point: Vec<u8>,
}

struct AcceptedToken {
    key_id: String,
    issued_at: i64,
}

/// An authenticated client, and the topics that it may push to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pusher {
    pub(super) key_id: Option<String>,
    pub(super) topics: Vec<String>,
}

impl Keys {
    pub(super) fn issue(&mut self, topics: Vec<String>) -> Result<ProviderKey, Error> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let (key_id, team_id) = (random::apple_id(), random::apple_id());
        let point = pair.public_key().as_ref().to_vec();
        let known = RegisteredKey { team_id: team_id.clone(), topics: topics.clone(), point };
        self.keys.insert(key_id.clone(), known);
        let pem = pem::private_key(pair.to_pkcs8v1()?.as_ref());
        Ok(ProviderKey { key_id, team_id, topics, pem })
    }

    pub(super) fn revoke(&mut self, key_id: &str) {
        self.keys.remove(key_id);
        self.accepted.retain(|_, token| token.key_id != key_id);
    }

    pub(super) fn certify(&mut self, certificate: CertificateDer<'static>, topic: String) {
        self.certificates.push((certificate, topic));
    }

    /// Authenticates by certificate.
    pub(super) fn by_certificate(
        &self,
        certificate: &CertificateDer<'static>,
    ) -> Result<Pusher, Reason> {
        let known = self.certificates.iter().find(|(der, _)| der == certificate);
        let (_, topic) = known.ok_or(Reason::BadCertificate)?;
        Ok(Pusher { key_id: None, topics: vec![topic.clone()] })
    }

    /// Authenticates by token. A token is sent for an hour, so its signature is verified only once.
    pub(super) fn by_token(
        &mut self,
        token: &str,
        now: i64,
        shortest_interval: Duration,
    ) -> Result<Pusher, Reason> {
        if let Some(reason) = self.refused.get(token) {
            return Err(*reason);
        }
        if let Some(accepted) = self.accepted.get(token) {
            fresh(accepted.issued_at, now)?;
            let topics = self.keys.get(&accepted.key_id).map(|key| key.topics.clone());
            let topics = topics.ok_or(Reason::InvalidProviderToken)?;
            return Ok(Pusher { key_id: Some(accepted.key_id.clone()), topics });
        }
        let jws = Jws::parse(token).ok_or(Reason::InvalidProviderToken)?;
        let key_id = jws.header_text("kid").ok_or(Reason::InvalidProviderToken)?;
        let key = self.keys.get(key_id).ok_or(Reason::InvalidProviderToken)?;
        let issued_at = jws.seconds("iat").ok_or(Reason::InvalidProviderToken)?;
        if jws.text("iss") != Some(&key.team_id) || !jws.is_signed_by(Algorithm::Es256, &key.point)
        {
            return Err(Reason::InvalidProviderToken);
        }
        fresh(issued_at, now)?;
        let shortest = i64::try_from(shortest_interval.as_secs()).unwrap_or(i64::MAX);
        self.accepted.retain(|_, token| now - token.issued_at <= LONGEST_AGE);
        let is_too_soon = |other: &AcceptedToken| {
            other.key_id == key_id && (other.issued_at - issued_at).abs() < shortest
        };
        if self.accepted.values().any(is_too_soon) {
            return Err(Reason::TooManyProviderTokenUpdates);
        }
        let key_id = key_id.to_owned();
        let pusher = Pusher { key_id: Some(key_id.clone()), topics: key.topics.clone() };
        self.accepted.insert(token.to_owned(), AcceptedToken { key_id, issued_at });
        Ok(pusher)
    }

    /// Rejects a token from now on; the next one may be new at once.
    pub(super) fn refuse(&mut self, token: &str, reason: Reason) {
        self.accepted.remove(token);
        self.refused.insert(token.to_owned(), reason);
    }

    /// Forgets all tokens, as after an hour without a push.
    pub(super) fn forget_tokens(&mut self) {
        self.accepted.clear();
        self.refused.clear();
    }
}

fn fresh(issued_at: i64, now: i64) -> Result<(), Reason> {
    if issued_at > now + SKEW {
        return Err(Reason::InvalidProviderToken);
    }
    if issued_at < now - LONGEST_AGE {
        return Err(Reason::ExpiredProviderToken);
    }
    Ok(())
}
