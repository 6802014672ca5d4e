//! Keys, credentials and pushes for tests.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::address::{Address, Platform};
use countersign_domain::credential::CredentialType;
use countersign_domain::delivery::{Push, Target};
use countersign_domain::secret::Secret;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, CredentialSid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::{AppId, Message};
use countersign_domain::time::Instant;
use serde_json::{Value, json};

use crate::pem;
use crate::source::OpenedCredential;

/// Noon of the first of January 2026, where a hand-moved clock stands at first.
pub(crate) const NOON: Instant = Instant::from_seconds(1_767_268_800);

/// A P-256 key, made once.
pub(crate) fn p256_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| rcgen::KeyPair::generate().unwrap().serialize_pem())
}

/// An RSA key, made once.
pub(crate) fn rsa_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        pem::render("PRIVATE KEY", der.as_ref())
    })
}

fn credential(kind: CredentialType) -> OpenedCredential {
    OpenedCredential {
        sid: CredentialSid::from_bytes([7; 16]),
        updated_at: NOON,
        kind,
        sandbox: false,
        key_id: None,
        team_id: None,
        topic: None,
        certificate: None,
        private_key: None,
        secret: None,
    }
}

/// A `.p8` key with its ids.
pub(crate) fn p8_credential() -> OpenedCredential {
    OpenedCredential {
        key_id: Some("KEY1234567".to_owned()),
        team_id: Some("TEAM123456".to_owned()),
        private_key: Some(Secret::new(p256_pem())),
        ..credential(CredentialType::Apn)
    }
}

/// A certificate with its key.
pub(crate) fn certificate_credential() -> OpenedCredential {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["com.example.owl".to_owned()]).unwrap();
    OpenedCredential {
        certificate: Some(Secret::new(params.self_signed(&key).unwrap().pem())),
        private_key: Some(Secret::new(key.serialize_pem())),
        ..credential(CredentialType::Apn)
    }
}

/// A service account whose tokens come from `token_uri`.
pub(crate) fn fcm_credential(token_uri: &str) -> OpenedCredential {
    let account = json!({
        "type": "service_account",
        "project_id": "owl-bank",
        "private_key_id": "kid-1",
        "private_key": rsa_pem(),
        "client_email": "push@owl-bank.iam.gserviceaccount.com",
        "token_uri": token_uri,
    });
    OpenedCredential {
        secret: Some(Secret::new(account.to_string())),
        ..credential(CredentialType::Fcm)
    }
}

/// A push with two and a half minutes to go.
pub(crate) fn push(platform: Platform, token: &str) -> Push {
    Push {
        notification: NotificationSid::from_bytes([
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8,
        ]),
        challenge: ChallengeSid::from_bytes(led_by_three(5)),
        factor: FactorSid::from_bytes(led_by_three(6)),
        message: Message::parse("Login to Owl Bank?").unwrap(),
        target: Target {
            account: AccountSid::from_bytes([1; 16]),
            service: ServiceSid::from_bytes([2; 16]),
            address: Address::from_stored(platform, Some(token.to_owned())),
            app_id: AppId::parse("com.example.owl").unwrap(),
            credential: Some(CredentialSid::from_bytes([7; 16])),
        },
        expires_at: NOON + std::time::Duration::from_millis(150_700),
        once: false,
    }
}

fn led_by_three(byte: u8) -> [u8; 16] {
    let mut bytes = [byte; 16];
    bytes[0] = 3;
    bytes
}

/// A push to a phone of Apple's.
pub(crate) fn apn_push() -> Push {
    push(Platform::Apn, "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")
}

/// A push to a phone with Google's services.
pub(crate) fn fcm_push() -> Push {
    push(Platform::Fcm, "owl-registration:APA91bHun4MxP5egoKMwt2KZFBaFUH")
}

/// Header and claims of a token, unchecked.
pub(crate) fn read_jwt(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut part = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (part(), part())
}
