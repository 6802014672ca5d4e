//! Search by identity or SID.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_domain::sid::{ChallengeSid, CredentialSid, NotificationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_verify::VerifyError;
use countersign_verify::reports::MAX_SCANNED;

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::{Console, SharedConsole};
use crate::views::isolated;

/// A result.
struct SearchResult {
    path: String,
    name: String,
    kind: &'static str,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    frame: Frame,
    sought: String,
    hits: Vec<SearchResult>,
    most: usize,
}

/// The page. A SID redirects to its page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
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
            hits.push(SearchResult {
                path: format!("/services/{service}/people/{identity}"),
                name: format!("{identity} of {of}"),
                kind: "a person",
            });
        }
    }
    frame::ok(&Search {
        frame: Frame::new(&console, Some(&operator), Section::Search),
        sought: sought.to_owned(),
        hits,
        most: MAX_SCANNED,
    })
}

/// Path of the page of a SID, if it exists.
async fn by_sid(
    console: &Console,
    operator: &Operator,
    text: &str,
) -> Result<Option<String>, PageError> {
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
