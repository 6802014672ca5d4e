//! Enrolment links for browsers, shown as a QR code.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::access_token::TTL;
use countersign_domain::invitation::{Invitation, is_safe};
use countersign_domain::service::Service;
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::Identity;
use countersign_store::PageQuery;
use countersign_verify::access_tokens::NewAccessToken;
use http::StatusCode;

use super::services::MOST;
use crate::error::PageError;
use crate::fields::{Field, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::qr::{self, QrDrawing};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::{Timestamp, isolated};

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
    fields: Vec<Field>,
    has_service: bool,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct Invited {
    frame: Frame,
    identity: String,
    service: String,
    service_name: String,
    link: String,
    code: Option<QrDrawing>,
    until: Timestamp,
    is_safe: bool,
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
    let fields = vec![
        Field::text("service", "Service", form.text("service")).choose(choices),
        Field::text("identity", "Identity of the person", form.text("identity")).hint(hint),
    ];
    let fields: Vec<_> = fields.into_iter().map(|field| field.judged(wrong)).collect();
    let frame = Frame::new(console, Some(operator), Section::Enrol);
    Ok(Enrol { frame: frame.refusing(wrong, &fields), fields, has_service })
}

/// Creates a link and shows it once.
pub(crate) async fn invite(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let service: ServiceSid = super::sid(form.text("service"))?;
    let identity = match Identity::parse(form.text("identity")) {
        Ok(identity) => identity,
        Err(why) => {
            let wrong = Wrong { field: Some("identity"), why: why.to_string() };
            let page = enrol(&console, &operator, &form, Some(&wrong)).await?;
            return frame::page(StatusCode::BAD_REQUEST, &page);
        }
    };
    let (verify, account) = (&console.verify, operator.account);
    let found = verify.service(account, service).await?;
    let new = NewAccessToken { identity, factor_friendly_name: None, ttl: *TTL.end() };
    let (token, text) = verify.create_access_token(account, service, new).await?;
    let push_key = verify.web_push_key(account, service).await?;
    let service_name = found.settings.friendly_name.to_string();
    let invitation = Invitation {
        service: &service.to_string(),
        identity: token.identity.as_str(),
        token: text.expose(),
        push_key: &push_key,
    };
    let link = invitation.link(&console.public_url);
    let safe = url::Url::parse(&console.public_url).is_ok_and(|url| is_safe(&url));
    frame::ok(&Invited {
        frame: Frame::new(&console, Some(&operator), Section::Enrol),
        identity: token.identity.to_string(),
        service: service.to_string(),
        code: qr::code(&link),
        link,
        service_name,
        until: Timestamp(token.expires_at()),
        is_safe: safe,
    })
}
