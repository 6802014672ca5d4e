//! Judges the codes that a person types: the one that the device showed, or one of an authenticator app.

use std::time::Duration;

use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::presence::PresenceCode;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::text::Identity;
use countersign_verify::{OpenedIntegration, VerifyError, VerifyResult};

use super::ask::{Origin, place, question};
use super::attempt::Attempt;
use super::door::SignInDoor;
use super::standing::Standing;
use crate::person::Person;

/// The least time until a wrong code is called wrong, so that the time does not tell which users exist.
const WRONG_AFTER: Duration = Duration::from_millis(700);

/// The result of checking a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is the code that the device showed.
    Confirmed,
    /// It is a code of the user's authenticator app.
    Right,
    /// It is no code of the user.
    Wrong,
}

impl SignInDoor {
    /// Judges a code.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn judge(
        &self,
        opened: &OpenedIntegration,
        attempt: &Attempt,
        typed: &str,
        origin: &Origin,
    ) -> VerifyResult<Judged> {
        let wrong_after = self.clock.sleep(WRONG_AFTER);
        let code: String = typed.chars().filter(char::is_ascii_digit).take(16).collect();
        let judged = match opened.integration.identity(&attempt.user) {
            Ok(identity) => self.judge_for(opened, attempt, &identity, &code, origin).await,
            Err(_) => Ok(Judged::Wrong),
        };
        let judged = match judged {
            Err(error @ (VerifyError::Store(_) | VerifyError::Conflict)) => return Err(error),
            // Any other error would reveal that the user exists.
            Err(_) => Judged::Wrong,
            Ok(judged) => judged,
        };
        if judged == Judged::Wrong {
            tokio::select! {
                () = wrong_after => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        Ok(judged)
    }

    async fn judge_for(
        &self,
        opened: &OpenedIntegration,
        attempt: &Attempt,
        identity: &Identity,
        code: &str,
        origin: &Origin,
    ) -> VerifyResult<Judged> {
        let (account, service) = place(opened);
        if let Ok(shown) = PresenceCode::parse(code) {
            let (standing, _) = self.look(opened, attempt).await?;
            let Standing::TypeCode(challenge) = standing else { return Ok(Judged::Wrong) };
            self.verify.confirm_presence(account, service, identity, challenge, shown).await?;
            return Ok(Judged::Confirmed);
        }
        let person = Person::find(&self.verify, (account, service), identity.clone()).await?;
        for factor in person.code_factors() {
            let mut new = question(&self.verify, opened, attempt, origin, PresenceWish::default());
            new.code = Some(code.to_owned());
            match self.verify.create_challenge(account, service, identity, factor, new).await {
                Ok(challenge)
                    if challenge.status(self.verify.now()) == ChallengeStatus::Approved =>
                {
                    return Ok(Judged::Right);
                }
                Ok(_) | Err(VerifyError::Parameter(..) | VerifyError::AnswerRejected(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Judged::Wrong)
    }
}
