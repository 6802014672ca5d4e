//! Whether a person gets new push challenges, and the operator's switch for it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::numbers::integer;
use countersign_domain::protection::PauseReason;
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::Identity;
use countersign_verify::protections::{EntityProtection, PAUSE_HOURS, ProtectionChange};
use http::StatusCode;

use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
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

#[derive(Template)]
#[template(path = "pause.html")]
struct PauseForm {
    frame: Frame,
    service: String,
    identity: String,
    hours: Field,
}

/// Asks for how long to pause a person.
pub(crate) async fn ask(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path((service, identity)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    console.verify.entity(operator.account, service, &identity).await?;
    frame::ok(&pause_form(&console, &operator, service, &identity, "", None))
}

fn pause_form(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    identity: &Identity,
    hours: &str,
    wrong: Option<&Wrong>,
) -> PauseForm {
    let (least, most) = (PAUSE_HOURS.start(), PAUSE_HOURS.end());
    let hint = format!("{least} to {most}. Empty: until somebody ends the pause.");
    let hours = Field::number("hours", "Hours of the pause", hours).hint(hint).judged(wrong);
    let frame = Frame::new(console, Some(operator), Section::Services);
    PauseForm {
        frame: frame.refusing(wrong, std::slice::from_ref(&hours)),
        service: service.to_string(),
        identity: identity.to_string(),
        hours,
    }
}

/// Pauses a person for some hours or until somebody ends it, or ends any pause.
pub(crate) async fn change(
    State(console): State<SharedConsole>,
    Path((service, identity)): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    let person = format!("/services/{service}/people/{identity}");
    match carry_out(&console, &operator, service, &identity, &form).await {
        Ok(done) => Ok(frame::go(&console, &format!("{person}?done={done}"))),
        Err(refusal) => {
            let (wrong, hours) = (refusal.wrong()?, form.text("hours"));
            let page = pause_form(&console, &operator, service, &identity, hours, Some(&wrong));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn carry_out(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    identity: &Identity,
    form: &Form,
) -> Result<&'static str, Refusal> {
    let (change, done) = match form.text("paused") {
        "true" => {
            let hours = form.read_given("hours", integer(PAUSE_HOURS))?;
            (ProtectionChange::Pause { hours }, "paused")
        }
        "false" => (ProtectionChange::Resume, "resumed"),
        _ => {
            return Err(PageError::Refused("The form does not say whether to pause.".into()).into());
        }
    };
    console.verify.protect(operator.account, service, identity, change).await?;
    Ok(done)
}
