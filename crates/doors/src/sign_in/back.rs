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
            let to = settings.openid.redirect_uris.has(&redirect_uri).then(|| redirect_uri.clone());
            let code = Code {
                key,
                redirect_uri,
                challenge,
                nonce,
                user: attempt.user.clone(),
                at: approval.at.as_seconds(),
                method: approval.method,
                mark: attempt.mark.clone(),
            };
            let code = code.seal(verify);
            let state = state.as_deref().map(|state| ("state", state));
            let pairs = [("code", &*code), ("iss", &*issuer)].into_iter().chain(state);
            to.map(|to| with_query(&to, pairs))
        }
    }
}

/// The name of that place, for the person.
pub(super) fn place(attempt: &Attempt) -> &str {
    let url = match &attempt.request.back {
        Back::ForwardAuth { site, .. } => site,
        Back::OpenId { redirect_uri, .. } => redirect_uri,
    };
    let rest = url.split_once("://").map_or(&**url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}
