//! SIDs are parsed as they were printed, and later ones are greater.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use countersign_domain::sid::*;
use countersign_domain::world::Entropy;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::draw::{factor_type, instant};

/// Entropy that repeats the same bytes.
struct Bytes([u8; 16]);

impl Entropy for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        for (byte, ours) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *ours;
        }
    }
}

fn survives<S>(sid: S, prefix: &str) -> Result<(), TestCaseError>
where
    S: FromStr<Err: Debug> + ToString + Serialize + DeserializeOwned + PartialEq + Copy + Debug,
{
    let text = sid.to_string();
    prop_assert_eq!(text.len(), 34);
    prop_assert!(text.starts_with(prefix));
    prop_assert!(text[2..].bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)));
    prop_assert_eq!(text.parse::<S>().expect("its own text"), sid);
    let capital = format!("{prefix}{}", text[2..].to_uppercase());
    prop_assert_eq!(capital.parse::<S>().expect("capital digits"), sid);
    let json = serde_json::to_string(&sid).expect("a text");
    prop_assert_eq!(&json, &format!("\"{text}\""));
    prop_assert_eq!(serde_json::from_str::<S>(&json).expect("its own JSON"), sid);
    for wrong in [&text[1..], &format!("{text}0"), &text[..33], &text.to_lowercase()] {
        prop_assert!(wrong.parse::<S>().is_err(), "{}", wrong);
    }
    let elsewhere = text.replacen(prefix, if prefix == "NT" { "YC" } else { "NT" }, 1);
    prop_assert!(elsewhere.parse::<S>().is_err());
    Ok(())
}

proptest! {
    #[test]
    fn every_sid_survives_the_wire(bytes: [u8; 16]) {
        survives(AccountSid::from_bytes(bytes), "AC")?;
        survives(ApiKeySid::from_bytes(bytes), "SK")?;
        survives(ServiceSid::from_bytes(bytes), "VA")?;
        survives(EntitySid::from_bytes(bytes), "YE")?;
        survives(FactorSid::from_bytes(bytes), "YF")?;
        survives(ChallengeSid::from_bytes(bytes), "YC")?;
        survives(NotificationSid::from_bytes(bytes), "NT")?;
        survives(AccessTokenSid::from_bytes(bytes), "YK")?;
        survives(WebhookSid::from_bytes(bytes), "YW")?;
        survives(CredentialSid::from_bytes(bytes), "CR")?;
        survives(FactorKeySid::from_bytes(bytes), "CR")?;
        survives(RequestSid::from_bytes(bytes), "RQ")?;
        prop_assert_eq!(*FactorSid::from_bytes(bytes).as_bytes(), bytes);
    }

    #[test]
    fn later_sids_are_greater(
        at in instant(), millis in 1..100_000_u64, before: [u8; 16], after: [u8; 16], kind in factor_type(),
    ) {
        let later = at + Duration::from_millis(millis);
        let (before, after) = (Bytes(before), Bytes(after));
        prop_assert!(NotificationSid::mint(at, &before) < NotificationSid::mint(later, &after));
        let earlier = ChallengeSid::mint(kind, at, &before);
        prop_assert!(earlier < ChallengeSid::mint(kind, later, &after));
        prop_assert!(earlier.to_string() < ChallengeSid::mint(kind, later, &after).to_string());
    }

    #[test]
    fn the_type_can_be_read_off(at in instant(), random: [u8; 16], kind in factor_type()) {
        let sid = FactorSid::mint(kind, at, &Bytes(random)).to_string();
        prop_assert_eq!(&sid[..4], if kind.as_str() == "push" { "YF03" } else { "YF02" });
    }

    /// SIDs of earlier milliseconds are smaller, and no other SID is.
    #[test]
    fn the_least_sid_of_an_instant_separates_older_from_newer(
        at in instant(), millis in 1..100_000_u64, random: [u8; 16], kind in factor_type(),
    ) {
        let least = ChallengeSid::least(kind, at);
        let span = Duration::from_millis(millis);
        prop_assert!(least <= ChallengeSid::mint(kind, at, &Bytes(random)));
        prop_assert!(least <= ChallengeSid::mint(kind, at + span, &Bytes(random)));
        prop_assert_eq!(least, ChallengeSid::mint(kind, at, &Bytes([0; 16])));
        if at.as_micros() > i64::try_from(span.as_micros()).unwrap_or(i64::MAX) {
            prop_assert!(ChallengeSid::mint(kind, at - span, &Bytes([0xff; 16])) < least);
        }
    }
}
