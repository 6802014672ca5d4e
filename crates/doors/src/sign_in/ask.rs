//! Has the devices of a user ask.

use std::net::IpAddr;

use countersign_domain::challenge::Field;
use countersign_domain::presence::PresenceNumber;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::{PresenceList, PresenceMode};
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{Message, StringMap};
use countersign_domain::time::Instant;
use countersign_verify::challenges::NewChallenge;
use countersign_verify::{OpenedIntegration, Verify, VerifyError, VerifyResult};

use super::attempt::Attempt;
use super::request::SignInRequest;
use crate::person::{Person, wanted_presence};

/// The hidden detail by which a prompt is found.
pub(super) const MARK: &str = "sign_in";

/// The account and the service of an integration.
pub(super) fn place(opened: &OpenedIntegration) -> (AccountSid, ServiceSid) {
    (opened.integration.account, opened.integration.service)
}

/// The presence that an approval must show. After a stranger's attempt the person must always show that they look at the page.
///
/// # Errors
/// The service cannot be read.
pub(super) async fn wanted(
    verify: &Verify,
    opened: &OpenedIntegration,
    request: &SignInRequest,
    is_known: bool,
) -> VerifyResult<Vec<PresenceMode>> {
    if request.must_enter_number {
        return Ok(vec![PresenceMode::Number]);
    }
    let configured = wanted_presence(verify, &opened.integration).await?;
    Ok(if is_known { configured } else { of_stranger(&configured) })
}

fn of_stranger(configured: &[PresenceMode]) -> Vec<PresenceMode> {
    let binds = |mode: &PresenceMode| matches!(mode, PresenceMode::Number | PresenceMode::Code);
    let binding: Vec<_> = configured.iter().copied().filter(binds).collect();
    if binding.is_empty() { vec![PresenceMode::Number, PresenceMode::Code] } else { binding }
}

/// Whether a page shows a number for one of these modes.
pub(super) fn shows_number(modes: &[PresenceMode]) -> bool {
    modes.iter().any(|mode| matches!(mode, PresenceMode::Number | PresenceMode::Pick))
}

/// Where an attempt comes from, as far as its browser shows.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its address.
    pub(super) address: Option<IpAddr>,
    /// Its browser.
    pub(super) browser: Option<String>,
}

/// Asks the devices of the user, if there are any; a user without one who has an authenticator app types its code.
///
/// # Errors
/// Those of [`Verify::create_challenge_group`]; [`VerifyError::NotFound`] also without a device that can show what is wanted, and without an app.
pub(super) async fn push(
    verify: &Verify,
    opened: &OpenedIntegration,
    attempt: &Attempt,
    modes: &[PresenceMode],
    origin: &Origin,
) -> VerifyResult<()> {
    let (account, service) = place(opened);
    let identity = opened.integration.identity(&attempt.user).map_err(|_| VerifyError::NotFound)?;
    let person = Person::find(verify, (account, service), identity).await?;
    let do_without = [PresenceMode::None, PresenceMode::Code];
    let must_take_numbers = !modes.iter().any(|mode| do_without.contains(mode));
    let Some(devices) = person.devices(must_take_numbers) else {
        // A code can still be typed.
        return if person.codes.is_empty() { Err(VerifyError::NotFound) } else { Ok(()) };
    };
    let words: Vec<_> = modes.iter().map(|mode| mode.as_str()).collect();
    let modes = PresenceList::parse(&words.join(",")).map_err(|_| VerifyError::NotFound)?;
    let answer = attempt.number.and_then(PresenceNumber::new);
    let wish = PresenceWish { modes: Some(modes), answer, label: None };
    let new = question(verify, opened, attempt, origin, wish);
    verify
        .create_challenge_group(account, service, &person.identity, &devices, &new)
        .await
        .map(|_| ())
}

/// The challenge as the person sees it.
pub(super) fn question(
    verify: &Verify,
    opened: &OpenedIntegration,
    attempt: &Attempt,
    origin: &Origin,
    presence: PresenceWish,
) -> NewChallenge {
    let name = &opened.integration.settings.friendly_name;
    let mut fields = vec![Field::shortened("User", &attempt.user)];
    if let Some(address) = origin.address {
        fields.push(Field::shortened("Address", &address.to_string()));
        let country = verify.country(address);
        fields.extend(country.map(|country| Field::shortened("Place", &country.to_string())));
    }
    fields.extend(origin.browser.as_ref().map(|browser| Field::shortened("Browser", browser)));
    let marked = serde_json::json!({ MARK: attempt.mark }).to_string();
    NewChallenge {
        expires_at: Some(Instant::from_seconds(attempt.until)),
        message: Message::written(format!("Sign in to {name}?")).ok(),
        fields,
        hidden_details: StringMap::parse(&marked).ok(),
        code: None,
        presence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_needs_a_number_or_a_code_whatever_is_configured() {
        use PresenceMode::{Code, None, Number, Pick};
        for (configured, of) in [
            (&[None][..], &[Number, Code][..]),
            (&[Pick, None], &[Number, Code]),
            (&[Number, None], &[Number]),
            (&[Code, Pick], &[Code]),
            (&[Code, Number], &[Code, Number]),
        ] {
            assert_eq!(of_stranger(configured), of, "{configured:?}");
        }
    }
}
