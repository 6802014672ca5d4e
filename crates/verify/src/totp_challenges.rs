//! Challenges of TOTP factors, which a code answers.

use countersign_domain::challenge::{Challenge, ChallengeState, Details, Verdict};
use countersign_domain::factor::{FactorStatus, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::protection::PromptLimits;
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, StringMap};
use countersign_domain::time::Instant;
use countersign_domain::totp::TotpFactor;
use countersign_domain::totp_code::TotpCode;
use countersign_store::seam::{CodeUse, JudgedCode, Opened, Opening};

use crate::answers::{NO_FACTOR, reject};
use crate::challenges::NewChallenge;
use crate::error::{VerifyError, VerifyResult};
use crate::parameter::Parameter;
use crate::presence;
use crate::totp_factors::{SPENT_CODE, WRONG_CODE};
use crate::verify::{MAX_TRIES, Verify};

/// Codes of at most this many digits have limits of their own, because they are easier to guess.
const SHORT_CODE_DIGITS: u8 = 4;

impl Verify {
    /// Opens a challenge of a TOTP factor, and answers it if a code is given. A challenge with a wrong or spent code is stored
    /// as pending: it counts against the limits, which bounds guessing by opening challenges. Everything is judged at `now`.
    pub(crate) async fn create_totp_challenge(
        &self,
        account: AccountSid,
        (service, identity, factor): (ServiceSid, &Identity, FactorSid),
        new: NewChallenge,
        (now, expires_at): (Instant, Instant),
    ) -> VerifyResult<Challenge> {
        let sid = factor;
        let factor = self.reach_totp(account, service, identity, sid).await;
        let factor = factor.map_err(|error| match error {
            VerifyError::NotFound => VerifyError::FactorNotFound(sid),
            other => other,
        })?;
        new.presence.check_for_totp().map_err(presence::unfit)?;
        if factor.status == FactorStatus::Unverified {
            return Err(VerifyError::FactorUnverified);
        }
        let code = new.code.as_deref().map(parse_code).transpose()?;
        let challenge = Challenge {
            sid: ChallengeSid::mint(FactorType::Totp, now, &*self.entropy),
            owner: factor.owner.clone(),
            group: None,
            factor: factor.sid,
            factor_type: FactorType::Totp,
            details: Details { message: new.message, fields: new.fields, date: None },
            hidden_details: new.hidden_details,
            metadata: None,
            is_quiet: false,
            presence: None,
            state: ChallengeState::Pending,
            created_at: now,
            updated_at: now,
            expires_at,
        };
        self.open_with_code(challenge, factor, code, now).await
    }

    async fn open_with_code(
        &self,
        challenge: Challenge,
        mut factor: TotpFactor,
        code: Option<TotpCode>,
        now: Instant,
    ) -> VerifyResult<Challenge> {
        let reservation = self.reserve_challenge(&challenge)?;
        for _ in 0..MAX_TRIES {
            let judged = match &code {
                Some(code) => Some(self.judge(&factor, code, now).await?),
                None => None,
            };
            let opening = self.opening_of(&challenge, &factor, judged);
            let opened = self.store.open_challenge(&opening).await?;
            match opened {
                Opened::Done | Opened::WrongCode | Opened::SpentCode => reservation.keep(),
                Opened::Exhausted => return Err(VerifyError::TooManyAnswers),
                Opened::TooMany => return Err(VerifyError::TooManyChallenges),
                Opened::Paused { .. } | Opened::TooManyPending => {
                    unreachable!("only push challenges are limited as prompts")
                }
                Opened::NoFactor => return Err(VerifyError::FactorNotFound(factor.sid)),
                Opened::SettingsChanged => {
                    factor = self.read_again(&factor).await?;
                    continue;
                }
            }
            return match opened {
                Opened::WrongCode => Err(reject(&challenge, WRONG_CODE)),
                Opened::SpentCode => Err(reject(&challenge, SPENT_CODE)),
                _ if judged.is_some() => {
                    self.handover.happened();
                    let state = ChallengeState::Answered { verdict: Verdict::Approved, at: now };
                    Ok(Challenge { state, ..challenge })
                }
                _ => Ok(challenge),
            };
        }
        Err(VerifyError::Conflict)
    }

    /// A challenge of a TOTP factor, with the limits that it is stored under.
    fn opening_of(
        &self,
        challenge: &Challenge,
        factor: &TotpFactor,
        code: Option<JudgedCode>,
    ) -> Opening {
        let limits = &self.settings.limits;
        let (hour, day) = if factor.config.code_length <= SHORT_CODE_DIGITS {
            (0, limits.challenges_per_short_totp_factor_per_day)
        } else {
            (limits.challenges_per_totp_factor_per_hour, limits.challenges_per_totp_factor_per_day)
        };
        Opening {
            challenge: challenge.clone(),
            notification: None,
            code,
            most_per_factor_hour: hour,
            most_per_factor_day: day,
            most_per_entity_hour: limits.challenges_per_entity_per_hour,
            prompts: PromptLimits::OFF,
        }
    }

    /// Judges a code and approves the challenge if the code is right. Replaces the challenge's metadata in the same command, if
    /// any is given.
    pub(crate) async fn answer_with_code(
        &self,
        challenge: Challenge,
        payload: &str,
        metadata: Option<StringMap>,
    ) -> VerifyResult<Challenge> {
        let (now, sid) = (self.open_at(&challenge).await?, challenge.sid);
        let code = parse_code(payload)?;
        let owner = &challenge.owner;
        let factor =
            self.store.totp_factor(owner.service, &owner.identity, challenge.factor).await?;
        let mut factor = factor.ok_or(VerifyError::AnswerRejected(NO_FACTOR))?;
        let most = self.settings.limits.wrong_codes_per_totp_challenge;
        for _ in 0..MAX_TRIES {
            let judged = self.judge(&factor, &code, now).await?;
            let recorded =
                self.store.answer_by_code(sid, judged, most, metadata.as_ref(), now).await?;
            match recorded? {
                CodeUse::Accepted(()) => {
                    self.handover.happened();
                    self.bus.challenge_changed(sid).await;
                    let state = ChallengeState::Answered { verdict: Verdict::Approved, at: now };
                    let answered = Challenge { state, updated_at: now, ..challenge };
                    return Ok(self.with_metadata(answered, metadata));
                }
                CodeUse::Wrong => return Err(reject(&challenge, WRONG_CODE)),
                CodeUse::Spent => return Err(reject(&challenge, SPENT_CODE)),
                CodeUse::Exhausted => return Err(VerifyError::TooManyAnswers),
                CodeUse::NotFound => return Err(VerifyError::NotFound),
                CodeUse::SettingsChanged => factor = self.read_again(&factor).await?,
            }
        }
        Err(VerifyError::Conflict)
    }
}

fn parse_code(text: &str) -> VerifyResult<TotpCode> {
    TotpCode::parse(text)
        .map_err(|reason: Invalid| VerifyError::Parameter(Parameter::Answer, reason))
}
