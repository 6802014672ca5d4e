//! Push credentials, and tests of them.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::service::Service;
use countersign_domain::sid::CredentialSid;
use countersign_domain::text::AppId;
use countersign_store::PageQuery;
use http::HeaderMap;

use super::confirm::Confirm;
use super::services::MOST;
use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::paging::{self, Turn};
use crate::results::{self, FormResult};
use crate::session::{Operator, Posted};
use crate::state::{SharedConsole, TestResult};
use crate::views::{Timestamp, isolated};

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
    turn: Turn,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let page = console.verify.credentials(operator.account, paging::asked(&query)?).await?;
    let tried = match results::kept(&headers, &operator, &console) {
        Some(FormResult::Credential { sid, app_id, tried }) => Some((sid, app_id, tried)),
        _ => None,
    };
    let row = |credential: &Credential| {
        let sid = credential.sid.to_string();
        let tried = tried.as_ref().filter(|(tried, _, _)| *tried == sid);
        let typed = tried.map(|(_, app_id, _)| app_id.clone());
        let is_apn = credential.kind == CredentialType::Apn;
        Row {
            sid,
            name: name_of(credential),
            kind: label_of(credential.kind),
            facts: facts(credential),
            changed: Timestamp(credential.updated_at),
            app_id: is_apn.then(|| typed.or_else(|| credential.topic.clone()).unwrap_or_default()),
            can_be_tried: credential.kind != CredentialType::Gcm,
            tried: tried.map(|(_, _, tried)| tried.clone()),
        }
    };
    let path = format!("{}/credentials?", console.base());
    frame::ok(&Credentials {
        frame: Frame::new(&console, Some(&operator), Section::Credentials).telling(&query),
        credentials: page.items.iter().map(row).collect(),
        turn: Turn::of("credentials", &path, &page, |it| it.sid),
    })
}

/// Tests a credential. The page that follows shows the result.
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
    let result = FormResult::Credential { sid: sid.to_string(), app_id: app_id.to_owned(), tried };
    // The list begins before it, so that it is on the page wherever it is in the list.
    let before = CredentialSid::from_bytes(just_before(*sid.as_bytes()));
    let path = format!("/credentials?done=tested&after={before}#credential-{sid}");
    let mut response = frame::go(&console, &path);
    results::keep(&mut response, result, &operator, &console);
    Ok(response)
}

/// The SID before this one in the order of lists.
fn just_before(sid: [u8; 16]) -> [u8; 16] {
    u128::from_be_bytes(sid).saturating_sub(1).to_be_bytes()
}

/// Asks before a credential is deleted.
pub(crate) async fn ask_delete(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
) -> Result<Response, PageError> {
    let (verify, account) = (&console.verify, operator.account);
    let credential = verify.credential(account, super::sid(&sid)?).await?;
    let services = verify.services(account, PageQuery::first(MOST)).await?;
    let names_it = |service: &&Service| {
        let push = &service.settings.push;
        [push.apn_credential_sid, push.fcm_credential_sid].contains(&Some(credential.sid))
    };
    let name =
        |service: &Service| format!("“{}”", isolated(service.settings.friendly_name.as_str()));
    let mut names: Vec<_> = services.items.iter().filter(names_it).map(name).collect();
    let count = names.len();
    names.truncate(20);
    let consequence = match count {
        0 if services.has_next => {
            "The account has too many services to tell which of them push with it.".to_owned()
        }
        0 => "No service pushes with it.".to_owned(),
        _ => format!(
            "{count} of your services push with it, and their pushes to it fail from now on: {}.",
            names.join(", ")
        ),
    };
    let words = ("Delete the credential", "Delete the credential");
    Confirm::new(&console, &operator, Section::Credentials, words, name_of(&credential))
        .says([consequence, "Its key is not kept: to undo this, create it again.".to_owned()])
        .between(format!("/credentials/{}/delete", credential.sid), "/credentials".to_owned())
}

/// Deletes a credential.
pub(crate) async fn delete(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    console.verify.delete_credential(operator.account, super::sid(&sid)?).await?;
    Ok(frame::go(&console, "/credentials?done=credential-deleted"))
}

/// The name of a credential.
pub(super) fn name_of(credential: &Credential) -> String {
    let name = credential.friendly_name.clone().filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unnamed".to_owned())
}

/// The push service of a credential.
pub(super) const fn label_of(kind: CredentialType) -> &'static str {
    match kind {
        CredentialType::Apn => "Apple (apn)",
        CredentialType::Fcm => "Google (fcm)",
        CredentialType::Gcm => "Google, before FCM (gcm)",
    }
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
