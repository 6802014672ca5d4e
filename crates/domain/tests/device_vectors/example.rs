//! A worked example of a device, and a signer that makes more tokens with its key.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::address::{Address, Platform};
use countersign_domain::challenge::{Challenge, ChallengeState, Details, Field};
use countersign_domain::entity::Owner;
use countersign_domain::factor::{Factor, FactorStatus, FactorType};
use countersign_domain::key::DeviceKey;
use countersign_domain::sid::AccountSid;
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion};
use countersign_domain::time::Instant;
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const KEY_SID: &str = "CR0123456789abcdef0123456789abcdef";

/// The private key of RFC 6979, appendix A.2.5.
const PRIVATE_KEY: [u8; 32] = [
    0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93,
    0x4e, 0x50, 0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
];
pub(crate) const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";
pub(crate) const FACTOR_SIGNATURE: &str = "MEUCICCEPXkTgOI3OZrz69kOHxSX08kfGw4nE5kqG7EXhkGTAiEAo2VLiYa40jbXpJnPsrKpJSxAJUAO/30xkOlcDsoGQXY=";
pub(crate) const DEVICE_TOKEN: &str = "eyJjdHkiOiJ0d2lsaW8tcGJhO3Y9MSIsImtpZCI6IkNSMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJBQzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwiZXhwIjoxNzAwMDAwNjAwLCJuYmYiOjE3MDAwMDAwMDB9.OuJlH2WbHkUUjJAXQPULyyY-jyDqTnGOwlCi8pC9lJfXFAKpInLPH4GI85jpNBTWV6awo6k5RDfi-Qq-kDxVrg";
pub(crate) const ANSWER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJzaWQiOiJZQzAzZjFlMmQzYzRiNWE2OTc4ODc5NmE1YjRjM2QyZTFmIiwiYWNjb3VudF9zaWQiOiJBQzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwic2VydmljZV9zaWQiOiJWQTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxIiwiZW50aXR5X3NpZCI6IllFMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDEiLCJpZGVudGl0eSI6ImZmNDgzZDFmZjU5MTg5OGE5OTQyOTE2MDUwZDJjYTNmIiwiZmFjdG9yX3NpZCI6IllGMDNhMWIyYzNkNGU1ZjYwNzE4MjkzYTRiNWM2ZDdlOGYiLCJkYXRlX2NyZWF0ZWQiOiIyMDIzLTExLTE0VDIyOjEzOjIwWiIsImV4cGlyYXRpb25fZGF0ZSI6IjIwMjMtMTEtMTRUMjI6MTg6MjBaIiwiZGV0YWlscyI6eyJtZXNzYWdlIjoiTG9naW4gdG8gT3dsIEJhbms_IiwiZmllbGRzIjpbeyJsYWJlbCI6IlBhdGgiLCJ2YWx1ZSI6IlwvbG9naW4ifV19LCJoaWRkZW5fZGV0YWlscyI6bnVsbCwic3RhdHVzIjoiYXBwcm92ZWQifQ.b9-LPkJLKyh3y3m_68s5f2bPWbEyKSOuqX_p46PUzCpB_C_GLRmaOjpJqUVfj9JIJY704yyUM9-rpamilv7OVg";

/// The members that [`ANSWER`] signs: one fewer than this server asks for.
pub(crate) const ITS_FIELDS: [&str; 10] = [
    "sid",
    "account_sid",
    "service_sid",
    "entity_sid",
    "identity",
    "factor_sid",
    "date_created",
    "expiration_date",
    "details",
    "hidden_details",
];

/// When the example was made.
pub(crate) fn noon() -> Instant {
    Instant::from_seconds(1_700_000_000)
}

pub(crate) fn account() -> AccountSid {
    ACCOUNT.parse().expect("a SID")
}

pub(crate) fn owner() -> Owner {
    Owner {
        account: account(),
        service: "VA00000000000000000000000000000001".parse().expect("a SID"),
        entity: "YE00000000000000000000000000000001".parse().expect("a SID"),
        identity: Identity::parse("ff483d1ff591898a9942916050d2ca3f").expect("an identity"),
    }
}

pub(crate) fn factor() -> Factor {
    Factor {
        sid: "YF03a1b2c3d4e5f60718293a4b5c6d7e8f".parse().expect("a SID"),
        owner: owner(),
        friendly_name: FriendlyName::parse("Ann's phone").expect("a name"),
        status: FactorStatus::Unverified,
        key: DeviceKey::parse(PUBLIC_KEY).expect("a key"),
        key_sid: KEY_SID.parse().expect("a SID"),
        app_id: AppId::parse("com.example.myapp").expect("an app"),
        sdk_version: SdkVersion::parse("0.9.0").expect("a version"),
        address: Address::new(Platform::None, None, true).expect("no token needed"),
        takes_numbers: false,
        metadata: None,
        created_at: noon(),
        updated_at: noon(),
    }
}

pub(crate) fn challenge() -> Challenge {
    Challenge {
        sid: "YC03f1e2d3c4b5a69788796a5b4c3d2e1f".parse().expect("a SID"),
        owner: owner(),
        factor: factor().sid,
        factor_type: FactorType::Push,
        details: Details {
            message: Message::parse("Login to Owl Bank?").ok(),
            fields: vec![Field { label: "Path".into(), value: "/login".into() }],
            date: None,
        },
        hidden_details: None,
        metadata: None,
        is_quiet: false,
        presence: None,
        group: None,
        state: ChallengeState::Pending,
        created_at: noon(),
        updated_at: noon(),
        expires_at: Instant::from_seconds(1_700_000_300),
    }
}

/// A signer with a private key.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    /// The device of the example.
    pub(crate) fn known() -> Self {
        let encoding = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let public = factor().key;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            encoding,
            &PRIVATE_KEY,
            public.as_point(),
        );
        Self(pair.expect("a pair"))
    }

    /// Another device.
    pub(crate) fn other() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self(pair.expect("a fresh pair"))
    }

    pub(crate) fn key(&self) -> DeviceKey {
        DeviceKey::from_point(self.0.public_key().as_ref()).expect("a point of the curve")
    }

    /// A compact JWS over these bytes of JSON.
    pub(crate) fn sign_text(&self, header: &str, payload: &str) -> String {
        let signed = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn sign(&self, header: &Value, payload: &Value) -> String {
        self.sign_text(&header.to_string(), &payload.to_string())
    }
}

/// The header of the example's device token.
pub(crate) fn token_header() -> Value {
    json!({"cty": "twilio-pba;v=1", "kid": KEY_SID, "typ": "JWT", "alg": "ES256"})
}

/// The payload of the example's device token.
pub(crate) fn token_payload() -> Value {
    json!({"sub": ACCOUNT, "exp": 1_700_000_600, "nbf": 1_700_000_000})
}

/// `value` with a member set, or removed.
pub(crate) fn with(mut value: Value, member: &str, to: Option<Value>) -> Value {
    let object = value.as_object_mut().expect("an object");
    match to {
        Some(to) => object.insert(member.to_owned(), to),
        None => object.remove(member),
    };
    value
}

/// The token with another signature.
pub(crate) fn with_signature(token: &str, signature: impl AsRef<[u8]>) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The bytes of a token's signature.
pub(crate) fn signature_of(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').expect("three parts");
    URL_SAFE_NO_PAD.decode(signature).expect("base64url")
}
