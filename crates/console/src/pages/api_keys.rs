//! API keys: second credentials of the account, each of which can be revoked alone.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_domain::account::ApiKey;
use countersign_domain::secret::Secret;
use countersign_domain::text::line;
use http::{HeaderMap, StatusCode};

use super::confirm::Confirm;
use crate::error::PageError;
use crate::fields::{Field, Refusal, Wrong};
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::paging::{self, Turn};
use crate::results::{self, FormResult};
use crate::session::{Operator, Posted};
use crate::state::{Console, SharedConsole};
use crate::views::Timestamp;

struct Row {
    sid: String,
    name: String,
    made: Timestamp,
}

/// A new key, with its secret.
struct New {
    sid: String,
    name: String,
    secret: String,
}

#[derive(Template)]
#[template(path = "api_keys.html")]
struct ApiKeys {
    frame: Frame,
    new: Option<New>,
    keys: Vec<Row>,
    turn: Turn,
    name: Field,
}

/// The page.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let page = page(&console, &operator, &query, "", None).await?;
    let new = match results::kept(&headers, &operator, &console) {
        Some(FormResult::ApiKey { sid, name, secret }) if query.text("done") == "key-made" => {
            Some(New { sid, name, secret })
        }
        _ => None,
    };
    frame::ok(&ApiKeys { new, ..page })
}

async fn page(
    console: &Console,
    operator: &Operator,
    query: &Form,
    name: &str,
    wrong: Option<&Wrong>,
) -> Result<ApiKeys, PageError> {
    let page = console.verify.api_keys(operator.account, paging::asked(query)?).await?;
    let path = format!("{}/api-keys?", console.base());
    let row = |key: &ApiKey| Row {
        sid: key.sid.to_string(),
        name: key.friendly_name.clone(),
        made: Timestamp(key.created_at),
    };
    let hint = "Such as the application or the person who uses it.";
    let name = Field::text("FriendlyName", "Name of the new key", name).hint(hint).judged(wrong);
    let frame = Frame::new(console, Some(operator), Section::ApiKeys).telling(query);
    Ok(ApiKeys {
        frame: frame.refusing(wrong, std::slice::from_ref(&name)),
        new: None,
        keys: page.items.iter().map(row).collect(),
        turn: Turn::of("API keys", &path, &page, |it| it.sid),
        name,
    })
}

/// Creates a key. The page that follows shows its secret.
pub(crate) async fn create(
    State(console): State<SharedConsole>,
    Posted { operator, form }: Posted,
) -> Result<Response, PageError> {
    match make(&console, &operator, &form).await {
        Ok((key, secret)) => {
            let result = FormResult::ApiKey {
                sid: key.sid.to_string(),
                name: key.friendly_name,
                secret: secret.expose().to_owned(),
            };
            let mut response = frame::go(&console, "/api-keys?done=key-made");
            results::keep(&mut response, result, &operator, &console);
            Ok(response)
        }
        Err(refusal) => {
            let (wrong, name) = (refusal.wrong()?, form.text("FriendlyName"));
            let page = page(&console, &operator, &form, name, Some(&wrong)).await?;
            frame::page(StatusCode::BAD_REQUEST, &page)
        }
    }
}

async fn make(
    console: &Console,
    operator: &Operator,
    form: &Form,
) -> Result<(ApiKey, Secret), Refusal> {
    let name = form.read("FriendlyName", |text| line(text, 1, 64))?;
    Ok(console.verify.create_api_key(operator.account, &name).await?)
}

/// Asks before a key is revoked.
pub(crate) async fn ask_revoke(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(sid): Path<String>,
) -> Result<Response, PageError> {
    let key = console.verify.api_key(operator.account, super::sid(&sid)?).await?;
    let words = ("Revoke the API key", "Revoke the key");
    Confirm::new(&console, &operator, Section::ApiKeys, words, key.friendly_name)
        .says([
            format!("Its SID is {}.", key.sid),
            "Programs that use it get a 401, on all nodes within ten seconds.".to_owned(),
            "Console sessions that it opened end.".to_owned(),
        ])
        .between(format!("/api-keys/{}/revoke", key.sid), "/api-keys".to_owned())
}

/// Revokes a key.
pub(crate) async fn revoke(
    State(console): State<SharedConsole>,
    Path(sid): Path<String>,
    Posted { operator, .. }: Posted,
) -> Result<Response, PageError> {
    console.verify.revoke_api_key(operator.account, super::sid(&sid)?).await?;
    Ok(frame::go(&console, "/api-keys?done=key-revoked"))
}
