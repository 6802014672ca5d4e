//! The members of a challenge's JSON that a device signs, as the device sees them and as the application does.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::challenge::{Challenge, Field};
use crate::presence::{PresenceCode, PresenceProof};
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
    fields: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<Instant>,
}

/// The fields that the application gave, and the one that only the device sees.
#[derive(Debug)]
struct Fields<'a> {
    given: &'a [Field],
    code: Option<CodeField<'a>>,
}

/// A field that shows a code.
#[derive(Debug, Serialize)]
struct CodeField<'a> {
    label: &'a str,
    value: &'a PresenceCode,
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.given.iter().try_for_each(|field| list.serialize_element(field))?;
        self.code.iter().try_for_each(|field| list.serialize_element(field))?;
        list.end()
    }
}

impl Fields<'_> {
    fn len(&self) -> usize {
        self.given.len() + usize::from(self.code.is_some())
    }
}

impl Challenge {
    /// The members as the device sees and signs them: with the field that shows the code of [`PresenceProof::Code`].
    pub fn signed_members(&self) -> SignedMembers<'_> {
        let proof = self.presence.as_ref().map(|presence| &presence.proof);
        let code = match proof {
            Some(PresenceProof::Code { label, code }) => {
                Some(CodeField { label: label.as_str(), value: code })
            }
            Some(PresenceProof::Number { .. } | PresenceProof::Pick { .. }) | None => None,
        };
        self.members_with(code)
    }

    /// The members as the application sees them: as it gave them.
    pub fn shown_members(&self) -> SignedMembers<'_> {
        self.members_with(None)
    }

    fn members_with<'a>(&'a self, code: Option<CodeField<'a>>) -> SignedMembers<'a> {
        let details = &self.details;
        let fields = Fields { given: &details.fields, code };
        let has_details = details.message.is_some() || fields.len() > 0;
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
                fields,
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
