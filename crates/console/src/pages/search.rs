//! By identity, or by a SID.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::sid::{ChallengeSid, CredentialSid, NotificationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_verify::VerifyError;
use countersign_verify::reports::MAX_SCANNED;

use crate::fault::Fault;
use crate::form::Form;
use crate::frame::{self, Frame, Here};
use crate::session::Operator;
use crate::state::{Console, Shared};
use crate::views::isolated;

/// Something that was found.
struct Hit {
    path: String,
    name: String,
    kind: &'static str,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    frame: Frame,
    sought: String,
    hits: Vec<Hit>,
    most: usize,
}

/// The page. A SID leads to its page at once.
pub(crate) async fn show(
    State(console): State<Shared>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let form = Form::of_query(query.as_deref())?;
    let sought = form.text("q");
    if let Some(path) = by_sid(&console, &operator, sought).await? {
        return Ok(frame::go(&console, &path));
    }
    let mut hits = Vec::new();
    if let Ok(identity) = Identity::parse(sought) {
        for entity in console.verify.entities_of_identity(operator.account, &identity).await? {
            let service = entity.owner.service;
            let settings = console.verify.service(operator.account, service).await?;
            let of = isolated(settings.settings.friendly_name.as_str());
            hits.push(Hit {
                path: format!("/services/{service}/people/{identity}"),
                name: format!("{identity} of {of}"),
                kind: "a person",
            });
        }
    }
    frame::ok(&Search {
        frame: Frame::new(&console, Some(&operator), Here::Search),
        sought: sought.to_owned(),
        hits,
        most: MAX_SCANNED,
    })
}

/// Where the page of a SID is, if there is such a thing.
async fn by_sid(
    console: &Console,
    operator: &Operator,
    text: &str,
) -> Result<Option<String>, Fault> {
    let (account, verify) = (operator.account, &console.verify);
    let found = if let Ok(sid) = text.parse::<ChallengeSid>() {
        let found = verify.challenge_of_account(account, sid).await;
        found.map(|(challenge, _)| format!("/challenges/{}", challenge.sid))
    } else if let Ok(sid) = text.parse::<NotificationSid>() {
        let found = verify.challenge_of_notification(account, sid).await;
        found.map(|challenge| format!("/challenges/{}", challenge.sid))
    } else if let Ok(sid) = text.parse::<ServiceSid>() {
        verify.service(account, sid).await.map(|service| format!("/services/{}", service.sid))
    } else if let Ok(sid) = text.parse::<CredentialSid>() {
        verify.credential(account, sid).await.map(|_| "/credentials".to_owned())
    } else {
        return Ok(None);
    };
    match found {
        Ok(path) => Ok(Some(path)),
        Err(VerifyError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
