//! Factors (wire reference §2.3).

use axum::extract::State;
use countersign_domain::factor::Factor;
use countersign_domain::sid::{FactorSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::Order;

use super::factor_params;
use super::factor_view::FactorView;
use crate::auth::{Anybody, Backend};
use crate::body::{Form, Query};
use crate::paging::Paging;
use crate::paths::In;
use crate::reply::{self, Answer};
use crate::rows;
use crate::state::Shared;

pub(crate) async fn create(
    State(state): State<Shared>,
    Anybody(caller): Anybody,
    In((service, identity)): In<(ServiceSid, Identity)>,
    form: Form,
) -> Answer {
    let params = form.params(&rows::PARAMETER)?;
    let new = factor_params::create(&params, state.verify.strict_tokens())?;
    let factor = state.verify.enrol(&caller, service, &identity, new).await?;
    reply::created(&FactorView::created(&factor, &state.public_url))
}

pub(crate) async fn fetch(
    State(state): State<Shared>,
    Anybody(caller): Anybody,
    In((service, identity, sid)): In<(ServiceSid, Identity, FactorSid)>,
) -> Answer {
    let factor = state.verify.factor(&caller, service, &identity, sid).await?;
    reply::ok(&FactorView::of(&factor, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<Shared>,
    Backend(account): Backend,
    In((service, identity)): In<(ServiceSid, Identity)>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let page = state.verify.factors(account, service, &identity, paging.query).await?;
    let base = &state.public_url;
    paging.reply(base, "factors", &page, |it: &Factor| it.sid, |it| FactorView::of(it, base))
}

pub(crate) async fn update(
    State(state): State<Shared>,
    Anybody(caller): Anybody,
    In((service, identity, sid)): In<(ServiceSid, Identity, FactorSid)>,
    form: Form,
) -> Answer {
    let update = factor_params::update(&form.params(&rows::PARAMETER)?)?;
    let factor = state.verify.update_factor(&caller, service, &identity, sid, update).await?;
    reply::ok(&FactorView::of(&factor, &state.public_url))
}

pub(crate) async fn delete(
    State(state): State<Shared>,
    Anybody(caller): Anybody,
    In((service, identity, sid)): In<(ServiceSid, Identity, FactorSid)>,
) -> Answer {
    state.verify.delete_factor(&caller, service, &identity, sid).await?;
    reply::gone()
}
