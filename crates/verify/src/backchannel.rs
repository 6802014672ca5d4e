//! Questions that clients ask apart from the person's browser: by CIBA, or Keycloak for its own clients.

use std::time::Duration;

use countersign_domain::backchannel::{
    BackchannelHandle, BackchannelId, BackchannelRequest, GRACE,
};
use countersign_domain::integration::Integration;
use countersign_domain::secret::Secret;
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::challenge_groups::Devices;
use crate::challenges::NewChallenge;
use crate::error::{VerifyError, VerifyResult};
use crate::security::{self, Event};
use crate::verify::Verify;

/// The longest time for which a client is called, whatever it asks for.
const CALLED_FOR: Duration = Duration::from_secs(60 * 60);

/// The address and token to call a client with once its question has ended. Stored sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientCall {
    /// Where: one of the URLs of the integration.
    pub url: String,
    /// The bearer token.
    pub bearer: String,
    /// The name by which the client fetches the answer, if it is told that.
    pub handle: Option<String>,
}

/// A question to devices of a person.
pub struct BackchannelQuestion<'a> {
    /// The person.
    pub identity: &'a Identity,
    /// Their devices.
    pub devices: &'a Devices,
    /// The question.
    pub new: &'a NewChallenge,
    /// The address and token of the client's call; `None`: it is not called.
    pub call: Option<ClientCall>,
    /// A text that only one question may be asked with; `None`: a name is drawn.
    pub once: Option<&'a str>,
    /// Until when the client is called, in place of a while after the end of the question.
    pub until: Option<Instant>,
}

impl Verify {
    /// Asks devices of a person for a client. Returns the name by which the client fetches the answer.
    ///
    /// # Errors
    /// Those of [`Verify::create_challenge_group`]; [`VerifyError::Conflict`] if a question was asked with the same text before.
    pub async fn ask_by_backchannel(
        &self,
        client: &Integration,
        question: BackchannelQuestion<'_>,
    ) -> VerifyResult<BackchannelHandle> {
        let BackchannelQuestion { identity, devices, new, call, once, until } = question;
        let handle = BackchannelHandle::draw(&*self.entropy);
        let id = once.map_or_else(|| handle.id(), BackchannelId::of);
        let seal = |mut call: ClientCall| {
            call.handle = call.handle.map(|_| handle.expose().to_owned());
            let text = Secret::new(serde_json::json!(call).to_string());
            self.keys.seal(&text, &seal_context(id), &*self.entropy)
        };
        let call = call.map(seal);
        self.open_group(client.account, client.service, identity, devices, new, |group, now| {
            let ends_at = group.first().expires_at;
            let until = until.map(|until| until.min(now + CALLED_FOR));
            Some(BackchannelRequest {
                id,
                account: client.account,
                service: client.service,
                integration: client.sid,
                identity: identity.clone(),
                group: group.sid(),
                created_at: now,
                deadline: until.unwrap_or(ends_at + GRACE),
                redeemed_at: None,
                call,
            })
        })
        .await?;
        Ok(handle)
    }

    /// Returns the request of a client that has this name.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], also for the name of another client's request.
    pub async fn backchannel_request(
        &self,
        client: &Integration,
        name: &str,
    ) -> VerifyResult<BackchannelRequest> {
        let handle = BackchannelHandle::parse(name).ok_or(VerifyError::NotFound)?;
        let found = self.store.backchannel_request(handle.id()).await?;
        let is_own = |found: &BackchannelRequest| found.integration == client.sid;
        found.filter(is_own).ok_or(VerifyError::NotFound)
    }

    /// Hands the approval of a request to its client, once.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if that was done before, or the time for it is over.
    pub async fn redeem_backchannel(&self, request: &BackchannelRequest) -> VerifyResult<()> {
        let now = self.time().await?;
        if self.store.redeem_backchannel(request.id, now).await? {
            return Ok(());
        }
        let subject: &dyn std::fmt::Display = &request.integration;
        let why = "the approval was fetched before, or too late";
        security::refused(Event::OpenIdTokens, request.account, Some(subject), &why);
        Err(VerifyError::NotFound)
    }

    /// The address and token to call the client of a request with; `None` if it is not called.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn client_call(
        &self,
        request: &BackchannelRequest,
    ) -> VerifyResult<Option<ClientCall>> {
        let Some(sealed) = &request.call else { return Ok(None) };
        let corrupt =
            || countersign_store::StoreError::Corrupt("backchannel_requests.call".to_owned());
        let text = self.open_stored(sealed, &seal_context(request.id)).await?;
        let call = serde_json::from_str(text.expose()).map_err(|_| corrupt())?;
        Ok(Some(call))
    }
}

pub(crate) fn seal_context(id: BackchannelId) -> String {
    format!("backchannel_requests/{}/call", HEXLOWER.encode(&id.0))
}
