//! Factors (Twilio documentation).

use axum::extract::State;
use countersign_domain::factor::AnyFactor;
use countersign_domain::sid::{FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::Order;

use super::factor_params::{self, New};
use super::factor_view::FactorView;
use super::totp_view::{AnyView, TotpView};
use crate::auth::{AnyCaller, Application};
use crate::body::{Form, Query};
use crate::paging::Paging;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;

pub(crate) async fn create(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    let new = factor_params::create(&params, state.verify.strict_tokens())?;
    let base = &state.public_url;
    match new {
        New::Push(new) => {
            let factor = state.verify.enrol(&caller, service, &identity, *new).await?;
            reply::created(&FactorView::created(&factor, base))
        }
        New::Totp(new) => {
            let made = state.verify.enrol_totp(&caller, service, &identity, new).await?;
            reply::created(&TotpView::created(&made, base))
        }
    }
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, FactorSid)>,
) -> ApiResult {
    let factor = state.verify.any_factor(&caller, service, &identity, sid).await?;
    reply::ok(&AnyView::of(&factor, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.factors(account, service, &identity, paging.query).await?;
    let base = &state.public_url;
    paging.reply(base, "factors", &page, AnyFactor::sid, |it| AnyView::of(it, base))
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, FactorSid)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    if let AnyFactor::Totp(factor) =
        state.verify.any_factor(&caller, service, &identity, sid).await?
    {
        let (code, change) = factor_params::update_totp(&params)?;
        let factor = state.verify.update_totp(&factor, code.as_ref(), change).await?;
        return reply::ok(&TotpView::of(&factor, &state.public_url));
    }
    let update = factor_params::update(&params)?;
    let factor = state.verify.update_factor(&caller, service, &identity, sid, update).await?;
    reply::ok(&FactorView::of(&factor, &state.public_url))
}

pub(crate) async fn delete(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, FactorSid)>,
) -> ApiResult {
    state.verify.delete_factor(&caller, service, &identity, sid).await?;
    reply::gone()
}
