//! The client side: a manual clock, keys, tokens, HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Certificate, Client, ClientBuilder};
use serde_json::{Value, json};

use crate::{Authority, CommonOptions};

pub(crate) const NOON: i64 = 1_767_268_800;
pub(crate) const CHALLENGE: &str = "YC03f1e2d3c4b5a69788796a5b4c3d2e1f";
pub(crate) const FACTOR: &str = "YF03a1b2c3d4e5f60718293a4b5c6d7e8f";

/// A manual clock that starts at noon.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicI64>);

impl Hands {
    pub(crate) fn at_noon() -> (Self, CommonOptions) {
        let hands = Arc::new(AtomicI64::new(NOON));
        let read = hands.clone();
        let now: crate::Now = Arc::new(move || read.load(Ordering::SeqCst));
        (Self(hands), CommonOptions { now, ..CommonOptions::default() })
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A client that trusts only the authority, and that does not retry.
pub(crate) fn builder(authority: &Authority) -> ClientBuilder {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let never = reqwest::retry::never();
    Client::builder().tls_certs_only([root]).retry(never).no_proxy()
}

pub(crate) fn client(authority: &Authority) -> Client {
    builder(authority).build().unwrap()
}

/// The members that an app needs.
pub(crate) fn keys() -> Value {
    json!({"type": "verify_push_challenge", "challenge_sid": CHALLENGE, "factor_sid": FACTOR})
}

/// The signing input of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// The DER inside a PEM file.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// A P-256 key that signs tokens.
pub(crate) struct SigningKey {
    pub(crate) pair: EcdsaKeyPair,
}

impl SigningKey {
    pub(crate) fn generate() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    pub(crate) fn read(pem: &str) -> Self {
        let der = der(pem);
        Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap() }
    }

    pub(crate) fn point(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
