//! One person of a service: their devices, and why a push did not arrive.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::challenge::{Challenge, ChallengeState};
use countersign_domain::ending::NotificationStatus;
use countersign_domain::factor::{AnyFactor, Factor, FactorStatus};
use countersign_domain::notification::Notification;
use countersign_domain::sid::{AccountSid, FactorSid, ServiceSid};
use countersign_domain::text::{Identity, Message};
use countersign_domain::time::Instant;
use countersign_store::seam::ChallengeFilter;
use countersign_store::{Order, PageQuery};
use countersign_verify::Caller;
use countersign_verify::challenges::NewChallenge;
use http::StatusCode;

use crate::fault::Fault;
use crate::frame::{self, Frame, Here};
use crate::session::{Operator, Posted};
use crate::state::{Console, Shared};
use crate::views::{Asked, Push, Stamp};
use crate::words;

/// Devices that are shown.
const MOST_DEVICES: u16 = 100;
/// Challenges of a device that are looked at for what it last did.
const MOST_CHALLENGES: u16 = 20;
/// Pushes of a challenge that are looked at.
const MOST_PUSHES: u16 = 50;
/// What a test asks if nothing else is said.
const TEST: &str = "Is this device in your hands? This is a test.";

struct Device {
    sid: String,
    name: String,
    kind: &'static str,
    verified: bool,
    reached: &'static str,
    app: String,
    enrolled: Stamp,
    connected: Option<bool>,
    /// When it last did something that this server noticed.
    seen: Option<Stamp>,
    /// Its newest push, if that did not arrive.
    trouble: Option<Trouble>,
    can_be_asked: bool,
}

struct Trouble {
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
    devices: Vec<Device>,
    /// Whether there are more devices than these.
    is_cut: bool,
    challenges: Vec<Asked>,
    message: String,
    /// The device that was to be asked, and why it was not.
    refused: Option<(String, String)>,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    Path((service, identity)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    frame::ok(&person(&console, &operator, service, &identity).await?)
}

/// Asks a device something.
pub(crate) async fn ask(
    State(console): State<Shared>,
    Path((service, identity)): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, Fault> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    let device: FactorSid = super::sid(form.text("device"))?;
    let asked = match Message::written(form.text("message")) {
        Err(why) => Err(format!("The question {why}.")),
        Ok(message) => {
            let new = NewChallenge {
                factor: device,
                expires_at: None,
                message: Some(message),
                fields: Vec::new(),
                hidden_details: None,
                code: None,
            };
            let made =
                console.verify.create_challenge(operator.account, service, &identity, new).await;
            match made.map_err(Fault::from) {
                Ok(challenge) => Ok(challenge.sid),
                Err(Fault::Refused(why)) => Err(why),
                Err(fault) => return Err(fault),
            }
        }
    };
    match asked {
        Ok(challenge) => Ok(frame::go(&console, &format!("/challenges/{challenge}"))),
        Err(why) => {
            let mut page = person(&console, &operator, service, &identity).await?;
            page.refused = Some((device.to_string(), why));
            form.text("message").clone_into(&mut page.message);
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn person(
    console: &Console,
    operator: &Operator,
    service: ServiceSid,
    identity: &Identity,
) -> Result<Person, Fault> {
    let (verify, account) = (&console.verify, operator.account);
    let settings = verify.service(account, service).await?;
    let page = PageQuery::first(MOST_DEVICES);
    let factors = verify.factors(account, service, identity, page).await?;
    let is_cut = factors.has_next;
    let recent = newest(console, account, service, identity, None).await?;
    let mut devices = Vec::new();
    for factor in factors.items {
        devices.push(match factor {
            AnyFactor::Push(factor) if factor.has_lapsed(console.now()) => continue,
            AnyFactor::Push(factor) => device(console, account, &factor).await?,
            AnyFactor::Totp(factor) => Device {
                sid: factor.sid.to_string(),
                name: factor.friendly_name.to_string(),
                kind: "codes (TOTP)",
                verified: factor.status == FactorStatus::Verified,
                reached: "not at all: the person types its codes",
                app: String::new(),
                enrolled: Stamp(factor.created_at),
                connected: None,
                seen: None,
                trouble: None,
                can_be_asked: false,
            },
        });
    }
    Ok(Person {
        frame: Frame::new(console, Some(operator), Here::Services),
        service: service.to_string(),
        service_name: settings.settings.friendly_name.to_string(),
        identity: identity.to_string(),
        devices,
        is_cut,
        challenges: recent.iter().map(|it| Asked::alone(it, console.now())).collect(),
        message: TEST.to_owned(),
        refused: None,
    })
}

async fn newest(
    console: &Console,
    account: AccountSid,
    service: ServiceSid,
    identity: &Identity,
    factor: Option<FactorSid>,
) -> Result<Vec<Challenge>, Fault> {
    let caller = Caller::Application(account);
    let filter = ChallengeFilter { factor, status: None };
    let page = PageQuery { size: MOST_CHALLENGES, order: Order::Descending, cursor: None };
    Ok(console.verify.challenges(&caller, service, identity, filter, page).await?.items)
}

async fn device(console: &Console, account: AccountSid, factor: &Factor) -> Result<Device, Fault> {
    let owner = &factor.owner;
    let (service, identity) = (owner.service, &owner.identity);
    let challenges = newest(console, account, service, identity, Some(factor.sid)).await?;
    // What it enrolled, changed, took or answered.
    let mut seen = factor.updated_at;
    let mut last: Option<(Instant, Notification)> = None;
    for challenge in &challenges {
        if let ChallengeState::Answered { at, .. } = challenge.state {
            seen = seen.max(at);
        }
        let page = PageQuery::first(MOST_PUSHES);
        let pushes =
            console.verify.notifications(account, service, identity, challenge.sid, page).await;
        // the cleaner may have been here since
        let Ok((_, pushes)) = pushes else { continue };
        for push in pushes.items {
            if push.ending.is_some_and(|ending| ending.status == NotificationStatus::Delivered) {
                seen = seen.max(push.updated_at);
            }
            if last.as_ref().is_none_or(|(at, _)| *at < push.created_at) {
                last = Some((push.created_at, push));
            }
        }
    }
    let trouble = last.map(|(_, push)| push).filter(|push| {
        let standing = push.current(console.verify.node());
        matches!(
            standing.status,
            NotificationStatus::Queued | NotificationStatus::Failed | NotificationStatus::Expired
        )
    });
    let platform = factor.address.platform();
    let is_stream = platform == countersign_domain::address::Platform::Stream;
    let connected = if is_stream {
        Some(console.verify.is_connected(account, service, identity, factor.sid).await?)
    } else {
        None
    };
    let verified = factor.status == FactorStatus::Verified;
    Ok(Device {
        sid: factor.sid.to_string(),
        name: factor.friendly_name.to_string(),
        kind: "a key on a device (push)",
        verified,
        reached: words::reached(platform),
        app: factor.app_id.to_string(),
        enrolled: Stamp(factor.created_at),
        connected,
        seen: Some(Stamp(seen)),
        trouble: trouble.map(|push| Trouble {
            challenge: push.challenge.to_string(),
            push: Push::of(&push, console),
        }),
        can_be_asked: verified,
    })
}
