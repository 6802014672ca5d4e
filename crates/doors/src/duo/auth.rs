//! `auth`: asks a person, and answers with what they said, or with a name to ask for it by.

use std::time::Duration;

use super::answer::{Status, Verdict};
use super::ask;
use super::call::Dialect;
use super::choice::{Choice, Choices};
use super::document::Document;
use super::door::DuoDoor;
use super::failure::Failure;
use super::signed::Signed;
use super::status;
use super::transaction::Transaction;
use super::user::{self, Found};
use crate::person::Person;

/// Longer than any prompt lives.
const TO_THE_END: Duration = Duration::from_secs(20 * 60);

/// The wish of a client.
enum Wish<'a> {
    /// All devices, or one of them.
    Push(Option<&'a str>),
    /// A code.
    Code(&'a str),
    /// The word of a choice of [`Choices::prompt`], or a code.
    Named(&'a str),
    /// A method that this server does not have, such as a text message.
    Other,
}

/// Asks the person of a request.
///
/// # Errors
/// A parameter is missing or invalid, or the database cannot be reached.
pub(super) async fn answer(door: &DuoDoor, signed: &Signed) -> Result<Document, Failure> {
    let is_async = signed.parameters.flag("async")?;
    let transaction = begin_once(door, signed).await?;
    if is_async {
        return Ok(Document::default().with("txid", signed.name(&transaction)));
    }
    let status = status::of(door, signed, &transaction, TO_THE_END).await?;
    // It waits no longer only if the server stops, or too many requests of the account wait.
    let status = if status.verdict() == Verdict::Waiting { Status::Busy } else { status };
    Ok(status.document(signed.dialect))
}

/// Begins a login, unless the request is a copy. A copy must not share the answer either: it could be of somebody else.
async fn begin_once(door: &DuoDoor, signed: &Signed) -> Result<Transaction, Failure> {
    let Some(fingerprint) = &signed.fingerprint else { return begin(door, signed).await };
    if !door.is_first_request(fingerprint) {
        return Ok(Transaction::Refused(Status::Repeated));
    }
    let begun = begin(door, signed).await;
    if begun.is_err() {
        door.forget_request(fingerprint);
    }
    begun
}

async fn begin(door: &DuoDoor, signed: &Signed) -> Result<Transaction, Failure> {
    let wish = wish(signed)?;
    match user::find(&door.verify, signed).await? {
        Found::Person(person) => ask(door, signed, &person, wish).await,
        Found::Unknown(_) => Ok(Transaction::Refused(Status::NoDevice)),
        Found::Refused(status) => Ok(Transaction::Refused(status)),
    }
}

fn wish(signed: &Signed) -> Result<Wish<'_>, Failure> {
    let parameters = &signed.parameters;
    let device = || parameters.text("device").map(|device| device.filter(|sid| *sid != "auto"));
    match (parameters.required("factor")?, signed.dialect) {
        ("push", Dialect::V2) => device().map(Wish::Push),
        ("auto", Dialect::V2) => match parameters.text("passcode")? {
            Some(code) => Ok(Wish::Code(code)),
            None => device().map(Wish::Push),
        },
        ("passcode", Dialect::V2) => parameters.required("passcode").map(Wish::Code),
        ("prompt", Dialect::V2) => parameters.required("prompt").map(Wish::Named),
        // An empty code is a typing error of the person, not a failure of the client.
        ("auto" | "prompt", Dialect::Rest(_)) => {
            Ok(Wish::Named(parameters.text("auto")?.unwrap_or_default()))
        }
        ("push", Dialect::Rest(_)) => Ok(Wish::Push(None)),
        ("passcode", Dialect::Rest(_)) => parameters.required("code").map(Wish::Code),
        ("sms" | "phone", _) => Ok(Wish::Other),
        _ => Err(Failure::Invalid("factor")),
    }
}

async fn ask(
    door: &DuoDoor,
    signed: &Signed,
    person: &Person,
    wish: Wish<'_>,
) -> Result<Transaction, Failure> {
    let wanted = match ask::wanted_presence(door, signed).await? {
        Ok(wanted) => wanted,
        Err(status) => return Ok(Transaction::Refused(status)),
    };
    let number = match signed.transaction("txid")? {
        None => None,
        Some(Transaction::Drawn(identity, number, until)) if identity == person.identity => {
            if door.verify.now() >= until {
                return Ok(Transaction::Refused(Status::Timeout));
            }
            Some(number)
        }
        Some(_) => return Err(Failure::Invalid("txid")),
    };
    let choices = Choices::of(person, &wanted, number);
    let choice = match wish {
        Wish::Push(None) => choices.all(),
        Wish::Push(Some(sid)) => sid.parse().map_or(Choice::None, |sid| choices.device(sid)),
        Wish::Code(code) => Choice::Code(code),
        Wish::Named(word) => choices.named(word),
        Wish::Other => Choice::None,
    };
    match choice {
        Choice::Push(devices) => {
            ask::push(door, signed, person, &devices, choices.presence()).await
        }
        Choice::Code(code) => ask::judge_code(door, signed, person, code).await,
        Choice::None => Ok(Transaction::Refused(Status::NoDevice)),
    }
}
