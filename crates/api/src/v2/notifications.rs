//! Notifications (Twilio documentation). List and fetch are additions of this server.

use axum::extract::State;
use countersign_domain::notification::{DEFAULT_TTL, TTL};
use countersign_domain::sid::{ChallengeSid, NotificationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::Order;
use countersign_verify::Caller;

use super::notification_view::{DetailedView, NotificationView};
use crate::auth::Application;
use crate::body::{Form, Query};
use crate::error::ApiError;
use crate::paging::Paging;
use crate::params::integer;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, challenge)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
    form: Form,
) -> ApiResult {
    let verify = &state.verify;
    let ttl = match ttl(&form) {
        Ok(ttl) => ttl,
        Err(fault) => {
            // A missing challenge takes precedence over an invalid `Ttl`.
            let caller = Caller::Application(account);
            verify.challenge(&caller, service, &identity, challenge).await?;
            return Err(fault);
        }
    };
    let (owner, new) = verify.notify(account, service, &identity, challenge, ttl).await?;
    reply::created(&NotificationView::of_new(&owner, &new))
}

fn ttl(form: &Form) -> Result<u16, ApiError> {
    let params = form.params(&rows::OTHER_PARAMETER)?;
    Ok(params.optional("Ttl", integer(TTL))?.unwrap_or(DEFAULT_TTL))
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, challenge, sid)): PathParams<(
        ServiceSid,
        Identity,
        ChallengeSid,
        NotificationSid,
    )>,
) -> ApiResult {
    let verify = &state.verify;
    let (owner, notification) =
        verify.notification(account, service, &identity, challenge, sid).await?;
    reply::ok(&DetailedView::of(&owner, &notification, verify.node(), &state.public_url))
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, challenge)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
    query: Query,
) -> ApiResult {
    let paging = Paging::read(&query, &query.params()?, Order::Ascending, &[])?;
    let (verify, base) = (&state.verify, &state.public_url);
    let (owner, page) =
        verify.notifications(account, service, &identity, challenge, paging.query).await?;
    let view = |it| DetailedView::of(&owner, it, verify.node(), base);
    paging.reply(base, "notifications", &page, |it| it.sid, view)
}
