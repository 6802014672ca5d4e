//! The token endpoint: a grant becomes tokens.

use countersign_verify::openid_tokens::{OpenIdTokens, TOKENS_LIVE};
use serde::Serialize;

use super::client::ClientRequest;
use super::door::OpenIdDoor;
use super::grant_type::GrantType;
use super::refusal::Refusal;
use super::{ciba_grant, code_grant};

/// The response with tokens.
#[derive(Serialize)]
pub(super) struct Tokens {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    id_token: String,
    scope: &'static str,
}

/// Makes the tokens of a request.
///
/// # Errors
/// There is no such grant, or it gives no tokens.
pub(super) async fn tokens(door: &OpenIdDoor, request: &ClientRequest) -> Result<Tokens, Refusal> {
    // A token that cannot be signed must not use up a right to it.
    door.verify.key_ring().await?;
    let grant = request.form.required("grant_type", "grant_type is missing")?;
    let sign_in = match GrantType::parse(grant).ok_or(Refusal::UnsupportedGrant)? {
        GrantType::AuthorizationCode => code_grant::sign_in(door, request).await?,
        GrantType::Ciba => ciba_grant::sign_in(door, request).await?,
    };
    let client = request.client();
    let issuer = door.issuer(client.service);
    let OpenIdTokens { id_token, access_token } =
        door.verify.openid_tokens(&issuer, client, &sign_in).await?;
    Ok(Tokens {
        access_token: access_token.expose().to_owned(),
        token_type: "Bearer",
        expires_in: TOKENS_LIVE.as_secs(),
        id_token: id_token.expose().to_owned(),
        scope: "openid",
    })
}
