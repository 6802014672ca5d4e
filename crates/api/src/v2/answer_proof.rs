//! Ours: the proof of an answer, which anybody can check without this server.

use axum::extract::State;
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;

use crate::auth::Application;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::state::SharedState;

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
) -> ApiResult {
    reply::ok(&state.verify.answer_proof(account, service, &identity, sid).await?)
}
