//! Asks a person: what begins a login, whichever call it comes by.

use std::time::Duration;

use countersign_domain::presence::PresenceNumber;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::PresenceMode;
use countersign_domain::time::Instant;
use countersign_verify::challenge_groups::Devices;

use super::answer::Status;
use super::details;
use super::door::DuoDoor;
use super::failure::Failure;
use super::signed::Signed;
use super::transaction::Transaction;
use super::user::refusal;
use crate::person::Person;

/// The presence proofs of an approval through an integration: its own, otherwise its service's.
///
/// # Errors
/// The service cannot be read.
pub(super) async fn wanted_presence(
    door: &DuoDoor,
    signed: &Signed,
) -> Result<Result<Vec<PresenceMode>, Status>, Failure> {
    if let Some(own) = &signed.settings().presence {
        return Ok(Ok(own.modes().to_vec()));
    }
    let (account, service) = signed.place();
    match door.verify.service(account, service).await {
        Ok(service) => Ok(Ok(service.settings.protection.presence().to_vec())),
        Err(error) => refusal(&error).map(Err),
    }
}

/// When a prompt that begins now ends.
fn end_of_prompt(door: &DuoDoor, signed: &Signed) -> Instant {
    let seconds = signed.settings().prompt_seconds.into();
    door.verify.now() + Duration::from_secs(seconds)
}

/// Asks devices.
///
/// # Errors
/// A parameter is given twice, or the database cannot be reached.
pub(super) async fn push(
    door: &DuoDoor,
    signed: &Signed,
    person: &Person,
    devices: &Devices,
    presence: PresenceWish,
) -> Result<Transaction, Failure> {
    let (account, service) = signed.place();
    let new = details::challenge(&door.verify, signed, end_of_prompt(door, signed), presence)?;
    let identity = &person.identity;
    let asked = door.verify.create_challenge_group(account, service, identity, devices, &new);
    match asked.await {
        Ok(group) => Ok(Transaction::Asked(identity.clone(), group.sid())),
        Err(error) => refusal(&error).map(Transaction::Refused),
    }
}

/// Judges a code by each factor of the person, until one takes it.
///
/// # Errors
/// As [`push`].
pub(super) async fn judge_code(
    door: &DuoDoor,
    signed: &Signed,
    person: &Person,
    code: &str,
) -> Result<Transaction, Failure> {
    let (account, service) = signed.place();
    let expires_at = end_of_prompt(door, signed);
    let mut refused = Status::NoDevice;
    for factor in person.code_factors() {
        let wish = PresenceWish::default();
        let mut new = details::challenge(&door.verify, signed, expires_at, wish)?;
        new.code = Some(code.to_owned());
        let identity = &person.identity;
        match door.verify.create_challenge(account, service, identity, factor, new).await {
            Ok(challenge) => return Ok(Transaction::Coded(identity.clone(), challenge.sid)),
            Err(countersign_verify::VerifyError::Parameter(..)) => refused = Status::WrongCode,
            Err(error) => refused = refusal(&error)?,
        }
    }
    Ok(Transaction::Refused(refused))
}

/// A number for a client to show, for as long as a prompt lives.
pub(super) fn draw_number(door: &DuoDoor, signed: &Signed) -> (PresenceNumber, Instant) {
    (door.verify.presence_number(), end_of_prompt(door, signed).whole_seconds())
}
