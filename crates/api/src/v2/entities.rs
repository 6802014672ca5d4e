//! Entities (Twilio documentation). URLs contain the identity instead of the SID.

use axum::extract::State;
use countersign_domain::entity::Entity;
use countersign_domain::sid::{AccountSid, EntitySid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::Order;
use serde::Serialize;

use crate::auth::Application;
use crate::body::{Form, Query};
use crate::paging::Paging;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;
use crate::urls::PublicUrl;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let identity = form.params(&rows::PARAMETER)?.required("Identity", Identity::parse)?;
    let entity = state.verify.create_entity(account, service, identity).await?;
    reply::created(&EntityView::of(&entity, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
) -> ApiResult {
    let entity = state.verify.entity(account, service, &identity).await?;
    reply::ok(&EntityView::of(&entity, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.entities(account, service, paging.query).await?;
    let base = &state.public_url;
    paging.reply(
        base,
        "entities",
        &page,
        |entity| entity.owner.entity,
        |it| EntityView::of(it, base),
    )
}

pub(crate) async fn delete(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
) -> ApiResult {
    state.verify.delete_entity(account, service, &identity).await?;
    reply::gone()
}

#[derive(Serialize)]
struct EntityView<'a> {
    sid: EntitySid,
    identity: &'a Identity,
    account_sid: AccountSid,
    service_sid: ServiceSid,
    date_created: Instant,
    date_updated: Instant,
    url: String,
    links: Links,
}

#[derive(Serialize)]
struct Links {
    factors: String,
    new_factors: String,
    challenges: String,
}

impl<'a> EntityView<'a> {
    fn of(entity: &'a Entity, base: &PublicUrl) -> Self {
        let owner = &entity.owner;
        let url = base.entity(owner);
        let factors = format!("{url}/Factors");
        Self {
            sid: owner.entity,
            identity: &owner.identity,
            account_sid: owner.account,
            service_sid: owner.service,
            date_created: entity.created_at,
            date_updated: entity.updated_at,
            links: Links {
                new_factors: factors.clone(),
                factors,
                challenges: format!("{url}/Challenges"),
            },
            url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{at, base, owner};

    #[test]
    fn looks_as_documented() {
        let entity = Entity { owner: owner(), label: None, created_at: at(), updated_at: at() };
        insta::assert_json_snapshot!(EntityView::of(&entity, &base()));
    }
}
