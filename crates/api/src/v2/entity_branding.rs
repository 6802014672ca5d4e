//! Ours: what devices show of an entity in place of its identity. An absent parameter changes nothing; an empty one removes the
//! value.

use axum::extract::State;
use countersign_domain::entity::Entity;
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::text::{AccountLabel, Identity};
use countersign_domain::time::Instant;
use serde::Serialize;

use super::branding::or_none;
use crate::auth::Application;
use crate::body::Form;
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
    let entity = state.verify.entity(account, service, &identity).await?;
    reply::ok(&EntityBrandingView::of(&entity, &state.public_url))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    let label = params.optional("Label", or_none(|text: &str| AccountLabel::written(text)))?;
    let entity = match label {
        Some(label) => state.verify.label_entity(account, service, &identity, label).await?,
        None => state.verify.entity(account, service, &identity).await?,
    };
    reply::ok(&EntityBrandingView::of(&entity, &state.public_url))
}

#[derive(Serialize)]
struct EntityBrandingView<'a> {
    account_sid: AccountSid,
    service_sid: ServiceSid,
    entity_sid: EntitySid,
    identity: &'a Identity,
    label: Option<&'a AccountLabel>,
    date_updated: Instant,
    url: String,
}

impl<'a> EntityBrandingView<'a> {
    fn of(entity: &'a Entity, base: &PublicUrl) -> Self {
        let owner = &entity.owner;
        Self {
            account_sid: owner.account,
            service_sid: owner.service,
            entity_sid: owner.entity,
            identity: &owner.identity,
            label: entity.label.as_ref(),
            date_updated: entity.updated_at,
            url: format!("{}/Branding", base.entity(owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{at, base, owner};

    #[test]
    fn labelled() {
        let label = AccountLabel::parse("Ann Smith, „Söhne“").ok();
        let entity = Entity { owner: owner(), label, created_at: at(), updated_at: at() };
        insta::assert_json_snapshot!(EntityBrandingView::of(&entity, &base()));
    }
}
