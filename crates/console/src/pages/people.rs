//! A person of a service: their devices, and why a push did not arrive.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::challenge::{Challenge, ChallengeState};
use countersign_domain::ending::NotificationStatus;
use countersign_domain::entity::Owner;
use countersign_domain::factor::{AnyFactor, Factor, FactorStatus};
use countersign_domain::notification::Notification;
use countersign_domain::sid::{AccountSid, ChallengeSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_domain::totp::TotpFactor;
use countersign_store::seam::ChallengeFilter;
use countersign_store::{Order, PageQuery};
use countersign_verify::protections::EntityProtection;
use countersign_verify::{Caller, VerifyError};

use super::confirm::Confirm;
use super::pauses::Pause;
use crate::error::PageError;
use crate::fields::Wrong;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::labels;
use crate::paging::{self, Marks, Turn};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::told::Told;
use crate::views::{ChallengeSummary, Push, Timestamp, isolated, name_of};

/// Devices on a page.
const MOST_DEVICES: u16 = 20;
/// Devices that are named before their person is deleted.
const MOST_NAMED: u16 = 20;
/// The marks of the challenges in the query, beside those of the devices.
const CHALLENGES: Marks = ("older", "newer");
/// Challenges on a page, and those of a device that are read for its last activity.
const MOST_CHALLENGES: u16 = 20;
/// Largest number of pushes of a challenge that are read.
const MOST_PUSHES: u16 = 50;
/// Default question of a test challenge.
const TEST: &str = "Is this device in your hands? This is a test.";

struct Device {
    sid: String,
    name: String,
    kind: &'static str,
    verified: bool,
    reached: &'static str,
    app: String,
    enrolled: Timestamp,
    connected: Option<bool>,
    /// The last activity of the device that the server noticed.
    seen: Option<Timestamp>,
    /// The newest push, if it did not arrive.
    failed_push: Option<FailedPush>,
    can_be_asked: bool,
}

struct FailedPush {
    push: Push,
    challenge: String,
}

#[derive(Template)]
#[template(path = "person.html")]
struct Person {
    frame: Frame,
    service: String,
    service_name: String,
    identity: String,
    /// The text that devices show in place of the identity.
    label: Option<String>,
    /// The pause of new push challenges that holds now.
    pause: Option<Pause>,
    devices: Vec<Device>,
    turn: Turn,
    challenges: Vec<ChallengeSummary>,
    challenge_turn: Turn,
    message: String,
    /// The device that was not challenged, and the reason.
    refused: Option<(String, String)>,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path((service, identity)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    let query = Form::of_query(query.as_deref())?;
    frame::ok(&person(&console, &operator, service, &identity, &query).await?)
}

/// The page after a test challenge was refused: the SID of its device, why, and the question.
pub(super) async fn refused(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    identity: &Identity,
    (device, wrong, question): (String, Wrong, &str),
) -> Result<impl Template + use<>, PageError> {
    let mut page = person(console, operator, service, identity, &Form::empty()).await?;
    let why = match wrong.field {
        Some(_) => format!("The question {}.", wrong.why),
        None => wrong.why,
    };
    page.frame.told =
        Some(Told::Failed { why: why.clone(), focus: Some(format!("message-{device}")) });
    page.refused = Some((device, why));
    question.clone_into(&mut page.message);
    Ok(page)
}

/// Asks before a person is deleted.
pub(crate) async fn ask_delete(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path((service, identity)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    let first = PageQuery::first(MOST_NAMED);
    let factors = console.verify.factors(operator.account, service, &identity, first).await?;
    let mut names: Vec<_> =
        factors.items.iter().map(|it| format!("“{}”", isolated(&name_of(it)))).collect();
    if factors.has_next {
        names.push("others".to_owned());
    }
    let devices = match names.as_slice() {
        [] => "The person has no device.".to_owned(),
        names => format!("These devices go, and their streams end at once: {}.", names.join(", ")),
    };
    let path = format!("/services/{service}/people/{identity}");
    let words = ("Delete the person", "Delete the person");
    Confirm::new(&console, &operator, Section::Services, words, identity.to_string())
        .says([
            devices,
            "All challenges of the person go, with their pushes and answers.".to_owned(),
            "Webhooks are told (factor.deleted, for each device).".to_owned(),
            "The identity can be used again, for a person without a history.".to_owned(),
        ])
        .between(format!("{path}/delete"), path)
}

/// Deletes a person.
pub(crate) async fn delete(
    State(console): State<SharedConsole>,
    Path((service, identity)): Path<(String, String)>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let (service, identity): (ServiceSid, _) = (super::sid(&service)?, super::identity(&identity)?);
    console.verify.delete_entity(operator.account, service, &identity).await?;
    Ok(frame::go(&console, &format!("/services/{service}?done=person-deleted")))
}

async fn person(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    identity: &Identity,
    query: &Form,
) -> Result<Person, PageError> {
    let (verify, account) = (&console.verify, operator.account);
    let settings = verify.service(account, service).await?;
    let page = PageQuery { size: MOST_DEVICES, ..paging::asked(query)? };
    let factors = verify.factors(account, service, identity, page).await?;
    let path = format!("{}/services/{service}/people/{identity}?", console.base());
    let turn = Turn::of("devices", &path, &factors, AnyFactor::sid);
    let protection = protection(console, account, service, identity).await?;
    let label = label(console, account, service, identity).await?;
    let of_person = ChallengeFilter { factor: None, status: None };
    let page: PageQuery<ChallengeSid> = PageQuery {
        size: MOST_CHALLENGES,
        order: Order::Descending,
        ..paging::asked_by(query, CHALLENGES)?
    };
    let caller = Caller::Application(account);
    let asked = verify.challenges(&caller, service, identity, of_person, page).await?;
    let mut devices = Vec::new();
    for factor in factors.items {
        devices.push(match factor {
            AnyFactor::Push(factor) if factor.has_lapsed(console.now()) => continue,
            AnyFactor::Push(factor) => device(console, account, &factor).await?,
            AnyFactor::Totp(factor) => totp_device(&factor),
        });
    }
    Ok(Person {
        frame: Frame::new(console, Some(operator), Section::Services).telling(query),
        service: service.to_string(),
        service_name: settings.settings.friendly_name.to_string(),
        identity: identity.to_string(),
        label,
        pause: protection.as_ref().and_then(Pause::of),
        devices,
        turn,
        challenges: ChallengeSummary::of_groups(&asked.items, console.now()),
        challenge_turn: Turn::marked("challenges", (&path, CHALLENGES), &asked, |it| it.sid),
        message: TEST.to_owned(),
        refused: None,
    })
}

/// How a person is protected; `None` for one that has no device yet.
async fn protection(
    console: &Console,
    account: AccountSid,
    service: ServiceSid,
    identity: &Identity,
) -> Result<Option<EntityProtection>, PageError> {
    match console.verify.protection(account, service, identity).await {
        Err(VerifyError::NotFound) => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// The text that devices show in place of a person's identity.
async fn label(
    console: &Console,
    account: AccountSid,
    service: ServiceSid,
    identity: &Identity,
) -> Result<Option<String>, PageError> {
    match console.verify.entity(account, service, identity).await {
        Err(VerifyError::NotFound) => Ok(None),
        found => Ok(found?.label.map(|label| label.to_string())),
    }
}

fn totp_device(factor: &TotpFactor) -> Device {
    Device {
        sid: factor.sid.to_string(),
        name: factor.friendly_name.to_string(),
        kind: "codes (TOTP)",
        verified: factor.status == FactorStatus::Verified,
        reached: "without pushes: the person types its codes",
        app: String::new(),
        enrolled: Timestamp(factor.created_at),
        connected: None,
        seen: None,
        failed_push: None,
        can_be_asked: false,
    }
}

/// The newest challenges of a device.
async fn newest(
    console: &Console,
    account: AccountSid,
    factor: &Factor,
) -> Result<Vec<Challenge>, PageError> {
    let Owner { service, ref identity, .. } = factor.owner;
    let caller = Caller::Application(account);
    let filter = ChallengeFilter { factor: Some(factor.sid), status: None };
    let page = PageQuery { size: MOST_CHALLENGES, order: Order::Descending, cursor: None };
    Ok(console.verify.challenges(&caller, service, identity, filter, page).await?.items)
}

/// The last activity of a device (its enrolment, changes, acknowledgements and verdicts) and its newest push.
async fn activity(
    console: &Console,
    account: AccountSid,
    factor: &Factor,
) -> Result<(Instant, Option<Notification>), PageError> {
    let owner = &factor.owner;
    let (service, identity) = (owner.service, &owner.identity);
    let challenges = newest(console, account, factor).await?;
    let mut seen = factor.updated_at;
    let mut last: Option<Notification> = None;
    for challenge in &challenges {
        if let ChallengeState::Answered { at, .. } = challenge.state {
            seen = seen.max(at);
        }
        let page = PageQuery::first(MOST_PUSHES);
        let pushes =
            console.verify.notifications(account, service, identity, challenge.sid, page).await;
        // The cleaner may have deleted the challenge.
        let Ok((_, pushes)) = pushes else { continue };
        for push in pushes.items {
            if push.ending.is_some_and(|ending| ending.status == NotificationStatus::Delivered) {
                seen = seen.max(push.updated_at);
            }
            if last.as_ref().is_none_or(|last| last.created_at < push.created_at) {
                last = Some(push);
            }
        }
    }
    Ok((seen, last))
}

async fn device(
    console: &Console,
    account: AccountSid,
    factor: &Factor,
) -> Result<Device, PageError> {
    let (seen, last) = activity(console, account, factor).await?;
    let failed_push = last.filter(|push| {
        let standing = push.current(console.verify.node());
        matches!(
            standing.status,
            NotificationStatus::Queued | NotificationStatus::Failed | NotificationStatus::Expired
        )
    });
    let platform = factor.address.platform();
    let is_stream = platform == countersign_domain::address::Platform::Stream;
    let connected = if is_stream {
        let Owner { service, identity, .. } = &factor.owner;
        Some(console.verify.is_connected(account, *service, identity, factor.sid).await?)
    } else {
        None
    };
    let verified = factor.status == FactorStatus::Verified;
    Ok(Device {
        sid: factor.sid.to_string(),
        name: factor.friendly_name.to_string(),
        kind: "a key on a device (push)",
        verified,
        reached: labels::reached(platform),
        app: factor.app_id.to_string(),
        enrolled: Timestamp(factor.created_at),
        connected,
        seen: Some(Timestamp(seen)),
        failed_push: failed_push.map(|push| FailedPush {
            challenge: push.challenge.to_string(),
            push: Push::of(&push, console),
        }),
        can_be_asked: verified,
    })
}
