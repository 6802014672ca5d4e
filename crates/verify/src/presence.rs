//! The presence of a challenge: the number that the application shows, and the code that its person types.

use countersign_domain::challenge::Challenge;
use countersign_domain::invalid::Invalid;
use countersign_domain::presence::{Presence, PresenceCode};
use countersign_domain::presence_check::CodeRefusal;
use countersign_domain::presence_choice::PresenceRefusal;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_store::seam::{Confirmation, Confirmed};

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::parameter::Parameter;
use crate::security::{self, Event};
use crate::verify::Verify;

impl Verify {
    /// Returns the presence of a challenge, for the application that shows its number or asks for its code.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the challenge, or if it asks for no presence.
    pub async fn presence(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<Presence> {
        let caller = Caller::Application(account);
        let (challenge, _) = self.reach_challenge(&caller, service, identity, sid).await?;
        challenge.presence.map(|presence| *presence).ok_or(VerifyError::NotFound)
    }

    /// Judges a code that a person typed on the page. Once it was right, it stays confirmed.
    ///
    /// # Errors
    /// Those of [`Verify::presence`]; [`VerifyError::PresenceCode`].
    pub async fn confirm_presence(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        code: PresenceCode,
    ) -> VerifyResult<()> {
        let caller = Caller::Application(account);
        self.reach_challenge(&caller, service, identity, sid).await?;
        let at = self.time().await?;
        let confirmation = Confirmation { challenge: sid, code, at };
        match self.store.confirm_presence(confirmation).await? {
            Confirmed::Done => Ok(()),
            Confirmed::NotFound => Err(VerifyError::NotFound),
            Confirmed::Refused(CodeRefusal::OtherMode(mode)) => {
                let why = format!("is for Presence=code, this challenge has {mode}");
                Err(VerifyError::Parameter(Parameter::PresenceCode, Invalid(why.into())))
            }
            Confirmed::Refused(why) => {
                security::refused(Event::Answer, account, Some(&sid), &why);
                Err(VerifyError::PresenceCode(why))
            }
        }
    }

    /// The error for a wrong number. The last try has denied the challenge.
    pub(crate) async fn wrong_number(&self, challenge: &Challenge, tries_left: u8) -> VerifyError {
        let (account, sid) = (challenge.owner.account, challenge.sid);
        let error = VerifyError::WrongNumber(tries_left);
        security::refused(Event::Answer, account, Some(&sid), &error);
        if tries_left == 0 {
            self.handover.happened();
            self.bus.challenge_changed(sid).await;
        }
        error
    }
}

/// The error of a part of a presence that cannot be had.
pub(crate) fn unfit((part, why): PresenceRefusal) -> VerifyError {
    VerifyError::Parameter(Parameter::Presence(part), why)
}
