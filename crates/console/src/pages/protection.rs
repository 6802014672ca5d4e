//! How a service protects its people: what an approval must show, and how many prompts they get.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::limits::Limits;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::service_protection::{
    PresenceMode, ProtectionParameter, ServiceLimit, ServiceProtection,
};
use countersign_domain::sid::ServiceSid;
use http::StatusCode;

use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};

#[derive(Template)]
#[template(path = "protection.html")]
struct Protection {
    frame: Frame,
    service: String,
    service_name: String,
    fields: Vec<Field>,
}

/// The name of a parameter's field, which is the API's.
const fn name_of(parameter: ProtectionParameter) -> &'static str {
    match parameter {
        ProtectionParameter::Presence => "Presence",
        ProtectionParameter::UserVerification => "UserVerification",
        ProtectionParameter::Limit(ServiceLimit::PendingMax) => "PendingMax",
        ProtectionParameter::Limit(ServiceLimit::InARowMax) => "InARowMax",
        ProtectionParameter::Limit(ServiceLimit::QuietAfter) => "QuietAfter",
        ProtectionParameter::Limit(ServiceLimit::InARowMinutes) => "InARowMinutes",
        ProtectionParameter::Limit(ServiceLimit::PauseMinutes) => "PauseMinutes",
        ProtectionParameter::Limit(ServiceLimit::LongestPauseHours) => "LongestPauseHours",
        ProtectionParameter::Limit(ServiceLimit::ReportedPauseHours) => "ReportedPauseHours",
    }
}

/// The label of a limit.
const fn label_of(limit: ServiceLimit) -> &'static str {
    match limit {
        ServiceLimit::PendingMax => "Pending challenges of a device at a time",
        ServiceLimit::InARowMax => "Challenges in a row without an approval",
        ServiceLimit::QuietAfter => "Challenges in a row after which further ones are quiet",
        ServiceLimit::InARowMinutes => "Minutes that a challenge counts for a row",
        ServiceLimit::PauseMinutes => "Minutes of the first pause",
        ServiceLimit::LongestPauseHours => "Hours of the longest pause",
        ServiceLimit::ReportedPauseHours => "Hours of the pause after “It was not me”",
    }
}

/// The service's own settings, as texts.
fn own(protection: &ServiceProtection, parameter: ProtectionParameter) -> String {
    match parameter {
        ProtectionParameter::Presence => {
            let modes = protection.presence.as_ref().map(|list| list.modes().iter());
            let words: Vec<_> = modes.into_iter().flatten().map(|mode| mode.as_str()).collect();
            words.join(", ")
        }
        ProtectionParameter::UserVerification => protection
            .user_verification
            .map(|wanted| wanted.as_str().to_owned())
            .unwrap_or_default(),
        ProtectionParameter::Limit(limit) => {
            protection.own(limit).map(|value| value.to_string()).unwrap_or_default()
        }
    }
}

fn field(parameter: ProtectionParameter, value: String, limits: &Limits) -> Field {
    let name = name_of(parameter);
    match parameter {
        ProtectionParameter::Presence => {
            let none = PresenceMode::None.as_str();
            Field::text(name, "Presence", value).hint(format!(
                "What an approval must show: code (the device shows it, the person types it on the page), number (the page \
                 shows it, the person types it on the device), pick (one of three numbers) or {none}. Several with commas: \
                 the first that a device can do holds. Empty: {none}."
            ))
        }
        ProtectionParameter::UserVerification => {
            Field::text(name, "The device makes sure who holds it", value).choose_of(&[
                ("", "no (not set)"),
                ("none", "no"),
                ("required", "yes, by fingerprint, face or PIN"),
            ])
        }
        ProtectionParameter::Limit(limit) => {
            let (bounds, holds) = (limit.bounds(), limit.configured(limits));
            let (least, most) = (bounds.start(), bounds.end());
            let unlimited = if *least == 0 { " 0: no limit." } else { "" };
            let unlimited = match limit {
                ServiceLimit::ReportedPauseHours => " 0: no pause.",
                ServiceLimit::QuietAfter => " 0: never.",
                _ => unlimited,
            };
            let hint =
                format!("{least} to {most}. Empty: {holds}, as this server is set.{unlimited}");
            Field::number(name, label_of(limit), value).hint(hint)
        }
    }
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let service = console.verify.service(operator.account, super::sid(&sid)?).await?;
    let text = |parameter| own(&service.settings.protection, parameter);
    frame::ok(&page(&console, &operator, &query, &service, text, None))
}

fn page(
    console: &Console,
    operator: &Operator,
    query: &Form,
    service: &Service,
    text: impl Fn(ProtectionParameter) -> String,
    wrong: Option<&Wrong>,
) -> Protection {
    let limits = console.verify.limits();
    let fields = ProtectionParameter::all();
    let fields = fields.map(|it| field(it, text(it), limits).judged(wrong));
    let fields: Vec<_> = fields.collect();
    let frame = Frame::new(console, Some(operator), Section::Services).telling(query);
    Protection {
        frame: frame.refusing(wrong, &fields),
        service: service.sid.to_string(),
        service_name: service.settings.friendly_name.to_string(),
        fields,
    }
}

/// Changes the protection, by the API's rules.
pub(crate) async fn update(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let sid: ServiceSid = super::sid(&sid)?;
    let edit = |settings: &mut ServiceSettings| {
        for parameter in ProtectionParameter::all() {
            let name = name_of(parameter);
            let Some(text) = form.given(name) else { continue };
            let changed = settings.protection.change(parameter, text.trim());
            changed.map_err(|why| Refusal::field(name, &why))?;
        }
        Ok(())
    };
    match console.verify.update_service::<Refusal>(operator.account, sid, edit).await {
        Ok(_) => {
            Ok(frame::go(&console, &format!("/services/{sid}/protection?done=protection-saved")))
        }
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let service = console.verify.service(operator.account, sid).await?;
            let text = |parameter| form.text(name_of(parameter)).to_owned();
            let page = page(&console, &operator, &form, &service, text, Some(&wrong));
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}
