//! The person of a login, as far as a login must know them.

use countersign_domain::factor::{AnyFactor, FactorStatus};
use countersign_domain::sid::FactorSid;
use countersign_domain::text::{FriendlyName, Identity};
use countersign_store::PageQuery;
use countersign_verify::{Verify, VerifyError};

use super::answer::Status;
use super::failure::Failure;
use super::signed::Signed;

/// More factors than a person can have.
const ALL: u16 = 1_000;

/// A device that shows prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) sid: FactorSid,
    pub(super) name: FriendlyName,
    /// Whether it asks for the number of a prompt.
    pub(super) takes_numbers: bool,
}

/// A person with devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) identity: Identity,
    /// The verified devices that show prompts.
    pub(super) devices: Vec<Device>,
    /// The verified factors whose codes the person types.
    pub(super) codes: Vec<(FactorSid, FriendlyName)>,
}

/// Who a user name is.
#[derive(Debug)]
pub(super) enum Found {
    /// A person who can be asked.
    Person(Person),
    /// The service knows nobody of this identity.
    Stranger(Identity),
    /// A person who cannot be asked now, or a name that nobody can have.
    Refused(Status),
}

/// Finds the person of a request.
///
/// # Errors
/// The request names nobody, or the database cannot be read.
pub(super) async fn find(verify: &Verify, signed: &Signed) -> Result<Found, Failure> {
    let (account, service) = signed.place();
    let Ok(identity) = signed.identity()? else { return Ok(Found::Refused(Status::NoDevice)) };
    let factors = match verify.factors(account, service, &identity, PageQuery::first(ALL)).await {
        Ok(page) => page.items,
        Err(VerifyError::NotFound) => return Ok(Found::Stranger(identity)),
        Err(error) => return refusal(&error).map(Found::Refused),
    };
    let protection = match verify.protection(account, service, &identity).await {
        Ok(protection) => protection,
        Err(error) => return refusal(&error).map(Found::Refused),
    };
    let person = Person::of(identity, factors);
    Ok(if protection.pause.is_some() {
        Found::Refused(Status::LockedOut)
    } else if person.devices.is_empty() && person.codes.is_empty() {
        Found::Refused(Status::NoDevice)
    } else {
        Found::Person(person)
    })
}

impl Person {
    fn of(identity: Identity, factors: Vec<AnyFactor>) -> Self {
        let (mut devices, mut codes) = (Vec::new(), Vec::new());
        for factor in factors {
            match factor {
                AnyFactor::Push(factor) if factor.status == FactorStatus::Verified => {
                    let takes_numbers = factor.takes_numbers;
                    devices.push(Device {
                        sid: factor.sid,
                        name: factor.friendly_name,
                        takes_numbers,
                    });
                }
                AnyFactor::Totp(factor) if factor.status == FactorStatus::Verified => {
                    codes.push((factor.sid, factor.friendly_name));
                }
                AnyFactor::Push(_) | AnyFactor::Totp(_) => {}
            }
        }
        Self { identity, devices, codes }
    }
}

/// How a login ends that a use case refuses. Only what is not about the person is a failure, since a client may let people in
/// after one.
///
/// # Errors
/// [`Failure::Unavailable`] without the database.
pub(super) fn refusal(error: &VerifyError) -> Result<Status, Failure> {
    match error {
        VerifyError::TooManyInARow(_) | VerifyError::Paused(_) => Ok(Status::LockedOut),
        VerifyError::TooManyPending
        | VerifyError::TooManyChallenges
        | VerifyError::TooManyRequests
        | VerifyError::TooManyStoredBytes(_) => Ok(Status::Busy),
        VerifyError::AnswerRejected(_) | VerifyError::TooManyAnswers => Ok(Status::WrongCode),
        VerifyError::Store(_) | VerifyError::Conflict => {
            tracing::warn!(%error, "a login could not be asked for");
            Err(Failure::Unavailable)
        }
        VerifyError::AccountSuspended => Ok(Status::Closed),
        _ => Ok(Status::NoDevice),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_domain::protection::PauseReason;
    use countersign_store::StoreError;

    use super::*;

    #[test]
    fn whatever_is_about_the_person_denies() {
        for (error, status) in [
            (VerifyError::TooManyInARow(Duration::ZERO), Status::LockedOut),
            (VerifyError::Paused(PauseReason::Reported), Status::LockedOut),
            (VerifyError::TooManyPending, Status::Busy),
            (VerifyError::TooManyStoredBytes(1), Status::Busy),
            (VerifyError::AccountSuspended, Status::Closed),
            (VerifyError::NotFound, Status::NoDevice),
            (VerifyError::FactorUnverified, Status::NoDevice),
            (VerifyError::TooManyAnswers, Status::WrongCode),
        ] {
            assert_eq!(refusal(&error), Ok(status), "{error}");
        }
        let away = VerifyError::Store(StoreError::Unavailable("away".to_owned()));
        assert_eq!(refusal(&away), Err(Failure::Unavailable));
    }
}
