//! The worked example of the protocol: a public test key, and signatures that were made elsewhere.

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::registration::Registration;
use crate::{DeviceKey, Phone, Server, ServerOptions};

pub(crate) const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
pub(crate) const SERVICE_SID: &str = "VA00000000000000000000000000000001";
pub(crate) const IDENTITY: &str = "ff483d1ff591898a9942916050d2ca3f";
pub(crate) const FACTOR_SID: &str = "YF03a1b2c3d4e5f60718293a4b5c6d7e8f";
pub(crate) const CREDENTIAL_SID: &str = "CR0123456789abcdef0123456789abcdef";
pub(crate) const CHALLENGE_SID: &str = "YC03f1e2d3c4b5a69788796a5b4c3d2e1f";

/// The private key of RFC 6979, appendix A.2.5.
const PRIVATE_KEY: [u8; 32] = [
    0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93,
    0x4e, 0x50, 0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
];
pub(crate) const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";
pub(crate) const FACTOR_SIGNATURE: &str = "MEUCICCEPXkTgOI3OZrz69kOHxSX08kfGw4nE5kqG7EXhkGTAiEAo2VLiYa40jbXpJnPsrKpJSxAJUAO/30xkOlcDsoGQXY=";
pub(crate) const DEVICE_JWT: &str = "eyJjdHkiOiJ0d2lsaW8tcGJhO3Y9MSIsImtpZCI6IkNSMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJBQzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwiZXhwIjoxNzAwMDAwNjAwLCJuYmYiOjE3MDAwMDAwMDB9.OuJlH2WbHkUUjJAXQPULyyY-jyDqTnGOwlCi8pC9lJfXFAKpInLPH4GI85jpNBTWV6awo6k5RDfi-Qq-kDxVrg";
pub(crate) const ANSWER_JWT: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJzaWQiOiJZQzAzZjFlMmQzYzRiNWE2OTc4ODc5NmE1YjRjM2QyZTFmIiwiYWNjb3VudF9zaWQiOiJBQzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwic2VydmljZV9zaWQiOiJWQTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwiZW50aXR5X3NpZCI6IllFMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDEiLCJpZGVudGl0eSI6ImZmNDgzZDFmZjU5MTg5OGE5OTQyOTE2MDUwZDJjYTNmIiwiZmFjdG9yX3NpZCI6IllGMDNhMWIyYzNkNGU1ZjYwNzE4MjkzYTRiNWM2ZDdlOGYiLCJkYXRlX2NyZWF0ZWQiOiIyMDIzLTExLTE0VDIyOjEzOjIwWiIsImV4cGlyYXRpb25fZGF0ZSI6IjIwMjMtMTEtMTRUMjI6MTg6MjBaIiwiZGV0YWlscyI6eyJtZXNzYWdlIjoiTG9naW4gdG8gT3dsIEJhbms_IiwiZmllbGRzIjpbeyJsYWJlbCI6IlBhdGgiLCJ2YWx1ZSI6IlwvbG9naW4ifV19LCJoaWRkZW5fZGV0YWlscyI6bnVsbCwic3RhdHVzIjoiYXBwcm92ZWQifQ.b9-LPkJLKyh3y3m_68s5f2bPWbEyKSOuqX_p46PUzCpB_C_GLRmaOjpJqUVfj9JIJY704yyUM9-rpamilv7OVg";

/// The signed members of the documented verdict.
pub(crate) const SIGNED: &str = "sid,account_sid,service_sid,entity_sid,identity,factor_sid,date_created,expiration_date,details,hidden_details";

/// The time of the documented device token.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn key() -> DeviceKey {
    let spki = STANDARD.decode(PUBLIC_KEY).unwrap();
    // The point is the last 65 of the 91 bytes.
    let encoding = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(encoding, &PRIVATE_KEY, &spki[91 - 65..]);
    DeviceKey::from_pkcs8_der(pair.unwrap().to_pkcs8v1().unwrap().as_ref()).unwrap()
}

pub(crate) fn documented_fields() -> Vec<String> {
    SIGNED.split(',').map(str::to_owned).collect()
}

/// The documented factor, as returned by its creation.
pub(crate) fn factor() -> Map<String, Value> {
    let body = json!({
        "sid": FACTOR_SID, "account_sid": ACCOUNT_SID, "service_sid": SERVICE_SID,
        "entity_sid": "YE00000000000000000000000000000001", "identity": IDENTITY,
        "binding": {"alg": "ES256", "public_key": PUBLIC_KEY}, "options": null,
        "date_created": "2023-11-14T22:13:20Z", "date_updated": "2023-11-14T22:13:20Z",
        "friendly_name": "Ann's phone", "status": "unverified", "factor_type": "push",
        "config": {
            "sdk_version": "0.9.0", "app_id": "com.example.myapp", "notification_platform": "fcm",
            "notification_token": "…", "credential_sid": CREDENTIAL_SID,
        },
        "metadata": {"os": "Android"},
    });
    body.as_object().unwrap().clone()
}

/// The documented challenge.
pub(crate) fn challenge() -> Map<String, Value> {
    let body = json!({
        "sid": CHALLENGE_SID, "account_sid": ACCOUNT_SID, "service_sid": SERVICE_SID,
        "entity_sid": "YE00000000000000000000000000000001", "identity": IDENTITY,
        "factor_sid": FACTOR_SID,
        "date_created": "2023-11-14T22:13:20Z", "date_updated": "2023-11-14T22:13:20Z",
        "date_responded": null, "expiration_date": "2023-11-14T22:18:20Z",
        "status": "pending", "responded_reason": "none",
        "details": {
            "message": "Login to Owl Bank?",
            "fields": [{"label": "Path", "value": "/login"}],
        },
        "hidden_details": null, "metadata": null, "factor_type": "push",
    });
    body.as_object().unwrap().clone()
}

/// Options with a clock that stands still.
pub(crate) fn options() -> ServerOptions {
    ServerOptions { local_time: Some(Arc::new(|| NOW)), ..ServerOptions::default() }
}

/// The documented phone, enrolled at `base_url`.
pub(crate) fn phone(base_url: &str) -> Phone {
    phone_with(base_url, &options())
}

pub(crate) fn phone_with(base_url: &str, options: &ServerOptions) -> Phone {
    let server = Server::new(base_url, options).unwrap();
    let registration = Registration {
        service_sid: SERVICE_SID.into(),
        identity: IDENTITY.into(),
        account_sid: ACCOUNT_SID.into(),
        factor_sid: FACTOR_SID.into(),
        credential_sid: CREDENTIAL_SID.into(),
        friendly_name: "Ann's phone".into(),
        app_id: "com.example.myapp".into(),
    };
    let clock = Clock::new(server.local_time(), 0);
    Phone::new(server, registration, key(), clock)
}

/// Verifies a signature with a public key in the format of the enrolment.
pub(crate) fn verify(
    public_key: &str,
    encoding: &'static dyn VerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Unspecified> {
    let spki = STANDARD.decode(public_key).unwrap();
    UnparsedPublicKey::new(encoding, spki).verify(message, signature)
}

/// Verifies a token and returns its header and payload.
pub(crate) fn opened(token: &str, public_key: &str) -> (Value, Value) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let signature = decode(signature);
    verify(public_key, &ECDSA_P256_SHA256_FIXED, message.as_bytes(), &signature).unwrap();
    let json = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(payload))
}
