//! Ours: integrations, the systems that ask for approvals by a protocol of their own. An absent parameter changes nothing.

use axum::extract::State;
use countersign_domain::integration::{Integration, IntegrationKind, IntegrationSettings};
use countersign_domain::sid::{AccountSid, IntegrationSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity};
use countersign_store::Order;
use serde::Serialize;

use super::integration_params::{change, read_new};
use super::integration_view::{IntegrationView, NewIntegrationView, SecretView};
use crate::auth::Application;
use crate::body::{Form, Query};
use crate::error::ApiError;
use crate::paging::Paging;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    form: Form,
) -> ApiResult {
    let (kind, settings) = read_new(&form.params(&rows::PARAMETER)?)?;
    let made = state.verify.create_integration(account, service, kind, settings).await?;
    reply::created(&NewIntegrationView::of(&made, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, IntegrationSid)>,
) -> ApiResult {
    let integration = state.verify.integration(account, service, sid).await?;
    reply::ok(&IntegrationView::of(&integration, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service,)): PathParams<(ServiceSid,)>,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.integrations(account, service, paging.query).await?;
    let base = &state.public_url;
    paging.reply(base, "integrations", &page, |it| it.sid, |it| IntegrationView::of(it, base))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, IntegrationSid)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    let edit = |kind: IntegrationKind, settings: &mut IntegrationSettings| {
        if let Some(name) = params.optional("FriendlyName", FriendlyName::written)? {
            settings.friendly_name = name;
        }
        change(&params, kind, settings)
    };
    let changed = state.verify.update_integration::<ApiError>(account, service, sid, edit).await?;
    reply::ok(&IntegrationView::of(&changed, &state.public_url))
}

pub(crate) async fn rotate(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, IntegrationSid)>,
) -> ApiResult {
    let rotated = state.verify.rotate_integration_secret(account, service, sid).await?;
    reply::ok(&SecretView::of(&rotated))
}

pub(crate) async fn delete(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, IntegrationSid)>,
) -> ApiResult {
    state.verify.delete_integration(account, service, sid).await?;
    reply::gone()
}

/// The identity of a user name.
pub(crate) async fn identity(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, sid)): PathParams<(ServiceSid, IntegrationSid)>,
    query: Query,
) -> ApiResult {
    let params = query.params()?;
    let name = params.required("UserName", Ok)?;
    let integration = state.verify.integration(account, service, sid).await?;
    let identity = integration.identity(name).map_err(|why| params.bad("UserName", why))?;
    reply::ok(&IdentityView::of(&integration, name, identity))
}

#[derive(Serialize)]
pub(super) struct IdentityView<'a> {
    account_sid: AccountSid,
    service_sid: ServiceSid,
    integration_sid: IntegrationSid,
    user_name: &'a str,
    identity: Identity,
}

impl<'a> IdentityView<'a> {
    pub(super) fn of(integration: &Integration, user_name: &'a str, identity: Identity) -> Self {
        Self {
            account_sid: integration.account,
            service_sid: integration.service,
            integration_sid: integration.sid,
            user_name,
            identity,
        }
    }
}
