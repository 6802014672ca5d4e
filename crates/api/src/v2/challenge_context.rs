//! Ours: what is stored about a challenge for its application alone.

use std::net::IpAddr;

use axum::extract::State;
use countersign_domain::answer::DenialReason;
use countersign_domain::answer_context::ChallengeContext;
use countersign_domain::challenge::Challenge;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use serde::Serialize;

use crate::auth::Application;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::state::SharedState;
use crate::urls::PublicUrl;

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
) -> ApiResult {
    let (challenge, context) =
        state.verify.challenge_context(account, service, &identity, sid).await?;
    reply::ok(&ContextView::of(&challenge, &context, &state.public_url))
}

#[derive(Serialize)]
struct ContextView<'a> {
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    challenge_sid: ChallengeSid,
    quiet: bool,
    challenge_reason: Option<&'static str>,
    answer_address: Option<IpAddr>,
    answer_country: Option<String>,
    url: String,
}

impl<'a> ContextView<'a> {
    fn of(challenge: &'a Challenge, context: &ChallengeContext, base: &PublicUrl) -> Self {
        let owner = &challenge.owner;
        Self {
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            challenge_sid: challenge.sid,
            quiet: context.is_quiet,
            challenge_reason: context.answer.reason.map(DenialReason::as_str),
            answer_address: context.answer.address,
            answer_country: context.answer.country.map(|country| country.to_string()),
            url: format!("{}/Context", base.challenge(owner, challenge.sid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::answer_context::AnswerContext;

    use super::*;
    use crate::tests::{base, challenge};

    #[test]
    fn answered() {
        let answer = AnswerContext {
            reason: Some(DenialReason::NotMe),
            address: "2001:db8::1".parse().ok(),
            country: "PT".parse().ok(),
        };
        let context = ChallengeContext { is_quiet: true, answer };
        insta::assert_json_snapshot!(ContextView::of(&challenge(), &context, &base()));
    }

    #[test]
    fn pending() {
        let context = ChallengeContext::default();
        insta::assert_json_snapshot!(ContextView::of(&challenge(), &context, &base()));
    }
}
