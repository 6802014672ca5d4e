//! Ours: the number that the application shows, and the code that its person types.

use axum::extract::State;
use countersign_domain::presence::{Presence, PresenceCode, PresenceNumber, PresenceProof};
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;
use serde::Serialize;

use crate::auth::Application;
use crate::body::Form;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
) -> ApiResult {
    let presence = state.verify.presence(account, service, &identity, sid).await?;
    reply::ok(&PresenceView::of(sid, &presence))
}

pub(crate) async fn confirm(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
    form: Form,
) -> ApiResult {
    let code = form.params(&rows::PARAMETER)?.required("Code", PresenceCode::parse)?;
    state.verify.confirm_presence(account, service, &identity, sid, code).await?;
    let confirmed = Some(true);
    reply::ok(&PresenceView { challenge_sid: sid, mode: "code", confirmed, answer: None })
}

/// The application's part: the number that it shows, or whether the code was typed. Never the code itself.
#[derive(Serialize)]
struct PresenceView {
    challenge_sid: ChallengeSid,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<PresenceNumber>,
}

impl PresenceView {
    fn of(challenge_sid: ChallengeSid, presence: &Presence) -> Self {
        let (confirmed, answer) = match presence.proof {
            PresenceProof::Code { .. } => (Some(presence.is_confirmed), None),
            PresenceProof::Number { answer } | PresenceProof::Pick { answer, .. } => {
                (None, Some(answer))
            }
        };
        Self { challenge_sid, mode: presence.mode(), confirmed, answer }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::text::FieldLabel;

    use super::*;
    use crate::tests::challenge;

    #[test]
    fn code() {
        let label = FieldLabel::parse("Code").unwrap();
        let code = PresenceCode::parse("4711").unwrap();
        let presence = Presence::new(PresenceProof::Code { label, code });
        insta::assert_json_snapshot!(PresenceView::of(challenge().sid, &presence));
    }

    #[test]
    fn number() {
        let answer = PresenceNumber::parse("64").unwrap();
        let presence = Presence::new(PresenceProof::Number { answer });
        insta::assert_json_snapshot!(PresenceView::of(challenge().sid, &presence));
    }
}
