//! The user that a request names.

use countersign_domain::text::Identity;
use countersign_verify::{Verify, VerifyError};

use super::answer::Status;
use super::failure::Failure;
use super::signed::Signed;
use crate::person::Person;

/// The person behind a user name.
#[derive(Debug)]
pub(super) enum Found {
    /// A person who can be asked.
    Person(Person),
    /// The service has no person of this identity.
    Unknown(Identity),
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
    let person = match Person::find(verify, signed.place(), identity.clone()).await {
        Ok(person) => person,
        Err(VerifyError::NotFound) => return Ok(Found::Unknown(identity)),
        Err(error) => return refusal(&error).map(Found::Refused),
    };
    let protection = match verify.protection(account, service, &identity).await {
        Ok(protection) => protection,
        Err(error) => return refusal(&error).map(Found::Refused),
    };
    Ok(if protection.pause.is_some() {
        Found::Refused(Status::LockedOut)
    } else if person.devices.is_empty() && person.codes.is_empty() {
        Found::Refused(Status::NoDevice)
    } else {
        Found::Person(person)
    })
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
    fn a_refusal_that_is_about_the_person_denies() {
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
