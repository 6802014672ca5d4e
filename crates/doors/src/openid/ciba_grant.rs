//! The grant of CIBA: a client fetches the answer to its question (CIBA Core sections 10.1 and 11). The request is held until there is
//! news.

use std::time::Duration;

use countersign_domain::challenge::{ChallengeStatus, Verdict};
use countersign_domain::openid_client::CibaMode;
use countersign_verify::VerifyError;
use countersign_verify::openid_tokens::SignIn;

use super::approval;
use super::client::ClientRequest;
use super::door::OpenIdDoor;
use super::refusal::Refusal;

/// How long a request is held. Certified clients give up after 30 seconds.
const HOLD: Duration = Duration::from_secs(20);

/// The sign-in that a client asked for.
///
/// # Errors
/// The client has no such question or fetched its answer before, or the answer is not an approval.
pub(super) async fn sign_in(door: &OpenIdDoor, request: &ClientRequest) -> Result<SignIn, Refusal> {
    let client = request.client();
    if client.settings.openid.ciba == CibaMode::Off {
        return Err(Refusal::UnauthorizedClient);
    }
    let name = request.form.required("auth_req_id", "auth_req_id is missing")?;
    let gone = |error: VerifyError| match error {
        VerifyError::NotFound => Refusal::InvalidGrant,
        error => error.into(),
    };
    let asked = door.verify.backchannel_request(client, name).await.map_err(gone)?;
    if asked.redeemed_at.is_some() {
        return Err(Refusal::InvalidGrant);
    }
    if !door.paces.allow(asked.id, door.verify.monotonic()) {
        return Err(Refusal::SlowDown);
    }
    let _waiting = request.place.as_deref().map(|place| place.begin_long_poll());
    let (account, service, identity) = (asked.account, asked.service, &asked.identity);
    let (verify, stop) = (&door.verify, &door.shutdown);
    let group =
        verify.wait_for_challenge_group(account, service, identity, asked.group, HOLD, stop);
    let group = group.await.map_err(gone)?;
    let now = door.verify.time().await.map_err(VerifyError::from)?;
    match (group.answer(), group.status(now)) {
        (Some(answer), _) if answer.verdict == Verdict::Approved => {
            door.verify.redeem_backchannel(&asked).await.map_err(gone)?;
            Ok(approval::sign_in(&answer))
        }
        (Some(_), _) => Err(Refusal::Denied),
        (None, ChallengeStatus::Pending) => Err(Refusal::Pending),
        (None, _) => Err(Refusal::Expired),
    }
}
