//! Ours: whether a person is paused, and the application's switch for it.

use axum::extract::State;
use countersign_domain::invalid::Invalid;
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_verify::protections::{EntityProtection, PAUSE_HOURS, ProtectionChange};
use serde::Serialize;

use crate::auth::Application;
use crate::body::Form;
use crate::error::ApiError;
use crate::params::{Params, boolean, integer};
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
) -> ApiResult {
    let found = state.verify.protection(account, service, &identity).await?;
    reply::ok(&ProtectionView::of(&found, &state.public_url))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    form: Form,
) -> ApiResult {
    let change = change(&form.params(&rows::PARAMETER)?)?;
    let found = state.verify.protect(account, service, &identity, change).await?;
    reply::ok(&ProtectionView::of(&found, &state.public_url))
}

fn change(params: &Params<'_>) -> Result<ProtectionChange, ApiError> {
    let is_paused = params.required("Paused", boolean)?;
    let hours = params.optional("PauseHours", integer(PAUSE_HOURS))?;
    match (is_paused, hours) {
        (true, hours) => Ok(ProtectionChange::Pause { hours }),
        (false, None) => Ok(ProtectionChange::Resume),
        (false, Some(_)) => {
            Err(params.bad("PauseHours", Invalid::because("needs Paused to be true")))
        }
    }
}

#[derive(Serialize)]
struct ProtectionView<'a> {
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    paused: bool,
    reason: Option<&'static str>,
    paused_until: Option<Instant>,
    level: u32,
    url: String,
}

impl<'a> ProtectionView<'a> {
    fn of(found: &'a EntityProtection, base: &PublicUrl) -> Self {
        let owner = &found.owner;
        Self {
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            paused: found.pause.is_some(),
            reason: found.pause.map(|pause| pause.reason.as_str()),
            paused_until: found.pause.and_then(|pause| pause.until),
            level: found.level,
            url: format!("{}/Protection", base.entity(owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::protection::{Pause, PauseReason};

    use super::*;
    use crate::tests::{at, base, owner};

    #[test]
    fn paused() {
        let pause = Pause { reason: PauseReason::InARow, level: 2, until: Some(at()) };
        let found = EntityProtection { owner: owner(), pause: Some(pause), level: 2 };
        insta::assert_json_snapshot!(ProtectionView::of(&found, &base()));
    }

    #[test]
    fn open() {
        let found = EntityProtection { owner: owner(), pause: None, level: 0 };
        insta::assert_json_snapshot!(ProtectionView::of(&found, &base()));
    }
}
