//! `token`: the result of a sign-in for the application that asked for it.

use axum::extract::Request;
use countersign_domain::integration::Integration;
use countersign_verify::openid_tokens::TOKENS_LIVE;
use serde::Serialize;
use serde_json::{Value, json};

use super::client::ClientRequest;
use super::door::UniversalPromptDoor;
use super::jwt;
use crate::method::Method;
use crate::openid::Refusal;
use crate::sign_in::code::Code;

/// The kind of assertion that clients send.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The response with the result.
#[derive(Serialize)]
pub(super) struct Tokens {
    id_token: String,
    /// Opens nothing: clients demand that there is one.
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// The result of a sign-in.
///
/// # Errors
/// The client is unknown, or was given no such code for this address, or has used it.
pub(super) async fn tokens(
    door: &UniversalPromptDoor,
    request: Request,
) -> Result<Tokens, Refusal> {
    let request = ClientRequest::read(request).await?;
    let (client, form) = (request.client(door).await?, &request.form);
    if form.required("grant_type", "grant_type is missing")? != "authorization_code" {
        return Err(Refusal::UnsupportedGrant);
    }
    let kind = form.text("client_assertion_type")?;
    if kind.is_some_and(|kind| kind != ASSERTION) {
        return Err(Refusal::InvalidClient);
    }
    let text = form.required("code", "code is missing")?;
    let redirect_uri = form.required("redirect_uri", "redirect_uri is missing")?;
    client.use_up(door).await?;
    let integration = &client.opened.integration;
    let fits = |code: &Code| code.redirect_uri == redirect_uri && code.challenge.is_none();
    let taken = Code::take(&door.verify, integration, text, fits).await?;
    let (code, _) = taken.ok_or(Refusal::InvalidGrant)?;
    let claims = claims(integration, &client.assertion.aud, &code, door.verify.now().as_seconds());
    Ok(Tokens {
        id_token: jwt::write(&claims, &client.opened.secret),
        access_token: door.verify.nonce(),
        token_type: "Bearer",
        expires_in: TOKENS_LIVE.as_secs(),
    })
}

/// The claims of the ID token. Its issuer is the endpoint, as the client knows it.
fn claims(integration: &Integration, issuer: &str, code: &Code, now: i64) -> Value {
    let (factor, reason) = match code.method {
        Method::Push => ("duo_push", "user_approved"),
        Method::PushNumber => ("verified_duo_push", "user_approved"),
        Method::Code => ("passcode", "valid_passcode"),
    };
    let mut claims = json!({
        "iss": issuer,
        "sub": code.user,
        "aud": integration.key.as_str(),
        "iat": now,
        "exp": now + i64::try_from(TOKENS_LIVE.as_secs()).unwrap_or_default(),
        "auth_time": code.at,
        "preferred_username": code.user,
        "auth_result": {"result": "allow", "status": "allow", "status_msg": "Login Successful"},
        "auth_context": {
            "application": {"key": integration.key.as_str(), "name": integration.settings.friendly_name},
            "event_type": "authentication",
            "factor": factor,
            "reason": reason,
            "result": "success",
            "timestamp": code.at,
            "txid": code.mark,
            "user": {"name": code.user},
        },
    });
    if let Some(nonce) = &code.nonce {
        claims["nonce"] = nonce.as_str().into();
    }
    claims
}
