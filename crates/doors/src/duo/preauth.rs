//! `preauth`: how a person can be asked.

use countersign_domain::integration::UnknownUsers;
use countersign_domain::text::Identity;

use super::answer::Status;
use super::ask;
use super::call::Dialect;
use super::choice::Choices;
use super::document::{Document, Value};
use super::door::DuoDoor;
use super::enroll;
use super::failure::Failure;
use super::signed::Signed;
use super::transaction::Transaction;
use super::user::{self, Found};
use crate::person::Person;

/// Plugins compare this text.
const ACTIVE: &str = "Account is active";

/// Answers how a person can be asked.
///
/// # Errors
/// The request names nobody, or the database cannot be reached.
pub(super) async fn answer(door: &DuoDoor, signed: &Signed) -> Result<Document, Failure> {
    match user::find(&door.verify, signed).await? {
        Found::Person(person) => offer(door, signed, &person).await,
        Found::Refused(status) => Ok(refuse(signed.dialect, status)),
        Found::Unknown(identity) => match signed.settings().unknown_users {
            UnknownUsers::Deny => Ok(refuse(signed.dialect, Status::NoDevice)),
            UnknownUsers::Enrol => invite(door, signed, identity).await,
        },
    }
}

/// The response about a person who may not enter.
pub(super) fn refuse(dialect: Dialect, status: Status) -> Document {
    result(dialect, "deny", status.message().to_owned())
}

fn result(dialect: Dialect, word: &'static str, text: String) -> Document {
    let name = match dialect {
        Dialect::V2 => "status_msg",
        Dialect::Rest(_) => "status",
    };
    Document::default().with("result", word).with(name, text)
}

async fn offer(door: &DuoDoor, signed: &Signed, person: &Person) -> Result<Document, Failure> {
    let (wanted, dialect) = match ask::wanted_presence(door, signed).await? {
        Ok(wanted) => (wanted, signed.dialect),
        Err(status) => return Ok(refuse(signed.dialect, status)),
    };
    let shows_numbers =
        dialect == Dialect::V2 && signed.parameters.flag("client_supports_verified_push")?;
    let drawn = shows_numbers.then(|| ask::draw_number(door, signed));
    let choices = Choices::of(person, &wanted, drawn.map(|(number, _)| number));
    if choices.is_empty() {
        return Ok(refuse(dialect, Status::NoDevice));
    }
    let (text, factors) = choices.prompt(signed.user_name()?);
    if matches!(dialect, Dialect::Rest(_)) {
        let document = Document::default().with("result", "auth");
        return Ok(document.with("prompt", text).with("factors", factors));
    }
    let devices = choices.list().into_iter().map(Value::Document).collect();
    let mut document =
        result(dialect, "auth", ACTIVE.to_owned()).with("devices", Value::List(devices));
    if signed.parameters.flag("text_prompt")? {
        let prompt = Document::default().with("text", text).with("factors", factors);
        document = document.with("prompt", prompt);
    }
    if let (Some(number), Some((_, until))) = (choices.number(), drawn) {
        let drawn = Transaction::Drawn(person.identity.clone(), number, until);
        document = document
            .with("txid", signed.name(&drawn))
            .with("verification_code", number.value().to_string())
            .with("expiration", until.as_seconds());
    }
    Ok(document)
}

/// A link for a user whom the service does not know.
async fn invite(door: &DuoDoor, signed: &Signed, identity: Identity) -> Result<Document, Failure> {
    let link = match enroll::invite(door, signed, identity).await? {
        Ok(invitation) => invitation.link,
        Err(status) => return Ok(refuse(signed.dialect, status)),
    };
    let text = format!("Enrol a device first: {link}");
    let document = result(signed.dialect, "enroll", text.clone());
    Ok(match signed.dialect {
        Dialect::V2 => {
            let document = document.with("enroll_portal_url", link);
            if signed.parameters.flag("text_prompt")? {
                document.with("prompt", Document::default().with("text", text))
            } else {
                document
            }
        }
        Dialect::Rest(_) => document,
    })
}
