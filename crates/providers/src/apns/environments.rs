//! The result of an attempt that may have asked both of Apple's environments.
//!
//! If Apple rejects a token, a credential that has not yet succeeded in its environment (sandbox or production) tries the
//! other once.

use std::sync::atomic::Ordering;

use countersign_domain::outcome::{Attempt, Outcome};

use super::client::Client;

/// The result of an attempt. `own`: the response of the credential's own environment, if the other one was asked after it.
///
/// Either environment may accept. Otherwise the own environment's response counts, unless the other one must be asked again
/// later. A device token is gone only if no environment can know it: the own one has accepted pushes before and does not know
/// it, or neither knows it.
pub(super) fn conclude(client: &Client, attempt: Attempt, own: Option<Attempt>) -> Attempt {
    let Some(own) = own else {
        if attempt.outcome == Outcome::Accepted {
            client.is_confirmed.store(true, Ordering::Relaxed);
        }
        return attempt;
    };
    match attempt.outcome {
        Outcome::Accepted => {}
        Outcome::Later { .. } => return attempt,
        Outcome::Gone { .. } => return own,
        // The other environment rejects the credential or the topic, and says nothing about the token.
        _ => return keep_token(own),
    }
    let (configured, actual) =
        if client.is_sandbox { ("sandbox", "production") } else { ("production", "sandbox") };
    tracing::warn!(
        "a device of Apple's {actual} environment is reached with a credential for {configured}"
    );
    Attempt { provider_reason: Some(format!("taken by the {actual} environment")), ..attempt }
}

/// The same refusal, without the claim that the device token is gone.
pub(super) fn keep_token(attempt: Attempt) -> Attempt {
    Attempt { outcome: Outcome::Refused { breaks_credential: false }, ..attempt }
}
