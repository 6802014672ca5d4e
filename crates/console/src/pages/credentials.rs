//! Push credentials, and tests of them.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::sid::CredentialSid;
use countersign_domain::text::AppId;
use countersign_store::PageQuery;

use super::services::MOST;
use crate::error::PageError;
use crate::frame::{self, Frame, Section};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole, TestResult};
use crate::views::Timestamp;

struct Row {
    sid: String,
    name: String,
    kind: &'static str,
    facts: Vec<(&'static str, String)>,
    changed: Timestamp,
    /// The app id for a test, for Apple.
    app_id: Option<String>,
    can_be_tried: bool,
    tried: Option<Result<TestResult, String>>,
}

#[derive(Template)]
#[template(path = "credentials.html")]
struct Credentials {
    frame: Frame,
    credentials: Vec<Row>,
    is_cut: bool,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
) -> Result<Response, PageError> {
    frame::ok(&credentials(&console, &operator, None).await?)
}

/// Tests a credential and shows the result.
pub(crate) async fn test(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    let sid: CredentialSid = super::sid(&sid)?;
    let credential = console.verify.credential(operator.account, sid).await?;
    let app_id = form.text("app_id");
    let tried = match AppId::parse(app_id) {
        // Google needs no app id.
        _ if credential.kind != CredentialType::Apn => {
            console.credential_tester.try_credential(&credential, "").await
        }
        Err(why) => Err(format!("The app id {why}.")),
        Ok(_) => console.credential_tester.try_credential(&credential, app_id).await,
    };
    frame::ok(&credentials(&console, &operator, Some((sid, app_id, tried))).await?)
}

async fn credentials(
    console: &Console,
    operator: &Operator,
    tried: Option<(CredentialSid, &str, Result<TestResult, String>)>,
) -> Result<Credentials, PageError> {
    let page = console.verify.credentials(operator.account, PageQuery::first(MOST)).await?;
    let row = |credential: &Credential| {
        let tried = tried.as_ref().filter(|(sid, _, _)| *sid == credential.sid);
        let typed = tried.map(|(_, app_id, _)| (*app_id).to_owned());
        let is_apn = credential.kind == CredentialType::Apn;
        Row {
            sid: credential.sid.to_string(),
            name: credential.friendly_name.clone().unwrap_or_else(|| "unnamed".to_owned()),
            kind: match credential.kind {
                CredentialType::Apn => "Apple (apn)",
                CredentialType::Fcm => "Google (fcm)",
                CredentialType::Gcm => "Google, before FCM (gcm)",
            },
            facts: facts(credential),
            changed: Timestamp(credential.updated_at),
            app_id: is_apn.then(|| typed.or_else(|| credential.topic.clone()).unwrap_or_default()),
            can_be_tried: credential.kind != CredentialType::Gcm,
            tried: tried.map(|(_, _, tried)| tried.clone()),
        }
    };
    Ok(Credentials {
        frame: Frame::new(console, Some(operator), Section::Credentials),
        credentials: page.items.iter().map(row).collect(),
        is_cut: page.has_next,
    })
}

/// Properties that may be shown: none of them is secret.
fn facts(credential: &Credential) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if credential.kind == CredentialType::Apn {
        let place = if credential.sandbox { "test (sandbox)" } else { "production" };
        facts.push(("Environment", place.to_owned()));
    }
    let more =
        [("Key", &credential.key_id), ("Team", &credential.team_id), ("Topic", &credential.topic)];
    facts.extend(more.into_iter().filter_map(|(name, it)| Some((name, it.clone()?))));
    facts
}
