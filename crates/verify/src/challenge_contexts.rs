//! The context of an answer, for the application and operators alone: the address that it came from, and its reason.

use std::net::IpAddr;

use countersign_domain::answer_context::{ChallengeContext, Country, asked_address};
use countersign_domain::challenge::Challenge;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;
use metrics::counter;

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::verify::Verify;

impl Verify {
    /// The country of an address, if it is known.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        self.places.country(address)
    }

    /// Returns a challenge of an application, and what is stored about it for applications and operators alone.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn challenge_context(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<(Challenge, ChallengeContext)> {
        let caller = Caller::Application(account);
        let (challenge, _) = self.reach_challenge(&caller, service, identity, sid).await?;
        let context = self.context_of(&challenge).await?;
        Ok((challenge, context))
    }

    /// Returns what is stored about a challenge for applications and operators alone.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if the challenge was removed meanwhile.
    pub async fn context_of(&self, challenge: &Challenge) -> VerifyResult<ChallengeContext> {
        let context = self.store.challenge_context(challenge.sid).await?;
        context.ok_or(VerifyError::NotFound)
    }

    /// Warns if a challenge was answered from another country than its application shows as the origin.
    pub(crate) fn compare_places(&self, answered: &Challenge, country: Option<Country>) {
        let asked = asked_address(&answered.details.fields);
        let asked = country.and_then(|_| self.places.country(asked?));
        if let Some((asked, answered_from)) = asked.zip(country).filter(|(one, other)| one != other)
        {
            counter!("countersign_answers_from_another_country_total").increment(1);
            tracing::warn!(challenge = %answered.sid, %asked, %answered_from, "a challenge about an address in {asked} was answered from {answered_from}");
        }
    }
}
