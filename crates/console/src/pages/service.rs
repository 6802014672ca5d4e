//! A service: its settings and its people.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::invalid::Invalid;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::service_form::{self, ServiceParameter};
use countersign_domain::sid::{CredentialSid, ServiceSid};
use countersign_store::PageQuery;
use countersign_verify::VerifyError;
use http::StatusCode;

use super::services::MOST;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::paging::{self, Turn};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::{Timestamp, isolated};

/// The settings on the page, each with the name of its field, which is the API's. Settings of messages and calls have no effect
/// and are left to the API.
const SETTINGS: [(ServiceParameter, &str); 8] = [
    (ServiceParameter::FriendlyName, "FriendlyName"),
    (ServiceParameter::ApnCredential, "Push.ApnCredentialSid"),
    (ServiceParameter::FcmCredential, "Push.FcmCredentialSid"),
    (ServiceParameter::IncludeDate, "Push.IncludeDate"),
    (ServiceParameter::TotpIssuer, "Totp.Issuer"),
    (ServiceParameter::TotpTimeStep, "Totp.TimeStep"),
    (ServiceParameter::TotpCodeLength, "Totp.CodeLength"),
    (ServiceParameter::TotpSkew, "Totp.Skew"),
];

/// The texts of the settings, as stored or as sent.
type Values = [(&'static str, String); SETTINGS.len()];

#[derive(Template)]
#[template(path = "service.html")]
struct One {
    frame: Frame,
    sid: String,
    name: String,
    changed: Timestamp,
    retention_days: u64,
    fields: Vec<Field>,
    people: Vec<String>,
    turn: Turn,
}

/// Reason why an edit failed.
enum EditError {
    Parameter(ServiceParameter, Invalid),
    Verify(VerifyError),
}

impl From<VerifyError> for EditError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::ServiceParameter(name, why) => Self::Parameter(name, why),
            other => Self::Verify(other),
        }
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Parameter(setting, why) => {
                Self::field(field_of(setting).unwrap_or_default(), &why)
            }
            EditError::Verify(error) => error.into(),
        }
    }
}

/// The page of a service.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let service = console.verify.service(operator.account, super::sid(&sid)?).await?;
    let values = values(&service.settings);
    frame::ok(&one(&console, &operator, &query, &service, &values, None).await?)
}

/// Changes the settings of a service, by the API's rules and with its messages.
pub(crate) async fn update(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let sid: ServiceSid = super::sid(&sid)?;
    let edit = |settings: &mut ServiceSettings| {
        let text = |setting| Ok(given(setting, &form));
        service_form::change(settings, text)
            .map_err(|(setting, why)| EditError::Parameter(setting, why))
    };
    match console.verify.update_service(operator.account, sid, edit).await {
        Ok(_) => Ok(frame::go(&console, &format!("/services/{sid}?done=saved"))),
        Err(error) => {
            let wrong = Refusal::from(error).wrong()?;
            let service = console.verify.service(operator.account, sid).await?;
            let mut values = values(&service.settings);
            for (name, value) in &mut values {
                if let Some(given) = form.given(name) {
                    given.clone_into(value);
                }
            }
            let page = one(&console, &operator, &form, &service, &values, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

/// The name of the field of a setting that is on the page.
fn field_of(setting: ServiceParameter) -> Option<&'static str> {
    SETTINGS.iter().find(|(known, _)| *known == setting).map(|(_, name)| *name)
}

/// The text of a setting in the form.
fn given(setting: ServiceParameter, form: &Form) -> Option<&str> {
    form.given(field_of(setting)?).map(str::trim)
}

fn values(settings: &ServiceSettings) -> Values {
    let sid = |sid: Option<CredentialSid>| sid.map(|sid| sid.to_string()).unwrap_or_default();
    let (push, totp) = (&settings.push, &settings.totp);
    let values = [
        settings.friendly_name.to_string(),
        sid(push.apn_credential_sid),
        sid(push.fcm_credential_sid),
        push.include_date.to_string(),
        totp.issuer.clone().unwrap_or_default(),
        totp.time_step.to_string(),
        totp.code_length.to_string(),
        totp.skew.to_string(),
    ];
    let mut at = 0;
    values.map(|value| {
        at += 1;
        (SETTINGS[at - 1].1, value)
    })
}

async fn one(
    console: &Console,
    operator: &Operator,
    query: &Form,
    service: &Service,
    values: &Values,
    wrong: Option<&Wrong>,
) -> Result<One, PageError> {
    let (verify, account, sid) = (&console.verify, operator.account, service.sid);
    let credentials = verify.credentials(account, PageQuery::first(MOST)).await?.items;
    let people = verify.entities(account, sid, paging::asked(query)?).await?;
    let fields = values.iter().map(|(name, value)| field(name, value, &credentials).judged(wrong));
    let fields: Vec<_> = fields.collect();
    let frame = Frame::new(console, Some(operator), Section::Services).telling(query);
    let path = format!("{}/services/{sid}?", console.base());
    Ok(One {
        frame: frame.refusing(wrong, &fields),
        sid: sid.to_string(),
        name: service.settings.friendly_name.to_string(),
        changed: Timestamp(service.updated_at),
        retention_days: console.retention_days,
        fields,
        people: people.items.iter().map(|it| it.owner.identity.to_string()).collect(),
        turn: Turn::of("people", &path, &people, |it| it.owner.entity),
    })
}

/// The field of a setting, with the account's credentials as choices.
fn field(name: &'static str, value: &str, credentials: &[Credential]) -> Field {
    let text = |label| Field::text(name, label, value);
    match name {
        "FriendlyName" => text("Name").hint("People see it in every question."),
        "Push.ApnCredentialSid" => {
            text("Credential for Apple").choose(choices(credentials, CredentialType::Apn, value))
        }
        "Push.FcmCredentialSid" => {
            text("Credential for Google").choose(choices(credentials, CredentialType::Fcm, value))
        }
        "Push.IncludeDate" => text("Show people the time of a question")
            .choose_of(&[("false", "no"), ("true", "yes")]),
        "Totp.Issuer" => {
            text("Issuer of codes").hint("Shown by authenticator apps. Default: the name.")
        }
        "Totp.TimeStep" => text("Seconds that a code is valid"),
        "Totp.CodeLength" => text("Digits of a code"),
        _ => text("Time steps of tolerance").hint("Before and after; 0 to 2."),
    }
}

/// The credentials of a type, and `set` if it is none of them: it was deleted, or never existed.
fn choices(credentials: &[Credential], kind: CredentialType, set: &str) -> Vec<(String, String)> {
    let mut choices = vec![(String::new(), "none".to_owned())];
    choices.extend(credentials.iter().filter(|it| it.kind == kind).map(|it| {
        let name = it.friendly_name.clone().unwrap_or_else(|| "unnamed".to_owned());
        (it.sid.to_string(), format!("{} ({})", isolated(&name), it.sid))
    }));
    if !choices.iter().any(|(value, _)| value == set) {
        choices.push((set.to_owned(), format!("{} (missing)", isolated(set))));
    }
    choices
}
