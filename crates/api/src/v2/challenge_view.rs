//! The representation of a challenge.

use countersign_domain::challenge::{Challenge, ChallengeState};
use countersign_domain::signed_members::SignedMembers;
use countersign_domain::text::StringMap;
use countersign_domain::time::Instant;
use countersign_verify::Caller;
use serde::Serialize;

use crate::urls::PublicUrl;

#[derive(Serialize)]
pub(super) struct ChallengeView<'a> {
    /// The members that a device signs. The domain compares a verdict with the same values.
    #[serde(flatten)]
    signed: SignedMembers<'a>,
    date_updated: Instant,
    date_responded: Option<Instant>,
    status: &'static str,
    /// Twilio's other values have no known meaning.
    responded_reason: &'static str,
    metadata: Option<&'a StringMap>,
    url: String,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    notifications: String,
}

impl<'a> ChallengeView<'a> {
    /// As the application sees it.
    pub(super) fn of(challenge: &'a Challenge, now: Instant, base: &PublicUrl) -> Self {
        Self::with(challenge.shown_members(), challenge, now, base)
    }

    /// As the caller sees it: a device also sees the field with the code that it shows.
    pub(super) fn to(
        caller: &Caller,
        challenge: &'a Challenge,
        now: Instant,
        base: &PublicUrl,
    ) -> Self {
        let members = match caller {
            Caller::Device(_) => challenge.signed_members(),
            Caller::Application(_) | Caller::Enrolling(_) => challenge.shown_members(),
        };
        Self::with(members, challenge, now, base)
    }

    fn with(
        signed: SignedMembers<'a>,
        challenge: &'a Challenge,
        now: Instant,
        base: &PublicUrl,
    ) -> Self {
        let url = base.challenge(&challenge.owner, challenge.sid);
        Self {
            signed,
            date_updated: challenge.updated_at,
            date_responded: match challenge.state {
                ChallengeState::Pending | ChallengeState::AnsweredElsewhere { .. } => None,
                ChallengeState::Answered { at, .. } => Some(at),
            },
            status: challenge.status(now).as_str(),
            responded_reason: "none",
            metadata: challenge.metadata.as_ref(),
            links: Links { notifications: format!("{url}/Notifications") },
            url,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_domain::challenge::{SIGNED_FIELDS, Verdict};

    use super::*;
    use crate::tests::{at, base, challenge};

    #[test]
    fn looks_as_documented() {
        insta::assert_json_snapshot!(ChallengeView::of(&challenge(), at(), &base()));
    }

    #[test]
    fn contains_all_signed_members() {
        let view = serde_json::to_value(ChallengeView::of(&challenge(), at(), &base()));
        let view = view.expect("JSON");
        // The SDKs accept a null, but not a missing member.
        assert!(SIGNED_FIELDS.iter().all(|name| view.get(name).is_some()));
        // The SDKs do not accept a null date.
        assert!(view["details"].get("date").is_none());
    }

    #[test]
    fn contains_the_times_of_verdict_and_expiry() {
        let now = at() + Duration::from_secs(10);
        let state = ChallengeState::Answered { verdict: Verdict::Denied, at: now };
        let answered = Challenge { state, updated_at: now, ..challenge() };
        let view = ChallengeView::of(&answered, now, &base());
        assert_eq!((view.status, view.date_responded), ("denied", Some(now)));
        let expired = challenge();
        let view = ChallengeView::of(&expired, expired.expires_at, &base());
        assert_eq!((view.status, view.date_responded), ("expired", None));
    }
}
