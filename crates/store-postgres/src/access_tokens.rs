//! Access tokens.

use async_trait::async_trait;
use countersign_domain::access_token::AccessToken;
use countersign_domain::secret::SecretHash;
use countersign_domain::sid::{AccessTokenSid, ServiceSid};
use countersign_domain::text::{AccountLabel, FriendlyName};
use countersign_domain::time::Instant;
use countersign_store::error::StoreResult;
use countersign_store::seam::{AccessTokens, Inserted};
use countersign_store_sql::values::inserted;
use countersign_store_sql::{access_token_columns, rows};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::params::{id, params};
use crate::services;
use crate::session::Session;
use crate::statement::{exists, one};
use crate::store::PostgresStore;

const READ: &str = concat!(
    "SELECT ",
    access_token_columns!(),
    " FROM access_tokens t JOIN services s ON s.sid = t.service_sid WHERE t.service_sid = $1 AND t.sid = $2"
);
const READ_BY_CODE: &str = concat!(
    "SELECT ",
    access_token_columns!(),
    " FROM access_tokens t JOIN services s ON s.sid = t.service_sid WHERE t.code_hash = $1"
);
const INSERT: &str = "INSERT INTO access_tokens (sid, account_sid, service_sid, identity, factor_type, \
                      factor_friendly_name, ttl, created_at, expires_at, account_label, code_hash) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
/// Gives an entity the label that a token has, if any.
pub(crate) const LABEL_BY_TOKEN: &str = "UPDATE entities SET label = t.account_label, updated_at = $4 FROM access_tokens t \
                                         WHERE entities.service_sid = $1 AND entities.identity = $2 \
                                         AND t.service_sid = $1 AND t.sid = $3 AND t.account_label IS NOT NULL";
/// Uses up an access token that can be used at `$3`. A concurrent enrolment waits, and then finds it used.
pub(crate) const USE_UP: &str = "UPDATE access_tokens SET used_at = $3 \
                                 WHERE service_sid = $1 AND sid = $2 AND used_at IS NULL AND expires_at > $3";
/// An access token that can be used at `$3`. Locked until the end of the transaction.
pub(crate) const IS_GOOD: &str = "SELECT 1 FROM access_tokens WHERE service_sid = $1 AND sid = $2 \
                                  AND used_at IS NULL AND expires_at > $3 FOR UPDATE";

struct Create(AccessToken, Option<SecretHash>);

#[async_trait]
impl Command for Create {
    type Output = Inserted;

    fn decides_at(&self) -> Option<(Instant, Instant)> {
        Some((self.0.created_at, self.0.created_at))
    }

    async fn run(&self, db: &Session) -> Result<Inserted, DatabaseError> {
        let Self(token, code) = self;
        let service = id(token.service.as_bytes());
        if !exists(db, services::STAYS, params![service]).await? {
            return Ok(Inserted::NoParent);
        }
        let rows = db
            .execute(
                INSERT,
                params![
                    id(token.sid.as_bytes()),
                    id(token.account.as_bytes()),
                    service,
                    token.identity.as_str(),
                    token.factor_type.as_str(),
                    token.factor_friendly_name.as_ref().map(FriendlyName::as_str),
                    i64::from(token.ttl),
                    token.created_at.as_micros(),
                    token.expires_at().as_micros(),
                    token.account_label.as_ref().map(AccountLabel::as_str),
                    code.as_ref().map(|hash| hash.0.as_slice()),
                ],
            )
            .await?;
        Ok(inserted(rows))
    }
}

#[async_trait]
impl AccessTokens for PostgresStore {
    async fn create_access_token(&self, token: &AccessToken) -> StoreResult<Inserted> {
        self.write(Create(token.clone(), None)).await
    }

    async fn create_invitation(
        &self,
        token: &AccessToken,
        code: SecretHash,
    ) -> StoreResult<Inserted> {
        self.write(Create(token.clone(), Some(code))).await
    }

    async fn access_token_by_code(&self, code: SecretHash) -> StoreResult<Option<AccessToken>> {
        let db = self.session().await?;
        let read = |row: &Row| rows::access_tokens::access_token(cells_of(row, "access_tokens"));
        Ok(one(&db, READ_BY_CODE, params![code.0.as_slice()], read).await?)
    }

    async fn access_token(
        &self,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> StoreResult<Option<AccessToken>> {
        let db = self.session().await?;
        let key = params![id(service.as_bytes()), id(sid.as_bytes())];
        let read = |row: &Row| rows::access_tokens::access_token(cells_of(row, "access_tokens"));
        Ok(one(&db, READ, key, read).await?)
    }
}
