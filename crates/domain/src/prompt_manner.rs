//! How a device is to show a prompt, beyond the question itself.

use serde::{Deserialize, Serialize};

use crate::presence::PresenceHint;
use crate::service_protection::UserVerification;

/// How a device is to show a prompt. The default is the ordinary way, and an absent member has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptManner {
    /// It must not sound, vibrate or wake: the person has approved none of several challenges before it.
    pub quiet: bool,
    /// The presence proof that it asks its person for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresenceHint>,
    /// Whether it must make sure who holds it before an approval.
    #[serde(skip_serializing_if = "UserVerification::is_none")]
    pub user_verification: UserVerification,
}
