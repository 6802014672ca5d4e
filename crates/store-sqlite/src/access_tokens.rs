//! Access tokens.

use async_trait::async_trait;
use countersign_domain::access_token::AccessToken;
use countersign_domain::secret::SecretHash;
use countersign_domain::sid::{AccessTokenSid, ServiceSid};
use countersign_domain::text::{AccountLabel, FriendlyName};
use countersign_store::error::StoreResult;
use countersign_store::seam::{AccessTokens, Inserted};
use countersign_store_sql::values::inserted;
use countersign_store_sql::{access_token_columns, rows};
use rusqlite::{Connection, params};

use crate::cells::cells_of;
use crate::command::Command;
use crate::error::DatabaseError;
use crate::services;
use crate::statement::{execute, exists, one, statements};
use crate::store::SqliteStore;

statements! {
    READ = concat!(
        "SELECT ", access_token_columns!(), " FROM access_tokens t JOIN services s ON s.sid = t.service_sid ",
        "WHERE t.service_sid = ?1 AND t.sid = ?2"
    );
    READ_BY_CODE = concat!(
        "SELECT ", access_token_columns!(), " FROM access_tokens t JOIN services s ON s.sid = t.service_sid ",
        "WHERE t.code_hash = ?1"
    );
    INSERT = "INSERT INTO access_tokens (sid, account_sid, service_sid, identity, factor_type, factor_friendly_name, \
              ttl, created_at, expires_at, account_label, code_hash) \
              VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
    /// An access token that can be used at `?3`.
    IS_GOOD = "SELECT 1 FROM access_tokens WHERE service_sid = ?1 AND sid = ?2 AND used_at IS NULL AND expires_at > ?3";
    /// Gives an entity the label that a token has, if any.
    LABEL_BY_TOKEN = "UPDATE entities SET updated_at = ?4, label = \
                      (SELECT account_label FROM access_tokens WHERE service_sid = ?1 AND sid = ?3) \
                      WHERE service_sid = ?1 AND identity = ?2 AND EXISTS \
                      (SELECT 1 FROM access_tokens WHERE service_sid = ?1 AND sid = ?3 AND account_label IS NOT NULL)";
    USE_UP = "UPDATE access_tokens SET used_at = ?3 WHERE service_sid = ?1 AND sid = ?2";
}

struct Create(AccessToken, Option<SecretHash>);

impl Command for Create {
    type Output = Inserted;

    fn run(&self, db: &Connection) -> Result<Inserted, DatabaseError> {
        let Self(token, code) = self;
        if !exists(db, services::EXISTS, [token.service.as_bytes()])? {
            return Ok(Inserted::NoParent);
        }
        let rows = execute(
            db,
            INSERT,
            params![
                token.sid.as_bytes(),
                token.account.as_bytes(),
                token.service.as_bytes(),
                token.identity.as_str(),
                token.factor_type.as_str(),
                token.factor_friendly_name.as_ref().map(FriendlyName::as_str),
                token.ttl,
                token.created_at.as_micros(),
                token.expires_at().as_micros(),
                token.account_label.as_ref().map(AccountLabel::as_str),
                code.map(|SecretHash(hash)| hash),
            ],
        )?;
        Ok(inserted(rows))
    }
}

#[async_trait]
impl AccessTokens for SqliteStore {
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

    async fn access_token_by_code(
        &self,
        SecretHash(code): SecretHash,
    ) -> StoreResult<Option<AccessToken>> {
        self.read(|db| {
            one(db, READ_BY_CODE, [code], |row| {
                rows::access_tokens::access_token(cells_of(row, "access_tokens"))
            })
        })
    }

    async fn access_token(
        &self,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> StoreResult<Option<AccessToken>> {
        self.read(|db| {
            one(db, READ, [service.as_bytes(), sid.as_bytes()], |row| {
                rows::access_tokens::access_token(cells_of(row, "access_tokens"))
            })
        })
    }
}
