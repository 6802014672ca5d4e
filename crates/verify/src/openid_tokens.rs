//! The tokens of the OpenID provider. An ID token tells a client who approved, and how; an access token fetches the same person once more
//! from `/userinfo`, and opens nothing else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::integration::{Integration, IntegrationKey, IntegrationKind};
use countersign_domain::one_time_right::RightId;
use countersign_domain::secret::{Sealed, Secret};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::VerifyResult;
use crate::opened_integration::OpenedIntegration;
use crate::security::{self, Event};
use crate::verify::Verify;

/// How long both tokens are valid.
pub const TOKENS_LIVE: Duration = Duration::from_secs(5 * 60);
/// Longer texts are no access tokens.
const LONGEST_ACCESS_TOKEN: usize = 512;
/// The context that access tokens are sealed under.
const ACCESS_TOKEN: &str = "openid/access_token";

/// An approval that a client is told of.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The person who approved.
    pub identity: Identity,
    /// The time of the approval.
    pub at: Instant,
    /// How, as a class (`acr`).
    pub class: &'static str,
    /// How, as methods of RFC 8176 (`amr`).
    pub methods: &'static [&'static str],
    /// The `nonce` of the request, by which the client recognizes its token.
    pub nonce: Option<String>,
    /// The right that the client used up for it, whose second use ends the access token.
    pub right: Option<RightId>,
}

/// The tokens of a sign-in.
#[derive(Debug)]
pub struct OpenIdTokens {
    /// The ID token: a JWT.
    pub id_token: Secret,
    /// The access token.
    pub access_token: Secret,
}

/// The content of an access token.
#[derive(Serialize, Deserialize)]
struct AccessClaims {
    client: String,
    identity: Identity,
    until: i64,
    /// The right that was used up for it.
    #[serde(default)]
    right: Option<[u8; 16]>,
}

impl Verify {
    /// Makes the tokens of a sign-in for a client.
    ///
    /// # Errors
    /// The database failed, or a token cannot be signed.
    pub async fn openid_tokens(
        &self,
        issuer: &str,
        client: &Integration,
        sign_in: &SignIn,
    ) -> VerifyResult<OpenIdTokens> {
        let ring = self.key_ring().await?;
        let now = self.time().await?;
        let until = (now + TOKENS_LIVE).as_seconds();
        let mut claims = json!({
            "iss": issuer,
            "sub": sign_in.identity,
            "aud": client.key.as_str(),
            "iat": now.as_seconds(),
            "exp": until,
            "auth_time": sign_in.at.as_seconds(),
            "acr": sign_in.class,
            "amr": sign_in.methods,
        });
        if let Some(nonce) = &sign_in.nonce {
            claims["nonce"] = nonce.as_str().into();
        }
        let signed = ring.sign(client.settings.openid.id_token_alg, &claims, now);
        let id_token = signed.map_err(|why| StoreError::Unavailable(why.to_string()))?;
        let access = AccessClaims {
            client: client.key.to_string(),
            identity: sign_in.identity.clone(),
            until,
            right: sign_in.right.map(|right| right.0),
        };
        let access = Secret::new(json!(access).to_string());
        let access = self.keys.seal_handed_out(&access, ACCESS_TOKEN, &*self.entropy);
        let access_token = Secret::new(URL_SAFE_NO_PAD.encode(access.as_bytes()));
        security::done(Event::OpenIdTokens, client.account, client.sid);
        Ok(OpenIdTokens { id_token: Secret::new(id_token), access_token })
    }

    /// Uses up the right of a client to the tokens of a sign-in, which ends at `until`. Returns whether it counts: it has not ended,
    /// and was not used before. A second use ends the access token that the first one got.
    ///
    /// # Errors
    /// The database failed.
    pub async fn use_right_to_tokens(
        &self,
        client: &Integration,
        right: RightId,
        until: Instant,
    ) -> VerifyResult<bool> {
        let counts = self.time().await? < until && self.store.use_right(right, until).await?;
        if !counts {
            let subject: &dyn std::fmt::Display = &client.sid;
            let why = "the code was used before, or too late";
            security::refused(Event::OpenIdTokens, client.account, Some(subject), &why);
        }
        Ok(counts)
    }

    /// The client that an access token was made for, and the person; `None` if the token is none, is over, was
    /// fetched by a code that came again, or its client is gone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn openid_bearer(
        &self,
        token: &str,
    ) -> VerifyResult<Option<(Arc<OpenedIntegration>, Identity)>> {
        let Some(AccessClaims { client, identity, until, right }) = self.read_access_token(token)
        else {
            return Ok(None);
        };
        let Ok(key) = client.parse::<IntegrationKey>() else { return Ok(None) };
        if self.time().await?.as_seconds() >= until {
            return Ok(None);
        }
        let Some(opened) = self.cached_integration(key).await? else { return Ok(None) };
        let is_client = opened.integration.kind == IntegrationKind::OpenId;
        if !is_client || !self.is_integration_usable(&opened).await? {
            return Ok(None);
        }
        if let Some(right) = right
            && self.store.is_right_misused(RightId(right)).await?
        {
            return Ok(None);
        }
        Ok(Some((opened, identity)))
    }

    fn read_access_token(&self, token: &str) -> Option<AccessClaims> {
        if token.len() > LONGEST_ACCESS_TOKEN {
            return None;
        }
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(token).ok()?);
        let text = self.keys.open_handed_out(&sealed, ACCESS_TOKEN).ok()?;
        serde_json::from_str(text.expose()).ok()
    }
}
