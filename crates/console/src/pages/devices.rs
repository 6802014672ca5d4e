//! A device of a person: its name, a test of it, and its removal.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::factor::AnyFactor;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::PresenceList;
use countersign_domain::sid::{ChallengeSid, FactorSid, ServiceSid};
use countersign_domain::text::{FriendlyName, Identity, Message};
use countersign_domain::totp::TotpChange;
use countersign_store::PageQuery;
use countersign_verify::Caller;
use countersign_verify::challenges::NewChallenge;
use countersign_verify::factors::FactorUpdate;
use http::StatusCode;

use super::confirm::Confirm;
use super::people;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::name_of;

/// Devices that are looked at to tell how many others a person has.
const MOST: u16 = 1_000;

/// A device in a path.
type At = (String, String, String);

/// A device of a path.
struct Place {
    service: ServiceSid,
    identity: Identity,
    factor: FactorSid,
}

impl Place {
    fn read((service, identity, factor): &At) -> Result<Self, PageError> {
        Ok(Self {
            service: super::sid(service)?,
            identity: super::identity(identity)?,
            factor: super::sid(factor)?,
        })
    }

    /// The path of the device's person.
    fn person(&self) -> String {
        format!("/services/{}/people/{}", self.service, self.identity)
    }

    /// The path of the device.
    fn path(&self) -> String {
        format!("{}/devices/{}", self.person(), self.factor)
    }

    /// The name of the device, and how many others the person has.
    async fn device(
        &self,
        console: &Console,
        operator: &Operator,
    ) -> Result<(AnyFactor, usize), PageError> {
        let (account, page) = (operator.account, PageQuery::first(MOST));
        let all = console.verify.factors(account, self.service, &self.identity, page).await?.items;
        let others = all.len().saturating_sub(1);
        let found = all.into_iter().find(|factor| factor.sid() == self.factor);
        found.map(|factor| (factor, others)).ok_or(PageError::NotFound)
    }
}

#[derive(Template)]
#[template(path = "rename.html")]
struct Rename {
    frame: Frame,
    path: String,
    person: String,
    identity: String,
    name: Field,
}

/// Asks for the new name of a device.
pub(crate) async fn ask_name(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<At>,
) -> Result<Response, PageError> {
    let place = Place::read(&at)?;
    let (factor, _) = place.device(&console, &operator).await?;
    frame::ok(&rename_page(&console, &operator, &place, &name_of(&factor), None))
}

fn rename_page(
    console: &Console,
    operator: &Operator,
    place: &Place,
    name: &str,
    wrong: Option<&Wrong>,
) -> Rename {
    let hint = "The person sees it in the list of their devices.";
    let name = Field::text("FriendlyName", "Name of the device", name).hint(hint).judged(wrong);
    let frame = Frame::new(console, Some(operator), Section::Services);
    Rename {
        frame: frame.refusing(wrong, std::slice::from_ref(&name)),
        path: format!("{}/name", place.path()),
        person: place.person(),
        identity: place.identity.to_string(),
        name,
    }
}

/// Renames a device.
pub(crate) async fn rename(
    State(console): State<SharedConsole>,
    Path(at): Path<At>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let place = Place::read(&at)?;
    match set_name(&console, &operator, &place, &form).await {
        Ok(()) => Ok(frame::go(&console, &format!("{}?done=device-renamed", place.person()))),
        Err(refusal) => {
            let (wrong, given) = (refusal.wrong()?, form.text("FriendlyName"));
            let page = rename_page(&console, &operator, &place, given, Some(&wrong));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn set_name(
    console: &Console,
    operator: &Operator,
    place: &Place,
    form: &Form,
) -> Result<(), Refusal> {
    let name = form.read("FriendlyName", FriendlyName::written)?;
    let (verify, friendly_name) = (&console.verify, Some(name));
    let caller = Caller::Application(operator.account);
    let Place { service, identity, factor } = place;
    match verify.any_factor(&caller, *service, identity, *factor).await? {
        AnyFactor::Push(_) => {
            let update = FactorUpdate { friendly_name, ..FactorUpdate::default() };
            verify.update_factor(&caller, *service, identity, *factor, update).await?;
        }
        AnyFactor::Totp(factor) => {
            let change = TotpChange { friendly_name, ..TotpChange::default() };
            verify.update_totp(&factor, None, change).await?;
        }
    }
    Ok(())
}

/// Asks before a device is removed.
pub(crate) async fn ask_remove(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(at): Path<At>,
) -> Result<Response, PageError> {
    let place = Place::read(&at)?;
    let (factor, others) = place.device(&console, &operator).await?;
    let left = match others {
        0 => "It is the only device of the person, who cannot be asked any more until another one is enrolled.".to_owned(),
        1 => "The person has one other device.".to_owned(),
        _ => format!("The person has {others} other devices."),
    };
    let words = ("Remove the device", "Remove the device");
    Confirm::new(&console, &operator, Section::Services, words, name_of(&factor))
        .says([
            "It can answer nothing from now on, not even what waits for it already, and its stream ends at once.".to_owned(),
            left,
            "Its answers stay as long as challenges are kept.".to_owned(),
            "Webhooks are told (factor.deleted).".to_owned(),
        ])
        .between(format!("{}/remove", place.path()), place.person())
}

/// Removes a device.
pub(crate) async fn remove(
    State(console): State<SharedConsole>,
    Path(at): Path<At>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    let place = Place::read(&at)?;
    let caller = Caller::Application(operator.account);
    let Place { service, identity, factor } = &place;
    console.verify.delete_factor(&caller, *service, identity, *factor).await?;
    Ok(frame::go(&console, &format!("{}?done=device-removed", place.person())))
}

/// Opens a test challenge for a device.
pub(crate) async fn ask(
    State(console): State<SharedConsole>,
    Path((service, identity)): Path<(String, String)>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let (service, identity) = (super::sid(&service)?, super::identity(&identity)?);
    let factor: FactorSid = super::sid(form.text("device"))?;
    let place = Place { service, identity, factor };
    match open(&console, &operator, &place, &form).await {
        Ok(challenge) => Ok(frame::go(&console, &format!("/challenges/{challenge}"))),
        Err(refusal) => {
            let refused = (place.factor.to_string(), refusal.wrong()?, form.text("message"));
            let Place { service, identity, .. } = &place;
            let page = people::refused(&console, &operator, *service, identity, refused).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn open(
    console: &Console,
    operator: &Operator,
    place: &Place,
    form: &Form,
) -> Result<ChallengeSid, Refusal> {
    let new = NewChallenge {
        expires_at: None,
        message: Some(form.read("message", Message::written)?),
        fields: Vec::new(),
        hidden_details: None,
        code: None,
        // This page shows no number.
        presence: PresenceWish { modes: Some(PresenceList::none()), ..PresenceWish::default() },
    };
    let (verify, account) = (&console.verify, operator.account);
    let Place { service, identity, factor } = place;
    let opened = verify.create_challenge(account, *service, identity, *factor, new).await?;
    Ok(opened.sid)
}
