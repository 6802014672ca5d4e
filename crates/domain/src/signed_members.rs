//! The members of a challenge's JSON that a device signs.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::challenge::{Challenge, Field};
use crate::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid, ServiceSid};
use crate::text::{Identity, Message, StringMap};
use crate::time::Instant;

/// The members in [`SIGNED_FIELDS`](crate::challenge::SIGNED_FIELDS). The API returns this value and answers are compared with it, so that
/// the two cannot differ.
#[derive(Debug, Serialize)]
pub struct SignedMembers<'a> {
    sid: ChallengeSid,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    factor_sid: FactorSid,
    factor_type: &'static str,
    date_created: Instant,
    expiration_date: Instant,
    details: Option<SignedDetails<'a>>,
    hidden_details: Option<&'a StringMap>,
}

#[derive(Debug, Serialize)]
struct SignedDetails<'a> {
    message: Option<&'a Message>,
    fields: &'a [Field],
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<Instant>,
}

impl Challenge {
    /// The members that a device signs.
    pub fn signed_members(&self) -> SignedMembers<'_> {
        let details = &self.details;
        let has_details = details.message.is_some() || !details.fields.is_empty();
        SignedMembers {
            sid: self.sid,
            account_sid: self.owner.account,
            service_sid: self.owner.service,
            entity_sid: self.owner.entity,
            identity: &self.owner.identity,
            factor_sid: self.factor,
            factor_type: self.factor_type.as_str(),
            date_created: self.created_at,
            expiration_date: self.expires_at,
            details: has_details.then_some(SignedDetails {
                message: details.message.as_ref(),
                fields: &details.fields,
                date: details.date,
            }),
            hidden_details: self.hidden_details.as_ref(),
        }
    }
}

impl SignedMembers<'_> {
    /// The members as JSON values, for comparisons.
    pub fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            _ => unreachable!("a struct of texts and lists is an object"),
        }
    }

    /// The member `details`; `None` if the challenge has none.
    pub fn details(&self) -> Option<Value> {
        self.details.as_ref().and_then(|details| serde_json::to_value(details).ok())
    }
}
