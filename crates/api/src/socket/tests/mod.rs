//! Device streams: driven by hand, and over real sockets.

mod admission;
mod any_order;
mod conversation;
mod greetings;
mod sockets;
mod support;

use std::ops::Add;
use std::time::Duration;

use countersign_bus::Offer;
use countersign_domain::address::{Address, Platform};
use countersign_domain::entity::Owner;
use countersign_domain::factor::{Factor, FactorStatus, FactorType};
use countersign_domain::key::DeviceKey;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::sid::{
    AccountSid, ChallengeSid, EntitySid, FactorKeySid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion};
use countersign_domain::time::Instant;
use countersign_domain::world::Entropy;
use serde_json::json;

use super::now::Now;

/// An entropy source that always returns the same byte.
pub(super) struct Same(pub(super) u8);

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// The time at the start of every test.
const START: Instant = Instant::from_seconds(1_795_341_600);

/// The same time on both clocks.
const BEGIN: Now = Now { at: Monotonic::after_origin(Duration::ZERO), day: START };

impl Add<Duration> for Now {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self { at: self.at + span, day: self.day + span }
    }
}

pub(super) fn factor(n: u8) -> FactorSid {
    FactorSid::mint(FactorType::Push, START, &Same(n))
}

fn factor_key(n: u8) -> FactorKeySid {
    FactorKeySid::mint(START, &Same(n))
}

fn service() -> ServiceSid {
    ServiceSid::from_bytes([1; 16])
}

/// A factor with platform `stream`.
fn device(n: u8) -> Factor {
    Factor {
        sid: factor(n),
        owner: Owner {
            account: AccountSid::from_bytes([2; 16]),
            service: service(),
            entity: EntitySid::from_bytes([3; 16]),
            identity: Identity::parse("alice-0001").unwrap(),
        },
        friendly_name: FriendlyName::parse("phone").unwrap(),
        status: FactorStatus::Verified,
        key: DeviceKey::from_stored([4; 65]),
        key_sid: factor_key(n),
        app_id: AppId::parse("app").unwrap(),
        sdk_version: SdkVersion::parse("1").unwrap(),
        address: Address::new(Platform::Stream, None, true).unwrap(),
        takes_numbers: false,
        metadata: None,
        created_at: START,
        updated_at: START,
    }
}

/// A well-formed token of factor `n`. Signatures are not checked in these tests.
fn token(n: u8, nonce: &str) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({"alg": "ES256", "cty": "twilio-pba;v=1", "kid": factor_key(n)}).to_string();
    let payload = json!({"nonce": nonce}).to_string();
    format!("{}.{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()), encode(&[0; 64]))
}

/// An offer for factor 7.
pub(super) fn an_offer(n: u8, expires_at: Instant) -> Offer {
    Offer {
        notification: NotificationSid::mint(START, &Same(n)),
        challenge: ChallengeSid::mint(FactorType::Push, START, &Same(n)),
        factor: factor(7),
        message: Message::parse("Log in from \"Lisbon\"?").unwrap(),
        manner: PromptManner::default(),
        expires_at,
    }
}

fn ack(n: u8) -> String {
    let notification = NotificationSid::mint(START, &Same(n));
    json!({"type": "ack", "notification_sid": notification}).to_string()
}
