//! Services and their settings.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::invalid::Invalid;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::service_form::{self, ServiceParameter};
use countersign_domain::sid::{CredentialSid, ServiceSid};
use countersign_domain::text::ServiceName;
use countersign_store::PageQuery;
use countersign_verify::VerifyError;
use http::StatusCode;

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::{Field, Timestamp, isolated};

/// Largest number of services, credentials and people on a page.
pub(crate) const MOST: u16 = 200;

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

struct Row {
    sid: String,
    name: String,
    made: Timestamp,
}

#[derive(Template)]
#[template(path = "services.html")]
struct List {
    frame: Frame,
    services: Vec<Row>,
    name: Field,
    is_cut: bool,
}

#[derive(Template)]
#[template(path = "service.html")]
struct One {
    frame: Frame,
    sid: String,
    name: String,
    changed: Timestamp,
    saved: bool,
    failed: bool,
    fields: Vec<Field>,
    people: Vec<String>,
    more_people: bool,
}

/// The invalid parameter and its error.
type FieldError = (&'static str, String);

/// Reason why an edit failed.
enum EditError {
    FieldError(ServiceParameter, Invalid),
    Verify(VerifyError),
}

impl From<VerifyError> for EditError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::ServiceParameter(name, why) => Self::FieldError(name, why),
            other => Self::Verify(other),
        }
    }
}

/// The list of services.
pub(crate) async fn list(
    State(console): State<SharedConsole>,
    operator: Operator,
) -> Result<Response, PageError> {
    list_with(&console, &operator, StatusCode::OK, "", None).await
}

async fn list_with(
    console: &Console,
    operator: &Operator,
    status: StatusCode,
    name: &str,
    wrong: Option<&FieldError>,
) -> Result<Response, PageError> {
    let page = console.verify.services(operator.account, PageQuery::first(MOST)).await?;
    let row = |service: &Service| Row {
        sid: service.sid.to_string(),
        name: service.settings.friendly_name.to_string(),
        made: Timestamp(service.created_at),
    };
    let hint = "People see it when they are asked.";
    let field = Field::text("FriendlyName", "Name of the new service", name).hint(hint);
    let template = List {
        frame: Frame::new(console, Some(operator), Section::Services),
        services: page.items.iter().map(row).collect(),
        name: field.judged(wrong),
        is_cut: page.has_next,
    };
    frame::page(status, &template)
}

/// Creates a service.
pub(crate) async fn create(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let given = form.text("FriendlyName");
    let name = match ServiceName::written(given) {
        Ok(name) => name,
        Err(why) => {
            let wrong = ("FriendlyName", why.to_string());
            let status = StatusCode::BAD_REQUEST;
            return list_with(&console, &operator, status, given, Some(&wrong)).await;
        }
    };
    let settings = ServiceSettings::named(name);
    let service = console.verify.create_service(operator.account, settings).await?;
    Ok(frame::go(&console, &format!("/services/{}", service.sid)))
}

/// The page of a service.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, PageError> {
    let sid: ServiceSid = super::sid(&sid)?;
    let saved = Form::of_query(query.as_deref())?.given("saved").is_some();
    let service = console.verify.service(operator.account, sid).await?;
    let values = values(&service.settings);
    let template = one(&console, &operator, &service, &values, None).await?;
    frame::ok(&One { saved, ..template })
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
            .map_err(|(setting, why)| EditError::FieldError(setting, why))
    };
    match console.verify.update_service(operator.account, sid, edit).await {
        Ok(_) => Ok(frame::go(&console, &format!("/services/{sid}?saved=yes"))),
        Err(EditError::Verify(error)) => Err(error.into()),
        Err(EditError::FieldError(setting, why)) => {
            let service = console.verify.service(operator.account, sid).await?;
            let mut values = values(&service.settings);
            for (name, value) in &mut values {
                if let Some(given) = form.given(name) {
                    given.clone_into(value);
                }
            }
            let wrong = (field_of(setting).unwrap_or_default(), why.to_string());
            let template = one(&console, &operator, &service, &values, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &template)
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

fn values(settings: &ServiceSettings) -> [(&'static str, String); SETTINGS.len()] {
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
    service: &Service,
    values: &[(&'static str, String); SETTINGS.len()],
    wrong: Option<&FieldError>,
) -> Result<One, PageError> {
    let first = PageQuery::first(MOST);
    let credentials = console.verify.credentials(operator.account, first).await?.items;
    let people = console.verify.entities(operator.account, service.sid, PageQuery::first(MOST));
    let people = people.await?;
    let fields = values.iter().map(|(name, value)| field(name, value, &credentials).judged(wrong));
    Ok(One {
        frame: Frame::new(console, Some(operator), Section::Services),
        sid: service.sid.to_string(),
        name: service.settings.friendly_name.to_string(),
        changed: Timestamp(service.updated_at),
        saved: false,
        failed: wrong.is_some(),
        fields: fields.collect(),
        people: people.items.iter().map(|it| it.owner.identity.to_string()).collect(),
        more_people: people.has_next,
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
        "Push.IncludeDate" => {
            let yes_no = [("false", "no"), ("true", "yes")];
            text("Show people the time of a question")
                .choose(yes_no.map(|(it, name)| (it.to_owned(), name.to_owned())).into())
        }
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
