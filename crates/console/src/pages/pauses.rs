//! Whether a person gets new push challenges, and the operator's switch for it.

use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::protection::PauseReason;
use countersign_verify::protections::{EntityProtection, ProtectionChange};

use crate::error::PageError;
use crate::frame;
use crate::session::Posted;
use crate::state::SharedConsole;
use crate::views::Timestamp;

/// A person's pause, as the page shows it.
pub(crate) struct Pause {
    /// Why, in words.
    pub(crate) why: &'static str,
    /// When it ends; `None`: when somebody ends it.
    pub(crate) until: Option<Timestamp>,
}

impl Pause {
    /// The pause that holds now, if there is one.
    pub(crate) fn of(protection: &EntityProtection) -> Option<Self> {
        let pause = protection.pause?;
        let why = match pause.reason {
            PauseReason::InARow => "Too many challenges in a row were not approved.",
            PauseReason::Reported => "The person reported a challenge: \"It was not me\".",
            PauseReason::Application => "The application or an operator paused the person.",
        };
        Some(Self { why, until: pause.until.map(Timestamp) })
    }
}

/// Pauses a person until somebody ends it, or ends any pause.
pub(crate) async fn change(
    State(console): State<SharedConsole>,
    Path((service, identity)): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    let change = match form.text("paused") {
        "true" => ProtectionChange::Pause { hours: None },
        "false" => ProtectionChange::Resume,
        _ => return Err(PageError::Refused("The form does not say whether to pause.".into())),
    };
    console.verify.protect(operator.account, service, &identity, change).await?;
    Ok(frame::go(&console, &format!("/services/{service}/people/{identity}")))
}
