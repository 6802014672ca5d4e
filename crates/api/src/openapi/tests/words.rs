//! That the tables say what the server does: words and bounds are those of the domain.

use std::str::FromStr;

use countersign_domain::address::Platform;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::credential::CredentialType;
use countersign_domain::notification::Status;
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion, ServiceName};
use countersign_domain::webhook::{EventType, WebhookVersion};

use crate::openapi::bodies;
use crate::openapi::kind::Kind;
use crate::openapi::parameter::Parameter;
use crate::openapi::words::{self, EVENTS, PLATFORMS};

fn all_are_known<T: FromStr>(words: &[&str]) -> bool {
    words.iter().all(|word| word.parse::<T>().is_ok())
}

#[test]
fn the_server_knows_every_word() {
    assert!(all_are_known::<Platform>(PLATFORMS));
    assert!(all_are_known::<EventType>(EVENTS));
    assert!(all_are_known::<ChallengeStatus>(words::CHALLENGE_STATUSES.all));
    assert!(all_are_known::<CredentialType>(words::CREDENTIAL_TYPES.all));
    assert!(all_are_known::<WebhookVersion>(words::WEBHOOK_VERSIONS.all));
    let statuses = words::NOTIFICATION_STATUSES.all;
    assert!(statuses.iter().all(|word| Status::from_word(word).is_some()));
}

/// The least and the most characters of a parameter.
fn bounds(parameters: &[Parameter], name: &str) -> (usize, usize) {
    let parameter = parameters.iter().find(|parameter| parameter.name == name).expect(name);
    match parameter.kind {
        Kind::Length(least, most) | Kind::Matching(least, most, _) => (least, most),
        _ => panic!("{name} has no length"),
    }
}

/// Whether texts of these lengths are taken, and shorter and longer ones are not.
fn are_kept<T, E>((least, most): (usize, usize), parse: impl Fn(String) -> Result<T, E>) -> bool {
    let takes = |length| parse("a".repeat(length)).is_ok();
    takes(least) && takes(most) && !takes(least - 1) && !takes(most + 1)
}

#[test]
fn lengths_are_those_that_the_server_keeps() {
    let (factor, challenge) = (bodies::FACTOR, bodies::CHALLENGE);
    assert!(are_kept(bounds(bodies::ENTITY, "Identity"), Identity::parse));
    assert!(are_kept(bounds(bodies::SERVICE, "FriendlyName"), ServiceName::parse));
    assert!(are_kept(bounds(factor, "FriendlyName"), FriendlyName::parse));
    assert!(are_kept(bounds(factor, "Config.AppId"), AppId::parse));
    assert!(are_kept(bounds(factor, "Config.SdkVersion"), SdkVersion::parse));
    assert!(are_kept(bounds(challenge, "Details.Message"), Message::parse));
}
