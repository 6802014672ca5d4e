//! The representation of a push factor.

use countersign_domain::address::PushToken;
use countersign_domain::factor::{Factor, FactorType};
use countersign_domain::sid::{AccountSid, EntitySid, FactorKeySid, FactorSid, ServiceSid};
use countersign_domain::text::{AppId, FriendlyName, Identity, SdkVersion, StringMap};
use countersign_domain::time::Instant;
use serde::Serialize;

use crate::urls::PublicUrl;

#[derive(Serialize)]
pub(super) struct FactorView<'a> {
    sid: FactorSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    #[serde(flatten)]
    creation: Option<Creation>,
    date_created: Instant,
    date_updated: Instant,
    friendly_name: &'a FriendlyName,
    status: &'static str,
    factor_type: &'static str,
    config: Config<'a>,
    metadata: Option<&'a StringMap>,
    url: String,
}

/// Contained only in the response to the enrolment.
#[derive(Serialize)]
struct Creation {
    binding: Binding,
    /// Exists in Twilio's API; always null for push.
    options: (),
}

#[derive(Serialize)]
struct Binding {
    alg: &'static str,
    public_key: String,
}

#[derive(Serialize)]
struct Config<'a> {
    sdk_version: &'a SdkVersion,
    app_id: &'a AppId,
    notification_platform: &'static str,
    notification_token: Option<&'a str>,
    /// Missing in Twilio's description, but required by both mobile SDKs: the `kid` of the device's tokens.
    credential_sid: FactorKeySid,
}

impl<'a> FactorView<'a> {
    pub(super) fn of(factor: &'a Factor, base: &PublicUrl) -> Self {
        let owner = &factor.owner;
        Self {
            sid: factor.sid,
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            creation: None,
            date_created: factor.created_at,
            date_updated: factor.updated_at,
            friendly_name: &factor.friendly_name,
            status: factor.status.as_str(),
            factor_type: FactorType::Push.as_str(),
            config: Config {
                sdk_version: &factor.sdk_version,
                app_id: &factor.app_id,
                notification_platform: factor.address.platform().as_str(),
                notification_token: factor.address.token().map(PushToken::expose),
                credential_sid: factor.key_sid,
            },
            metadata: factor.metadata.as_ref(),
            url: base.factor(owner, factor.sid),
        }
    }

    pub(super) fn created(factor: &'a Factor, base: &PublicUrl) -> Self {
        let binding = Binding { alg: "ES256", public_key: factor.key.to_text() };
        Self { creation: Some(Creation { binding, options: () }), ..Self::of(factor, base) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{base, factor};

    #[test]
    fn looks_as_documented() {
        insta::assert_json_snapshot!("created", FactorView::created(&factor(), &base()));
        insta::assert_json_snapshot!("fetched", FactorView::of(&factor(), &base()));
    }
}
