//! Tests of several modules, and the resources that they share, which are those of Twilio's examples.

mod envelope;
mod errors;
mod paging;
mod params;

use countersign_domain::address::{Address, Platform};
use countersign_domain::challenge::{Challenge, ChallengeState, Details, Field, expiry};
use countersign_domain::entity::Owner;
use countersign_domain::factor::{Factor, FactorStatus, FactorType};
use countersign_domain::key::DeviceKey;
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion, StringMap};
use countersign_domain::time::Instant;

use crate::urls::PublicUrl;

/// The public key of the worked example.
const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8\
    maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";

pub(crate) fn base() -> PublicUrl {
    PublicUrl::parse("https://verify.twilio.com").expect("a URL")
}

/// 2023-11-14T22:13:20Z.
pub(crate) const fn at() -> Instant {
    Instant::from_seconds(1_700_000_000)
}

pub(crate) fn owner() -> Owner {
    Owner {
        account: "AC00000000000000000000000000000001".parse().expect("a SID"),
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
        key: DeviceKey::parse(KEY).expect("a key"),
        key_sid: "CR0123456789abcdef0123456789abcdef".parse().expect("a SID"),
        app_id: AppId::parse("com.example.myapp").expect("an app id"),
        sdk_version: SdkVersion::parse("0.9.0").expect("a version"),
        address: Address::new(Platform::Fcm, Some("test_token"), false).expect("an address"),
        takes_numbers: false,
        metadata: Some(StringMap::parse(r#"{"os":"Android"}"#).expect("a map")),
        created_at: at(),
        updated_at: at(),
    }
}

pub(crate) fn challenge() -> Challenge {
    let field = Field { label: "Path".into(), value: "/login".into() };
    Challenge {
        sid: "YC03f1e2d3c4b5a69788796a5b4c3d2e1f".parse().expect("a SID"),
        owner: owner(),
        factor: factor().sid,
        factor_type: FactorType::Push,
        details: Details {
            message: Message::parse("Login to Owl Bank?").ok(),
            fields: vec![field],
            date: None,
        },
        hidden_details: None,
        metadata: None,
        is_quiet: false,
        presence: None,
        group: None,
        state: ChallengeState::Pending,
        created_at: at(),
        updated_at: at(),
        expires_at: expiry(at(), None).expect("the default"),
    }
}
