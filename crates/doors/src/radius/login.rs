//! A login: finds the person, asks them, and answers in the words of the protocol.

use std::time::Duration;

use countersign_domain::challenge::{ChallengeStatus, Field};
use countersign_domain::challenge_group::ChallengeGroup;
use countersign_domain::integration::RadiusMode;
use countersign_domain::presence::PresenceProof;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::secret::Secret;
use countersign_domain::service_protection::{PresenceList, PresenceMode};
use countersign_domain::text::{Message, StringMap};
use countersign_store::{Order, PageQuery};
use countersign_verify::challenges::NewChallenge;
use countersign_verify::{VerifyError, VerifyResult};

use super::door::{Client, RadiusDoor};
use super::request::{AccessRequest, Typed};
use super::response::Response;
use super::state;
use crate::person::{Person, wanted_presence};

/// Longer than any prompt lives.
const TO_THE_END: Duration = Duration::from_secs(20 * 60);
/// How long the second request of the challenge mode waits: less than clients are patient.
const A_MOMENT: Duration = Duration::from_secs(5);
/// How long the answer to a prompt can be asked for after its end.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// The newest prompts of a person among which a repeated login looks for its own.
const NEWEST: u16 = 5;
/// The hidden detail that tells a login.
const MARK: &str = "login";

const DENIED: &str = "Access denied";
const TIMED_OUT: &str = "Nobody answered in time";
const WRONG_CODE: &str = "Wrong code";
const NO_DEVICE: &str = "No device can be asked";

/// Why a request gets no answer, so that its client asks again or another server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the server stops, or too many requests wait")]
    Pending,
    #[error("{0}")]
    Failed(VerifyError),
}

impl RadiusDoor {
    /// Answers a request for access.
    pub(super) async fn login(
        &self,
        client: &Client,
        request: &AccessRequest,
    ) -> Result<Response, Unanswered> {
        match self.judge(client, request).await {
            Ok(response) => response.ok_or(Unanswered::Pending),
            Err(error) => refusal(error),
        }
    }

    /// The response; `None` if there is none yet.
    async fn judge(
        &self,
        client: &Client,
        request: &AccessRequest,
    ) -> VerifyResult<Option<Response>> {
        let Ok(identity) = client.0.integration.identity(&request.user_name) else {
            return Ok(Some(Response::reject(DENIED)));
        };
        let person = Person::find(&self.verify, client.place(), identity).await?;
        if let Typed::Code(code) = &request.typed
            && !person.codes.is_empty()
        {
            return self.judge_code(client, request, &person, code).await.map(Some);
        }
        if let Some(state) = &request.state {
            return self.ask_again(client, &person, state).await;
        }
        let Some(group) = self.ask(client, request, &person).await? else {
            return Ok(Some(Response::reject(NO_DEVICE)));
        };
        match client.0.integration.settings.radius_mode {
            RadiusMode::Wait => {
                let group = self.wait(client, &group, TO_THE_END).await?;
                Ok(self.verdict(&group))
            }
            RadiusMode::Challenge => Ok(Some(next(client, &group))),
        }
    }

    /// The second request of the challenge mode: waits a moment.
    async fn ask_again(
        &self,
        client: &Client,
        person: &Person,
        state: &[u8],
    ) -> VerifyResult<Option<Response>> {
        let Some(sid) = state::read(state, &person.identity, client.secret()) else {
            return Ok(Some(Response::reject(DENIED)));
        };
        let (account, service) = client.place();
        let group = self.verify.challenge_group(account, service, &person.identity, sid).await?;
        if group.first().expires_at + AFTERWARDS < self.verify.now() {
            return Ok(Some(Response::reject(TIMED_OUT)));
        }
        let group = self.wait(client, &group, A_MOMENT).await?;
        Ok(Some(self.verdict(&group).unwrap_or_else(|| next(client, &group))))
    }

