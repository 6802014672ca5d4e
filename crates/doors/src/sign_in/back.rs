//! Sends a browser back after its sign-in.

use countersign_verify::{OpenedIntegration, Verify};

use super::attempt::Attempt;
use super::code::Code;
use super::request::Back;
use super::standing::Approval;
use super::ticket::Ticket;
use crate::query::with_query;

/// The address that takes the sign-in of an approved attempt; `None` if the integration no longer has it.
pub(super) fn address(
    verify: &Verify,
    opened: &OpenedIntegration,
    attempt: &Attempt,
    approval: Approval,
) -> Option<String> {
    let key = attempt.request.key.clone();
    let settings = &opened.integration.settings;
    match attempt.request.back.clone() {
        Back::ForwardAuth { site, path, begun } => {
            let to = format!("{site}/forward-auth/{key}/done");
            let user = settings.users.canonical_name(&attempt.user);
            let ticket = Ticket { key, site, path, begun, user };
            Some(format!("{to}?ticket={}", ticket.seal(verify)))
        }
        Back::OpenId { redirect_uri, issuer, state, nonce, challenge } => {
            let to = Some(redirect_uri).filter(|uri| settings.openid.redirect_uris.has(uri))?;
            let code = code(verify, attempt, approval, (&to, nonce, Some(challenge)));
            let state = state.as_deref().map(|state| ("state", state));
            let pairs = [("code", &*code), ("iss", &*issuer)].into_iter().chain(state);
            Some(with_query(&to, pairs))
        }
        Back::UniversalPrompt { redirect_uri, state, nonce, is_duo_code } => {
            let to = Some(redirect_uri).filter(|uri| settings.duo_redirect_uris.has(uri))?;
            let code = code(verify, attempt, approval, (&to, nonce, None));
            let name = if is_duo_code { "duo_code" } else { "code" };
            Some(with_query(&to, [("state", &*state), (name, &*code)]))
        }
    }
}

/// The code by which the client of an attempt fetches its sign-in.
fn code(
    verify: &Verify,
    attempt: &Attempt,
    approval: Approval,
    (redirect_uri, nonce, challenge): (&str, Option<String>, Option<String>),
) -> String {
    let code = Code {
        key: attempt.request.key.clone(),
        redirect_uri: redirect_uri.to_owned(),
        challenge,
        nonce,
        user: attempt.user.clone(),
        at: approval.at.as_seconds(),
        method: approval.method,
        mark: attempt.mark.clone(),
    };
    code.seal(verify)
}

/// The name of that place, for the person.
pub(super) fn place(attempt: &Attempt) -> &str {
    let url = match &attempt.request.back {
        Back::ForwardAuth { site, .. } => site,
        Back::OpenId { redirect_uri, .. } | Back::UniversalPrompt { redirect_uri, .. } => {
            redirect_uri
        }
    };
    let rest = url.split_once("://").map_or(&**url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}
