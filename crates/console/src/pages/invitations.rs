//! An enrolment link: shown as a code to scan until a device has used it, or it has expired.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::access_token::AccessToken;
use countersign_domain::invitation::is_safe;
use countersign_domain::sid::{AccessTokenSid, ServiceSid};
use countersign_store::{Order, PageQuery};
use countersign_verify::VerifyError;

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::labels;
use crate::qr::{self, QrDrawing};
use crate::session::Operator;
use crate::state::{Console, SharedConsole};
use crate::views::{Timestamp, name_of};

/// The state of a link.
enum Stage {
    /// It can be used.
    Open(Box<OpenLink>),
    /// A device has used it: its name, unless that was removed since.
    Enrolled(Option<String>),
    /// Its time is over.
    Expired,
}

/// A link that can be used.
struct OpenLink {
    link: String,
    code: Option<QrDrawing>,
    /// What can be typed in place of the link, and where.
    typed: String,
    authenticator: String,
    until: Timestamp,
    /// How long it can be used, in words.
    left: String,
    /// The same in seconds, and of how many at first.
    seconds: u64,
    of_seconds: u16,
    is_safe: bool,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct Invited {
    frame: Frame,
    identity: String,
    service: String,
    service_name: String,
    stage: Stage,
}

impl Invited {
    const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }
}

/// The page of a link. It updates itself until the link is used or over.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path((service, identity, token)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let service: ServiceSid = super::sid(&service)?;
    let identity = super::identity(&identity)?;
    let token: AccessTokenSid = super::sid(&token)?;
    let (verify, account) = (&console.verify, operator.account);
    let service_name = verify.service(account, service).await?.settings.friendly_name.to_string();
    let stage = match verify.access_token(account, service, token).await {
        Ok((found, _)) if found.identity != identity => return Err(PageError::NotFound),
        Ok((found, _)) if found.used_at.is_some() => {
            Stage::Enrolled(newest_device(&console, &operator, &found).await?)
        }
        Ok((found, _)) => Stage::Open(Box::new(open(&console, &found))),
        Err(VerifyError::NotFound) => Stage::Expired,
        Err(error) => return Err(error.into()),
    };
    let frame = Frame::new(&console, Some(&operator), Section::Enrol);
    let path = format!("/services/{service}/people/{identity}/invitations/{token}");
    let is_open = matches!(stage, Stage::Open(_));
    frame::ok(&Invited {
        frame: if is_open { frame.live(&path, &query) } else { frame },
        identity: identity.to_string(),
        service: service.to_string(),
        service_name,
        stage,
    })
}

fn open(console: &Console, token: &AccessToken) -> OpenLink {
    let link = console.short_link(token);
    // Whole seconds: a device that looks at the page rounds as well.
    let left = Duration::from_secs(token.expires_at().since(console.now()).as_secs());
    OpenLink {
        code: qr::code(&link),
        link,
        typed: console.verify.enrolment_code(token).expose().to_owned(),
        authenticator: console.authenticator(),
        until: Timestamp(token.expires_at()),
        left: labels::span(left),
        seconds: left.as_secs(),
        of_seconds: token.ttl,
        is_safe: url::Url::parse(&console.public_url).is_ok_and(|url| is_safe(&url)),
    }
}

/// The name of the device that used a token: the newest one of its person.
async fn newest_device(
    console: &Console,
    operator: &Operator,
    token: &AccessToken,
) -> Result<Option<String>, PageError> {
    let page = PageQuery { size: 1, order: Order::Descending, cursor: None };
    let (account, service) = (operator.account, token.service);
    match console.verify.factors(account, service, &token.identity, page).await {
        Ok(found) => Ok(found.items.first().map(name_of)),
        Err(VerifyError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