    async fn wait(
        &self,
        client: &Client,
        group: &ChallengeGroup,
        most: Duration,
    ) -> VerifyResult<ChallengeGroup> {
        let (account, service) = client.place();
        let identity = &group.first().owner.identity;
        let (sid, stop) = (group.sid(), &self.shutdown);
        self.verify.wait_for_challenge_group(account, service, identity, sid, most, stop).await
    }

    /// The answer of the person, if there is one.
    fn verdict(&self, group: &ChallengeGroup) -> Option<Response> {
        match group.status(self.verify.now()) {
            ChallengeStatus::Approved => Some(Response::accept()),
            ChallengeStatus::Denied => Some(Response::reject(DENIED)),
            ChallengeStatus::Expired => Some(Response::reject(TIMED_OUT)),
            ChallengeStatus::Pending => None,
        }
    }

    /// The prompt of a login: the one that is open if the same login was begun before, at this server or another, otherwise a new one.
    /// `None` if no device can show it.
    async fn ask(
        &self,
        client: &Client,
        request: &AccessRequest,
        person: &Person,
    ) -> VerifyResult<Option<ChallengeGroup>> {
        let (account, service) = client.place();
        let settings = &client.0.integration.settings;
        let wanted = wanted_presence(&self.verify, &client.0.integration).await?;
        let modes = shown(&wanted, settings.radius_mode);
        let must_take_numbers = !modes.contains(&PresenceMode::None);
        let words: Vec<_> = modes.iter().map(|mode| mode.as_str()).collect();
        let Ok(modes) = PresenceList::parse(&words.join(",")) else { return Ok(None) };
        let Some(devices) = person.devices(must_take_numbers) else { return Ok(None) };
        let start = self.start_of(client, &person.identity);
        let _only = start.lock().await;
        let place = request.calling_station.as_deref().unwrap_or_default();
        let mark = state::mark(&request.user_name, place, client.secret());
        if let Some(group) = self.pending(client, person, &mark).await? {
            return Ok(Some(group));
        }
        let wish = PresenceWish { modes: Some(modes), ..PresenceWish::default() };
        let new = self.question(client, request, wish, Some(&mark));
        let identity = &person.identity;
        let made = self.verify.create_challenge_group(account, service, identity, &devices, &new);
        made.await.map(Some)
    }

    /// An open prompt of the same login.
    async fn pending(
        &self,
        client: &Client,
        person: &Person,
        mark: &str,
    ) -> VerifyResult<Option<ChallengeGroup>> {
        let (account, service) = client.place();
        let newest = PageQuery { order: Order::Descending, ..PageQuery::first(NEWEST) };
        let groups =
            self.verify.challenge_groups(account, service, &person.identity, newest).await?;
        let now = self.verify.now();
        Ok(groups.items.into_iter().find(|group| {
            let hidden = group.first().hidden_details.as_ref();
            group.status(now) == ChallengeStatus::Pending
                && hidden.is_some_and(|hidden| hidden.get(MARK) == Some(mark))
        }))
    }

    /// The challenge as the person sees it.
    fn question(
        &self,
        client: &Client,
        request: &AccessRequest,
        presence: PresenceWish,
        mark: Option<&str>,
    ) -> NewChallenge {
        let settings = &client.0.integration.settings;
        let message = Message::written(format!("Log in to {}?", settings.friendly_name));
        let mut fields = vec![Field::shortened("User", &request.user_name)];
        fields.extend(
            request.calling_station.as_deref().map(|from| Field::shortened("Address", from)),
        );
        let country = request.address().and_then(|address| self.verify.country(address));
        fields.extend(country.map(|country| Field::shortened("Place", &country.to_string())));
        fields
            .extend(request.gateway.as_deref().map(|gateway| Field::shortened("Gateway", gateway)));
        let marked = mark.map(|mark| serde_json::json!({ MARK: mark }).to_string());
        NewChallenge {
            expires_at: Some(
                self.verify.now() + Duration::from_secs(settings.prompt_seconds.into()),
            ),
            message: message.ok(),
            fields,
            hidden_details: marked.and_then(|text| StringMap::parse(&text).ok()),
            code: None,
            presence,
        }
    }

