//! Services and their settings.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::credential::CredentialType;
use countersign_domain::invalid::Invalid;
use countersign_domain::service::{Service, ServiceSettings};
use countersign_domain::service_form::{self, ServiceParameter};
use countersign_domain::sid::{CredentialSid, ServiceSid};
use countersign_domain::text::ServiceName;
use countersign_store::PageQuery;
use countersign_verify::VerifyError;
use http::StatusCode;

use crate::fault::Fault;
use crate::form::Form;
use crate::frame::{self, Frame, Here};
use crate::session::{Operator, Posted};
use crate::state::{Console, Shared};
use crate::views::{Field, Stamp, isolated};

/// Services, credentials and people on one page.
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
    made: Stamp,
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
    changed: Stamp,
    saved: bool,
    failed: bool,
    fields: Vec<Field>,
    people: Vec<String>,
    more_people: bool,
}

/// What was wrong with a form.
type Wrong = (&'static str, String);

/// Why an edit came to nothing.
enum EditFault {
    Wrong(ServiceParameter, Invalid),
    Verify(VerifyError),
}

impl From<VerifyError> for EditFault {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::ServiceParameter(name, why) => Self::Wrong(name, why),
            other => Self::Verify(other),
        }
    }
}

/// All of them.
pub(crate) async fn list(
    State(console): State<Shared>,
    operator: Operator,
) -> Result<Response, Fault> {
    list_with(&console, &operator, StatusCode::OK, "", None).await
}

async fn list_with(
    console: &Console,
    operator: &Operator,
    status: StatusCode,
    name: &str,
    wrong: Option<&Wrong>,
) -> Result<Response, Fault> {
    let page = console.verify.services(operator.account, PageQuery::first(MOST)).await?;
    let row = |service: &Service| Row {
        sid: service.sid.to_string(),
        name: service.settings.friendly_name.to_string(),
        made: Stamp(service.created_at),
    };
    let hint = "People see it when they are asked.";
    let field = Field::text("FriendlyName", "Name of the new service", name).hint(hint);
    let template = List {
        frame: Frame::new(console, Some(operator), Here::Services),
        services: page.items.iter().map(row).collect(),
        name: field.judged(wrong),
        is_cut: page.has_next,
    };
    frame::page(status, &template)
}

/// Makes one.
pub(crate) async fn create(
    State(console): State<Shared>,
    Posted { operator, form }: Posted,
) -> Result<Response, Fault> {
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

/// One of them.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    Path(sid): Path<String>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, Fault> {
    let sid: ServiceSid = super::sid(&sid)?;
    let saved = Form::of_query(query.as_deref())?.given("saved").is_some();
    let service = console.verify.service(operator.account, sid).await?;
    let values = values(&service.settings);
    let template = one(&console, &operator, &service, &values, None).await?;
    frame::ok(&One { saved, ..template })
}

/// Changes its settings, by the rules and in the words of the API.
pub(crate) async fn update(
    State(console): State<Shared>,
    Path(sid): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, Fault> {
    let sid: ServiceSid = super::sid(&sid)?;
    let edit = |settings: &mut ServiceSettings| {
        let text = |setting| Ok(given(setting, &form));
        service_form::change(settings, text)
            .map_err(|(setting, why)| EditFault::Wrong(setting, why))
    };
    match console.verify.update_service(operator.account, sid, edit).await {
        Ok(_) => Ok(frame::go(&console, &format!("/services/{sid}?saved=yes"))),
        Err(EditFault::Verify(error)) => Err(error.into()),
        Err(EditFault::Wrong(setting, why)) => {
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
    wrong: Option<&Wrong>,
) -> Result<One, Fault> {
    let credentials = console.verify.credentials(operator.account, PageQuery::first(MOST));
    let credentials = credentials.await?.items;
    let of = |kind: CredentialType, set: &str| {
        let mut choices = vec![(String::new(), "none".to_owned())];
        choices.extend(credentials.iter().filter(|it| it.kind == kind).map(|it| {
            let name = it.friendly_name.clone().unwrap_or_else(|| "unnamed".to_owned());
            (it.sid.to_string(), format!("{} ({})", isolated(&name), it.sid))
        }));
        // one that was deleted, or that is no credential at all, is shown as it is
        if !choices.iter().any(|(value, _)| value == set) {
            choices.push((set.to_owned(), format!("{} (not there)", isolated(set))));
        }
        choices
    };
    let yes_no = || ["false", "true"].into_iter().zip(["no", "yes"]).collect::<Vec<_>>();
    let field = |name: &'static str, value: &String| {
        let text = |label| Field::text(name, label, value.clone());
        match name {
            "FriendlyName" => text("Name").hint("People see it when they are asked."),
            "Push.ApnCredentialSid" => {
                text("Credential for Apple").choose(of(CredentialType::Apn, value))
            }
            "Push.FcmCredentialSid" => {
                text("Credential for Google").choose(of(CredentialType::Fcm, value))
            }
            "Push.IncludeDate" => text("Show people when they were asked").choose(
                yes_no().into_iter().map(|(it, name)| (it.to_owned(), name.to_owned())).collect(),
            ),
            "Totp.Issuer" => {
                text("Issuer of codes").hint("What an authenticator app says; the name if empty.")
            }
            "Totp.TimeStep" => text("Seconds that a code is valid"),
            "Totp.CodeLength" => text("Digits of a code"),
            _ => text("Time steps of tolerance").hint("Before and after; 0 to 2."),
        }
        .judged(wrong)
    };
    let people = console.verify.entities(operator.account, service.sid, PageQuery::first(MOST));
    let people = people.await?;
    Ok(One {
        frame: Frame::new(console, Some(operator), Here::Services),
        sid: service.sid.to_string(),
        name: service.settings.friendly_name.to_string(),
        changed: Stamp(service.updated_at),
        saved: false,
        failed: wrong.is_some(),
        fields: values.iter().map(|(name, value)| field(name, value)).collect(),
        people: people.items.iter().map(|it| it.owner.identity.to_string()).collect(),
        more_people: people.has_next,
    })
}
