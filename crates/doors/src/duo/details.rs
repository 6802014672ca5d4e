//! A login as the person sees it: the question, and the origin that the client names.

use countersign_domain::challenge::{Field, MAX_FIELDS};
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::text::Message;
use countersign_domain::time::Instant;
use countersign_verify::Verify;
use countersign_verify::challenges::NewChallenge;
use url::form_urlencoded;

use super::failure::Failure;
use super::signed::Signed;

/// The longest question, in characters.
const QUESTION: usize = 256;

/// The challenge of a login. It expires at `expires_at`.
///
/// # Errors
/// A parameter is given twice.
pub(super) fn challenge(
    verify: &Verify,
    signed: &Signed,
    expires_at: Instant,
    presence: PresenceWish,
) -> Result<NewChallenge, Failure> {
    let name = &signed.settings().friendly_name;
    let asked = signed.parameters.text("type")?;
    let question = asked.map_or_else(|| format!("Log in to {name}?"), str::to_owned);
    let question: String = question.chars().filter(|c| *c != '\0').take(QUESTION).collect();
    let message = Message::written(question).or_else(|_| Message::written("Log in?"));
    let mut fields = Vec::new();
    if asked.is_some() {
        fields.push(Field::shortened("Application", name.as_str()));
    }
    let user = signed.parameters.text("display_username")?;
    fields.push(Field::shortened("User", user.map_or_else(|| signed.user_name(), Ok)?));
    if let Some(address) = signed.parameters.text("ipaddr")? {
        fields.push(Field::shortened("Address", address));
        let country = address.parse().ok().and_then(|address| verify.country(address));
        fields.extend(country.map(|country| Field::shortened("Place", &country.to_string())));
    }
    if let Some(host) = signed.parameters.text("hostname")? {
        fields.push(Field::shortened("Host", host));
    }
    fields.extend(further(signed.parameters.text("pushinfo")?.unwrap_or_default()));
    fields.truncate(MAX_FIELDS);
    Ok(NewChallenge {
        expires_at: Some(expires_at),
        message: message.ok(),
        fields,
        hidden_details: None,
        code: None,
        presence,
    })
}

/// The details that a client adds: names and values in the form of a query.
fn further(pushinfo: &str) -> impl Iterator<Item = Field> {
    form_urlencoded::parse(pushinfo.as_bytes())
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .take(MAX_FIELDS)
        .map(|(name, value)| Field::shortened(&name, &value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_details_are_shown_as_they_are_named() {
        let fields: Vec<_> =
            further("Server+IP=192.0.2.2&Command=echo%20YOU%20ROCK&empty=&=x&odd").collect();
        let field = |label: &str, value: &str| Field { label: label.into(), value: value.into() };
        assert_eq!(fields, [field("Server IP", "192.0.2.2"), field("Command", "echo YOU ROCK")]);
        assert_eq!(further(&"a=b&".repeat(50)).count(), MAX_FIELDS);
        assert_eq!(further("").count(), 0);
    }

    #[test]
    fn a_detail_cannot_imitate_another_by_a_line_break() {
        let fields: Vec<_> = further("Command=ls%0AAddress%3A+192.0.2.1").collect();
        assert_eq!(fields[0].value, "lsAddress: 192.0.2.1");
    }
}
