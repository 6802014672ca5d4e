//! Access tokens.

use async_trait::async_trait;
use countersign_domain::access_token::AccessToken;
use countersign_domain::secret::SecretHash;
use countersign_domain::sid::{AccessTokenSid, ServiceSid};

use super::writes::Inserted;
use crate::error::StoreResult;

/// Access tokens.
#[async_trait]
pub trait AccessTokens {
    /// Stores a new access token; [`Inserted::NoParent`] without its service.
    async fn create_access_token(&self, token: &AccessToken) -> StoreResult<Inserted>;
    /// Stores a new access token that is also found by a code; as [`AccessTokens::create_access_token`].
    async fn create_invitation(
        &self,
        token: &AccessToken,
        code: SecretHash,
    ) -> StoreResult<Inserted>;
    /// Reads the access token of a code, of any service.
    async fn access_token_by_code(&self, code: SecretHash) -> StoreResult<Option<AccessToken>>;
    /// Reads an access token of a service. Used and expired tokens are found until the cleaner removes them.
    async fn access_token(
        &self,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> StoreResult<Option<AccessToken>>;
}
