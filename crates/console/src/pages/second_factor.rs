//! The second factor: enrols the operator's first device, and waits for its answer to a prompt.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::invitation::is_safe;
use countersign_domain::presence::PresenceNumber;
use countersign_verify::second_factor::SecondFactor;
use http::{HeaderMap, StatusCode};

use crate::error::PageError;
use crate::frame::{self, Frame, Section};
use crate::qr::{self, QrDrawing};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::Timestamp;

/// A link that enrols a device.
struct DeviceLink {
    url: String,
    code: Option<QrDrawing>,
    /// What can be typed in place of the link, and where.
    typed: String,
    authenticator: String,
    until: Timestamp,
    is_safe: bool,
}

/// The text of the page.
enum Step {
    /// Enrol a device.
    Enrol,
    /// Open this link on the device.
    Invited(DeviceLink),
    /// Ask the device, after an earlier prompt ended with these words.
    Ask(Option<&'static str>),
    /// The device was asked for this number.
    Wait { number: Option<u8>, until: Timestamp },
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct Page {
    frame: Frame,
    name: String,
    form_token: String,
    step: Step,
    error: Option<String>,
}

impl Page {
    /// Whether the page waits for the device and looks again by itself.
    const fn waits(&self) -> bool {
        matches!(self.step, Step::Wait { .. })
    }
}

fn page(console: &Console, operator: &Operator, step: Step, error: Option<String>) -> Page {
    Page {
        frame: Frame::new(console, None, Section::Nowhere),
        name: operator.name(),
        form_token: operator.form_token.clone(),
        step,
        error,
    }
}

/// The present step; `None` if the sign-in is complete.
async fn step(console: &Console, operator: &Operator) -> Result<Option<Step>, PageError> {
    Ok(Some(match console.verify.second_factor(&operator.session).await? {
        SecondFactor::NoDevice => Step::Enrol,
        SecondFactor::Unasked(ended) => Step::Ask(ended.map(|ended| match ended {
            ChallengeStatus::Denied => "The prompt was denied, or the number was wrong.",
            _ => "The prompt was not answered in time.",
        })),
        SecondFactor::Asked { number, until } => {
            Step::Wait { number: number.map(PresenceNumber::value), until: Timestamp(until) }
        }
        SecondFactor::Approved => {
            if console.verify.complete_sign_in(&operator.session).await? {
                return Ok(None);
            }
            Step::Ask(None)
        }
    }))
}

/// The page. Completes the sign-in once the device has approved it.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    headers: HeaderMap,
    operator: Operator,
) -> Result<Response, PageError> {
    if operator.is_signed_in() {
        return Ok(frame::go_whole(&console, &headers, ""));
    }
    match step(&console, &operator).await? {
        Some(step) => frame::ok(&page(&console, &operator, step, None)),
        None => Ok(frame::go_whole(&console, &headers, "")),
    }
}

/// Makes the link that enrols a device, or asks the device.
pub(crate) async fn act(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    if operator.is_signed_in() {
        return Ok(frame::go(&console, ""));
    }
    let done = match form.text("do") {
        "invite" => match invite(&console, &operator).await {
            Ok(link) => {
                return frame::ok(&page(&console, &operator, Step::Invited(link), None));
            }
            Err(error) => Err(error),
        },
        _ => console.verify.ask_second_factor(&operator.session).await.map_err(PageError::from),
    };
    match done {
        Ok(()) => Ok(frame::go(&console, "/sign-in/device")),
        Err(PageError::NotFound) => {
            let why = "No device has been enrolled by this link yet.".to_owned();
            let page = page(&console, &operator, Step::Enrol, Some(why));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
        Err(PageError::Refused(why)) => {
            let page = page(&console, &operator, Step::Ask(None), Some(why));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
        Err(error) => Err(error),
    }
}

async fn invite(console: &Console, operator: &Operator) -> Result<DeviceLink, PageError> {
    let token = console.verify.invite_device(&operator.session).await?;
    let url = console.short_link(&token);
    let is_safe = url::Url::parse(&console.public_url).is_ok_and(|url| is_safe(&url));
    Ok(DeviceLink {
        code: qr::code(&url),
        url,
        typed: console.verify.enrolment_code(&token).expose().to_owned(),
        authenticator: console.authenticator(),
        until: Timestamp(token.expires_at()),
        is_safe,
    })
}
