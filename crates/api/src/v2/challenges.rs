//! Challenges (Twilio documentation).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{ConnectInfo, State};
use countersign_domain::challenge::{Challenge, ChallengeStatus, SIGNED_FIELDS};
use countersign_domain::sid::{ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::Order;
use countersign_verify::answers::ChallengeUpdate;
use countersign_verify::concurrency::RequestPermit;
use countersign_verify::{Caller, Verify};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::challenge_group_view::ChallengeGroupView;
use super::challenge_params::{self, ChallengeTarget};
use super::challenge_view::ChallengeView;
use crate::auth::{AnyCaller, Application};
use crate::body::{Form, Query};
use crate::error::ApiError;
use crate::paging::Paging;
use crate::params::integer;
use crate::paths::PathParams;
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::state::SharedState;

/// Names the members that a device signs. Without it the mobile SDKs can show a challenge but not answer it.
const SIGNATURE_FIELDS: HeaderName = HeaderName::from_static("twilio-verify-signature-fields");
/// Tells a device what to ask its person for.
const PRESENCE: HeaderName = HeaderName::from_static("countersign-presence");
/// Tells a device that an approval must say that its platform has verified the person.
const USER_VERIFICATION: HeaderName = HeaderName::from_static("countersign-user-verification");
/// Tells a device to show the challenge without a sound, as the push of it says.
const QUIET: HeaderName = HeaderName::from_static("countersign-quiet");
/// Why a challenge is over, where its status does not say so.
const STATUS_REASON: HeaderName = HeaderName::from_static("countersign-status-reason");
/// The headers of our own, which pages of other origins may read.
#[cfg(test)]
pub(crate) const OWN_HEADERS: [HeaderName; 4] = [PRESENCE, USER_VERIFICATION, QUIET, STATUS_REASON];
/// Longest wait of a long poll, in seconds.
pub(super) const LONGEST_WAIT: u64 = 50;

pub(crate) async fn create(
    State(state): State<SharedState>,
    Application(account): Application,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    form: Form,
) -> ApiResult {
    let params = form.params(&rows::PARAMETER)?;
    let asked = challenge_params::target(&params)?;
    let (new, verify) = (challenge_params::create(&params)?, &state.verify);
    match asked {
        ChallengeTarget::Factor(factor) => {
            let opened = verify.create_challenge(account, service, &identity, factor, new).await?;
            let now = verify.time().await?;
            reply::created(&ChallengeView::of(&opened, now, &state.public_url))
        }
        ChallengeTarget::Devices(devices) => {
            let opened = verify.create_challenge_group(account, service, &identity, &devices, &new);
            let (opened, now) = (opened.await?, verify.time().await?);
            reply::created(&ChallengeGroupView::of(&opened, now, &state.public_url))
        }
    }
}

pub(crate) async fn fetch(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
    place: Option<Extension<Arc<RequestPermit>>>,
    query: Query,
) -> ApiResult {
    let verify = &state.verify;
    let wait = query.params()?.optional("WaitSeconds", integer(0..=LONGEST_WAIT))?.unwrap_or(0);
    let challenge = if wait == 0 {
        verify.challenge(&caller, service, &identity, sid).await?
    } else {
        let _waiting = place.as_deref().map(|place| place.begin_long_poll());
        let most = Duration::from_secs(wait);
        verify.wait_for_challenge(&caller, service, &identity, sid, most, &state.shutdown).await?
    };
    let now = verify.time().await?;
    let mut response = reply::ok(&ChallengeView::to(&caller, &challenge, now, &state.public_url))?;
    if challenge.status(now) == ChallengeStatus::Pending {
        let fields = HeaderValue::try_from(SIGNED_FIELDS.join(","));
        let fields = fields.map_err(|error| ApiError::internal(&error))?;
        response.headers_mut().insert(SIGNATURE_FIELDS, fields);
        if matches!(caller, Caller::Device(_)) {
            tell_manner(response.headers_mut(), &challenge, verify).await?;
        }
    }
    if let Some(reason) = challenge.state.reason() {
        response.headers_mut().insert(STATUS_REASON, HeaderValue::from_static(reason));
    }
    Ok(response)
}

/// Tells a device what its frame or push tells: how to show a challenge that is pending, and what to ask its person for.
async fn tell_manner(
    headers: &mut HeaderMap,
    challenge: &Challenge,
    verify: &Verify,
) -> Result<(), ApiError> {
    if challenge.is_quiet {
        headers.insert(QUIET, HeaderValue::from_static("true"));
    }
    if let Some(hint) = challenge.presence.as_ref().and_then(|presence| presence.hint()) {
        let hint = HeaderValue::try_from(hint.to_string());
        headers.insert(PRESENCE, hint.map_err(|error| ApiError::internal(&error))?);
    }
    if let Some(word) = verify.user_verification(challenge).await?.if_wanted() {
        headers.insert(USER_VERIFICATION, HeaderValue::from_static(word));
    }
    Ok(())
}

pub(crate) async fn list(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity)): PathParams<(ServiceSid, Identity)>,
    query: Query,
) -> ApiResult {
    let params = query.params()?;
    let (filter, order) = challenge_params::filter(&params)?;
    let filters = [
        ("FactorSid", filter.factor.map(|sid| sid.to_string())),
        ("Status", filter.status.map(|status| status.as_str().to_owned())),
        ("Order", order.map(|order| challenge_params::word(order).to_owned())),
    ];
    let paging = Paging::read(&query, &params, order.unwrap_or(Order::Ascending), &filters)?;
    let verify = &state.verify;
    let page = verify.challenges(&caller, service, &identity, filter, paging.query).await?;
    let (now, base) = (verify.time().await?, &state.public_url);
    paging.reply(
        base,
        "challenges",
        &page,
        |it| it.sid,
        |it| ChallengeView::to(&caller, it, now, base),
    )
}

pub(crate) async fn update(
    State(state): State<SharedState>,
    AnyCaller(caller): AnyCaller,
    PathParams((service, identity, sid)): PathParams<(ServiceSid, Identity, ChallengeSid)>,
    client: Result<Extension<ConnectInfo<SocketAddr>>, ExtensionRejection>,
    form: Form,
) -> ApiResult {
    let update = challenge_params::update(&form.params(&rows::PARAMETER)?)?;
    let from = client.ok().map(|Extension(ConnectInfo(client))| client.ip().to_canonical());
    let update = ChallengeUpdate { from, ..update };
    let verify = &state.verify;
    let challenge = verify.update_challenge(&caller, service, &identity, sid, update).await?;
    let now = verify.time().await?;
    reply::ok(&ChallengeView::to(&caller, &challenge, now, &state.public_url))
}
