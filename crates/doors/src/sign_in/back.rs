//! Sends a browser back after its sign-in.

use countersign_verify::{OpenedIntegration, Verify};

use super::attempt::Attempt;
use super::request::Back;
use super::ticket::Ticket;

/// The address that takes the sign-in of an approved attempt.
pub(super) fn address(verify: &Verify, opened: &OpenedIntegration, attempt: &Attempt) -> String {
    let key = attempt.request.key.clone();
    let user = opened.integration.settings.users.canonical_name(&attempt.user);
    match attempt.request.back.clone() {
        Back::ForwardAuth { site, path, begun } => {
            let to = format!("{site}/forward-auth/{key}/done");
            let ticket = Ticket { key, site, path, begun, user };
            format!("{to}?ticket={}", ticket.seal(verify))
        }
    }
}

/// The name of that place, for the person.
pub(super) fn place(attempt: &Attempt) -> &str {
    match &attempt.request.back {
        Back::ForwardAuth { site, .. } => site.split_once("://").map_or(site, |(_, host)| host),
    }
}
