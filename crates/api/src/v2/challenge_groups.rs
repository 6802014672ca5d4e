//! Ours: groups of challenges, which ask several devices of a person at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::sid::{ChallengeGroupSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::Order;
use countersign_verify::concurrency::RequestPermit;

use super::challenge_group_view::ChallengeGroupView;
use super::challenge_params::{order, word};
use super::challenges::LONGEST_WAIT;
use crate::auth::Application;
use crate::body::Query;
use crate::paging::Paging;
use crate::params::integer;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::state::SharedState;

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeGroupSid)>,
    place: Option<Extension<Arc<RequestPermit>>>,
    query: Query,
) -> ApiResult {
    let verify = &state.verify;
    let wait = query.params()?.optional("WaitSeconds", integer(0..=LONGEST_WAIT))?.unwrap_or(0);
    let group = if wait == 0 {
        verify.challenge_group(account, service, &identity, sid).await?
    } else {
        let _waiting = place.as_deref().map(|place| place.begin_long_poll());
        let (most, stop) = (Duration::from_secs(wait), &state.shutdown);
        verify.wait_for_challenge_group(account, service, &identity, sid, most, stop).await?
    };
    let now = verify.time().await?;
    reply::ok(&ChallengeGroupView::of(&group, now, &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    query: Query,
) -> ApiResult {
    let params = query.params()?;
    let order = order(&params)?;
    let filters = [("Order", order.map(|order| word(order).to_owned()))];
    let paging = Paging::read(&query, &params, order.unwrap_or(Order::Ascending), &filters)?;
    let verify = &state.verify;
    let page = verify.challenge_groups(account, service, &identity, paging.query).await?;
    let (now, base) = (verify.time().await?, &state.public_url);
    let view = |group| ChallengeGroupView::of(group, now, base);
    paging.reply(base, "challenge_groups", &page, ChallengeGroup::sid, view)
}
