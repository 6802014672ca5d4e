//! Proofs of answers: what the device signed, for anybody to check.

use countersign_domain::challenge::{Challenge, ChallengeState, ChallengeStatus, Verdict};
use countersign_domain::presence::{Presence, PresenceProof};
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::signed_answer::ProofDocument;
use countersign_domain::text::Identity;

use crate::caller::Caller;
use crate::error::{NoProof, VerifyError, VerifyResult};
use crate::verify::Verify;

impl Verify {
    /// Returns the proof of the answer to a challenge of an application.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`], [`VerifyError::NoProof`].
    pub async fn answer_proof(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<ProofDocument> {
        let caller = Caller::Application(account);
        let (challenge, _) = self.reach_challenge(&caller, service, identity, sid).await?;
        self.proof_of(&challenge).await
    }

    /// Returns the proof of the answer to a challenge.
    ///
    /// # Errors
    /// [`VerifyError::NoProof`].
    pub async fn proof_of(&self, challenge: &Challenge) -> VerifyResult<ProofDocument> {
        let ChallengeState::Answered { verdict, at } = challenge.state else {
            return Err(VerifyError::NoProof(NoProof::NotAnswered));
        };
        // The signed text contains the code, which only the person may tell the application.
        let is_secret = |presence: &Presence| {
            matches!(presence.proof, PresenceProof::Code { .. })
                && !presence.is_confirmed
                && presence.tries_left() > 0
        };
        if challenge.presence.as_deref().is_some_and(is_secret) {
            return Err(VerifyError::NoProof(NoProof::CodeIsOpen));
        }
        let signed = self.store.signed_answer(challenge.sid).await?;
        let signed = signed.ok_or(VerifyError::NoProof(NoProof::NotKept))?;
        let status = match verdict {
            Verdict::Approved => ChallengeStatus::Approved,
            Verdict::Denied => ChallengeStatus::Denied,
        };
        let owner = &challenge.owner;
        Ok(ProofDocument {
            challenge_sid: challenge.sid.to_string(),
            account_sid: owner.account.to_string(),
            service_sid: owner.service.to_string(),
            entity_sid: owner.entity.to_string(),
            identity: owner.identity.to_string(),
            factor_sid: challenge.factor.to_string(),
            status: status.as_str().to_owned(),
            date_responded: at.to_string(),
            alg: "ES256".to_owned(),
            public_key: signed.key.to_text(),
            answer: signed.jws,
        })
    }
}