    /// Judges a code by each TOTP factor of the person, until one takes it.
    async fn judge_code(
        &self,
        client: &Client,
        request: &AccessRequest,
        person: &Person,
        code: &Secret,
    ) -> VerifyResult<Response> {
        let (account, service) = client.place();
        for factor in person.code_factors() {
            let mut new = self.question(client, request, PresenceWish::default(), None);
            new.code = Some(code.expose().to_owned());
            let identity = &person.identity;
            match self.verify.create_challenge(account, service, identity, factor, new).await {
                Ok(challenge)
                    if challenge.status(self.verify.now()) == ChallengeStatus::Approved =>
                {
                    return Ok(Response::accept());
                }
                Ok(_) | Err(VerifyError::Parameter(..) | VerifyError::AnswerRejected(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Response::reject(WRONG_CODE))
    }
}

/// The presence modes that this door can show: a number in the message of the challenge mode.
fn shown(wanted: &[PresenceMode], mode: RadiusMode) -> Vec<PresenceMode> {
    let can_show = |presence: &PresenceMode| match presence {
        PresenceMode::None => true,
        PresenceMode::Number | PresenceMode::Pick => mode == RadiusMode::Challenge,
        PresenceMode::Code => false,
    };
    wanted.iter().copied().filter(can_show).collect()
}

/// The response that has the client ask again.
fn next(client: &Client, group: &ChallengeGroup) -> Response {
    let first = group.first();
    let number = first.presence.as_ref().and_then(|presence| match &presence.proof {
        PresenceProof::Number { answer } | PresenceProof::Pick { answer, .. } => {
            Some(answer.value())
        }
        PresenceProof::Code { .. } => None,
    });
    let message = match number {
        Some(number) => {
            format!("Enter {number} on your phone, then press Enter here, or type a code")
        }
        None => "Approve on your phone, then press Enter here, or type a code".to_owned(),
    };
    let state = state::write(group.sid(), &first.owner.identity, client.secret());
    Response::challenge(&message, &state)
}

/// How a login ends that a use case refuses. Only what is not about the person gets no answer.
fn refusal(error: VerifyError) -> Result<Response, Unanswered> {
    match error {
        VerifyError::Store(_) | VerifyError::Conflict | VerifyError::TooManyRequests => {
            Err(Unanswered::Failed(error))
        }
        VerifyError::TooManyInARow(_) | VerifyError::Paused(_) => {
            Ok(Response::reject("This user is paused"))
        }
        VerifyError::TooManyPending
        | VerifyError::TooManyChallenges
        | VerifyError::TooManyAnswers
        | VerifyError::TooManyStoredBytes(_) => Ok(Response::reject("Too many logins")),
        _ => Ok(Response::reject(DENIED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_in_the_challenge_mode_only() {
        use PresenceMode::{Code, None, Number, Pick};
        let wanted = [Number, Pick, Code, None];
        assert_eq!(shown(&wanted, RadiusMode::Challenge), [Number, Pick, None]);
        assert_eq!(shown(&wanted, RadiusMode::Wait), [None]);
        assert_eq!(shown(&[Code], RadiusMode::Challenge), []);
    }

    #[test]
    fn only_errors_that_are_not_about_the_person_get_no_response() {
        for error in [
            VerifyError::TooManyInARow(Duration::ZERO),
            VerifyError::TooManyPending,
            VerifyError::NotFound,
            VerifyError::TooManyAnswers,
        ] {
            assert!(refusal(error.clone()).is_ok(), "{error}");
        }
        assert!(refusal(VerifyError::Conflict).is_err());
    }
}
