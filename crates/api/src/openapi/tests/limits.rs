//! The values and bounds in the document are those of the domain.

use std::str::FromStr;

use countersign_domain::address::Platform;
use countersign_domain::challenge::{ChallengeStatus, MAX_FIELDS};
use countersign_domain::client_url::MAX_URLS;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::NotificationStatus;
use countersign_domain::integration::{
    IntegrationKind, MessageAuthenticator, PROMPT_SECONDS, RadiusMode, SESSION_SECONDS,
    UnknownUsers,
};
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::openid_client::{CibaMode, UserCode};
use countersign_domain::sites::MAX_SITES;
use countersign_domain::source_networks::MAX_NETWORKS;
use countersign_domain::text::{AppId, FriendlyName, Identity, Message, SdkVersion, ServiceName};
use countersign_domain::user_mapping::{MAX_ALIASES, UserRule};
use countersign_domain::webhook::{EventType, WebhookVersion};
use countersign_domain::{access_token, notification};
use serde_json::{Value, json};

use super::{document, form};

/// The values of the named enumeration.
fn values(document: &Value, name: &str) -> Vec<String> {
    let values = document["components"]["schemas"][name]["enum"].clone();
    serde_json::from_value(values).expect(name)
}

fn are_known<T: FromStr>(values: &[String]) -> bool {
    !values.is_empty() && values.iter().all(|value| value.parse::<T>().is_ok())
}

#[test]
fn the_server_knows_every_value() {
    let document = document();
    let values = |name| values(&document, name);
    assert!(are_known::<Platform>(&values("new_factor_enum_notification_platforms")));
    assert!(are_known::<ChallengeStatus>(&values("challenge_enum_challenge_statuses")));
    assert!(are_known::<CredentialType>(&values("credential_enum_push_service")));
    assert!(are_known::<WebhookVersion>(&values("webhook_enum_version")));
    let integration = form(&document, "CreateIntegrationRequest");
    let words = |name: &str| -> Vec<String> {
        serde_json::from_value(integration[name]["enum"].clone()).expect(name)
    };
    assert!(are_known::<IntegrationKind>(&words("Kind")));
    assert!(are_known::<UserRule>(&words("UserRule")));
    assert!(are_known::<UnknownUsers>(&words("UnknownUsers")));
    assert!(are_known::<RadiusMode>(&words("Radius.Mode")));
    assert!(are_known::<MessageAuthenticator>(&words("Radius.MessageAuthenticator")));
    let life = &integration["PromptLife"];
    assert_eq!(
        (&life["minimum"], &life["maximum"]),
        (&json!(PROMPT_SECONDS.start()), &json!(PROMPT_SECONDS.end()))
    );
    let life = &integration["ForwardAuth.SessionLife"];
    assert_eq!(
        (&life["minimum"], &life["maximum"]),
        (&json!(SESSION_SECONDS.start()), &json!(SESSION_SECONDS.end()))
    );
    assert_eq!(integration["ForwardAuth.Sites"]["maxItems"], MAX_SITES);
    assert_eq!(integration["Aliases"]["maxItems"], MAX_ALIASES);
    assert_eq!(integration["Networks"]["maxItems"], MAX_NETWORKS);
    assert!(are_known::<JwsAlgorithm>(&words("OpenId.IdTokenAlg")));
    assert!(are_known::<CibaMode>(&words("OpenId.Ciba")));
    assert!(are_known::<UserCode>(&words("OpenId.UserCode")));
    for urls in ["Duo.RedirectUris", "OpenId.RedirectUris", "Keycloak.Issuers"] {
        assert_eq!(integration[urls]["maxItems"], MAX_URLS);
    }
    let statuses = values("notification_enum_statuses");
    assert_eq!(statuses.len(), 7);
    assert!(statuses.iter().all(|status| NotificationStatus::from_word(status).is_some()));
    let events = &form(&document, "CreateWebhookRequest")["EventTypes"];
    let known: Vec<String> =
        serde_json::from_value(events["items"]["enum"].clone()).expect("events");
    assert!(are_known::<EventType>(&known));
    assert_eq!(events["maxItems"], known.len());
}

/// Whether texts of the parameter's least and most characters are accepted, and shorter and longer ones are not.
fn is_exact<T, E>(parameter: &Value, parse: impl Fn(String) -> Result<T, E>) -> bool {
    let bound = |keyword: &str| {
        let bound = parameter[keyword].as_u64().expect(keyword);
        usize::try_from(bound).expect("a small number")
    };
    let (least, most) = (bound("minLength"), bound("maxLength"));
    let accepts = |length| parse("a".repeat(length)).is_ok();
    accepts(least) && accepts(most) && !accepts(least - 1) && !accepts(most + 1)
}

#[test]
fn lengths_are_those_that_the_server_keeps() {
    let document = document();
    let factor = form(&document, "CreateNewFactorRequest");
    let challenge = form(&document, "CreateChallengeRequest");
    let service = form(&document, "CreateServiceRequest");
    assert!(is_exact(&form(&document, "CreateEntityRequest")["Identity"], Identity::parse));
    assert!(is_exact(&service["FriendlyName"], ServiceName::parse));
    assert!(is_exact(&factor["FriendlyName"], FriendlyName::parse));
    let integration = form(&document, "CreateIntegrationRequest");
    assert!(is_exact(&integration["FriendlyName"], FriendlyName::parse));
    assert!(is_exact(&factor["Config.AppId"], AppId::parse));
    assert!(is_exact(&factor["Config.SdkVersion"], SdkVersion::parse));
    assert!(is_exact(&challenge["Details.Message"], Message::parse));
    assert_eq!(challenge["Details.Fields"]["maxItems"], MAX_FIELDS);
}

#[test]
fn times_to_live_are_those_that_the_server_keeps() {
    let document = document();
    for (title, bounds) in [
        ("CreateNotificationRequest", notification::TTL),
        ("CreateAccessTokenRequest", access_token::TTL),
    ] {
        let ttl = &form(&document, title)["Ttl"];
        assert_eq!(
            (&ttl["minimum"], &ttl["maximum"]),
            (&json!(bounds.start()), &json!(bounds.end())),
            "{title}"
        );
    }
}
