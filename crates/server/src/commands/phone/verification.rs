//! Whether the person was verified: this phone has no lock, so the flag alone claims it.

use anyhow::ensure;
use countersign_phone::Challenge;

use crate::cli;

/// Whether an approval signs that the person was verified.
///
/// # Errors
/// The service asks for that, and nobody says it.
pub(super) fn verified(challenge: &Challenge, flags: cli::Verification) -> anyhow::Result<bool> {
    ensure!(
        flags.verify_user || !challenge.needs_verification,
        "the service asks for a verified person: give --verify-user to say that you are"
    );
    Ok(challenge.needs_verification)
}
