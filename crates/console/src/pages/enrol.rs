//! Making an enrolment link for a browser.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::access_token::{AccessToken, TTL};
use countersign_domain::service::Service;
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::{AccountLabel, Identity};
use countersign_store::PageQuery;
use countersign_verify::access_tokens::NewAccessToken;
use http::StatusCode;

use super::services::MOST;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::isolated;

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
    fields: Vec<Field>,
    has_service: bool,
}

/// The form.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::of_query(query.as_deref())?;
    frame::ok(&enrol(&console, &operator, &form, None).await?)
}

async fn enrol(
    console: &Console,
    operator: &Operator,
    form: &Form,
    wrong: Option<&Wrong>,
) -> Result<Enrol, PageError> {
    let services = console.verify.services(operator.account, PageQuery::first(MOST)).await?.items;
    let choice = |service: &Service| {
        let name = isolated(service.settings.friendly_name.as_str());
        let name = format!("{name} ({})", service.sid);
        (service.sid.to_string(), name)
    };
    let choices: Vec<_> = services.iter().map(choice).collect();
    let has_service = !choices.is_empty();
    let hint = "8 to 64 letters, digits and dashes: the application’s name for the person, which says nothing about them.";
    let shown = "Optional: what the device shows in place of the identity, such as the person’s name or login.";
    let fields = vec![
        Field::text("service", "Service", form.text("service")).choose(choices),
        Field::text("identity", "Identity of the person", form.text("identity")).hint(hint),
        Field::text("account_label", "Name on the device", form.text("account_label")).hint(shown),
    ];
    let fields: Vec<_> = fields.into_iter().map(|field| field.judged(wrong)).collect();
    let frame = Frame::new(console, Some(operator), Section::Enrol);
    Ok(Enrol { frame: frame.refusing(wrong, &fields), fields, has_service })
}

/// Creates a link. Its own page shows it.
pub(crate) async fn invite(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    match make(&console, &operator, &form).await {
        Ok(AccessToken { service, identity, sid, .. }) => {
            let person = format!("/services/{service}/people/{identity}");
            Ok(frame::go(&console, &format!("{person}/invitations/{sid}")))
        }
        Err(refusal) => {
            let wrong = refusal.wrong()?;
            let page = enrol(&console, &operator, &form, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn make(console: &Console, operator: &Operator, form: &Form) -> Result<AccessToken, Refusal> {
    let service: ServiceSid = super::sid(form.text("service"))?;
    let identity = form.read("identity", Identity::parse)?;
    let account_label = form.read_given("account_label", AccountLabel::written)?;
    let new =
        NewAccessToken { identity, factor_friendly_name: None, account_label, ttl: *TTL.end() };
    Ok(console.verify.invite(operator.account, service, new).await?)
}
