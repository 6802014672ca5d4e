//! `bc-authorize`: a client asks a person, apart from the person's browser (CIBA Core section 7).

use std::time::Duration;

use countersign_domain::challenge::{ChallengeStatus, Field};
use countersign_domain::client_url::ClientUrl;
use countersign_domain::integration::PROMPT_SECONDS;
use countersign_domain::openid_client::CibaMode;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::secret::Secret;
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_verify::VerifyError;
use countersign_verify::backchannel::{BackchannelQuestion, ClientCall};
use countersign_verify::challenges::NewChallenge;
use serde::Serialize;

use super::ciba_request::CibaRequest;
use super::client::ClientRequest;
use super::door::OpenIdDoor;
use super::paces::INTERVAL_SECONDS;
use super::refusal::Refusal;
use crate::binding;
use crate::person::{Person, wanted_presence};

/// The response to a question that was asked.
#[derive(Debug, Serialize)]
pub(super) struct CibaResponse {
    auth_req_id: String,
    expires_in: u32,
    interval: u64,
}

/// Asks the person of a request.
///
/// # Errors
/// The client may not ask, the request is invalid, nobody can be asked, or the person may not be asked now.
pub(super) async fn ask(
    door: &OpenIdDoor,
    request: &ClientRequest,
) -> Result<CibaResponse, Refusal> {
    let client = request.client();
    let settings = &client.settings;
    let openid = &settings.openid;
    if openid.ciba == CibaMode::Off {
        return Err(Refusal::UnauthorizedClient);
    }
    let asked = CibaRequest::parse(&request.form, openid)?;
    let identity = client.identity(&asked.login_hint).map_err(|_| Refusal::UnknownUser)?;
    let person = Person::find(&door.verify, (client.account, client.service), identity).await?;
    let wanted = wanted_presence(&door.verify, client).await?;
    let message = asked.binding_message.as_ref();
    let presence = binding::presence(message, asked.must_enter_number, &wanted)?;
    let devices = person.devices(binding::must_take_numbers(&presence));
    let devices = devices.ok_or(Refusal::UnknownUser)?;
    let seconds = asked.requested_expiry.unwrap_or(settings.prompt_seconds);
    let seconds = seconds.min(settings.prompt_seconds).max(*PROMPT_SECONDS.start());
    let expires_at =
        door.verify.time().await.map_err(VerifyError::from)? + Duration::from_secs(seconds.into());
    if let Some(code) = &asked.user_code {
        judge_code(door, request, &person, code, expires_at).await?;
    }
    let new = question(request, &asked, expires_at, presence);
    let call = asked.notification_token.as_ref().zip(openid.notification_endpoint.as_ref());
    let call = call.map(|(token, endpoint)| client_call(token, endpoint));
    let question = BackchannelQuestion {
        identity: &person.identity,
        devices: &devices,
        new: &new,
        call,
        once: None,
        until: None,
    };
    let handle = door.verify.ask_by_backchannel(client, question).await?;
    let auth_req_id = handle.expose().to_owned();
    Ok(CibaResponse { auth_req_id, expires_in: seconds, interval: INTERVAL_SECONDS })
}

fn client_call(token: &Secret, endpoint: &ClientUrl) -> ClientCall {
    ClientCall {
        url: endpoint.as_str().to_owned(),
        bearer: token.expose().to_owned(),
        // The handle is not drawn yet.
        handle: Some(String::new()),
    }
}

/// The challenge as the person sees it. A number that they must enter is not shown to them.
fn question(
    request: &ClientRequest,
    asked: &CibaRequest,
    expires_at: Instant,
    presence: PresenceWish,
) -> NewChallenge {
    let name = &request.client().settings.friendly_name;
    let mut fields = vec![Field::shortened("User", &asked.login_hint)];
    fields.extend(binding::field(asked.binding_message.as_ref(), &presence));
    NewChallenge {
        expires_at: Some(expires_at),
        message: Message::written(format!("Log in to {name}?")).ok(),
        fields,
        hidden_details: None,
        code: None,
        presence,
    }
}

/// Judges the code that a request carries by each TOTP factor of the person, until one takes it.
async fn judge_code(
    door: &OpenIdDoor,
    request: &ClientRequest,
    person: &Person,
    code: &Secret,
    expires_at: Instant,
) -> Result<(), Refusal> {
    let client = request.client();
    for factor in person.code_factors() {
        let name = &client.settings.friendly_name;
        let new = NewChallenge {
            expires_at: Some(expires_at),
            message: Message::written(format!("Log in to {name}?")).ok(),
            fields: Vec::new(),
            hidden_details: None,
            code: Some(code.expose().to_owned()),
            presence: PresenceWish::default(),
        };
        let (account, service, identity) = (client.account, client.service, &person.identity);
        match door.verify.create_challenge(account, service, identity, factor, new).await {
            Ok(judged) if judged.status(door.verify.now()) == ChallengeStatus::Approved => {
                return Ok(());
            }
            Ok(_)
            | Err(
                VerifyError::Parameter(..)
                | VerifyError::AnswerRejected(_)
                | VerifyError::TooManyAnswers
                | VerifyError::TooManyCodes,
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::InvalidUserCode)
}
