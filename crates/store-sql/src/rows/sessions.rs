//! Sessions of the console.

use countersign_domain::secret::SecretHash;
use countersign_domain::session::{Opener, SessionId, SessionRecord, SessionStage};
use countersign_domain::sid::{AccountSid, ApiKeySid, ChallengeGroupSid, OperatorSid};
use countersign_domain::time::Instant;

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`session`].
#[macro_export]
macro_rules! session_columns {
    () => {
        "id, account_sid, opener, opener_sid, secret_hash, stage, prompt_sid, opened_at, seen_at, expires_at, address"
    };
}

/// Reads a session.
///
/// # Errors
/// A cell is corrupt.
pub fn session<R: SqlRow>(mut cells: Cells<R>) -> RowResult<SessionRecord> {
    Ok(SessionRecord {
        id: cells.map(SessionId)?,
        account: cells.map(AccountSid::from_bytes)?,
        opener: opener(&mut cells)?,
        stage: stage(&mut cells)?,
        opened_at: cells.map(Instant::from_micros)?,
        seen_at: cells.map(Instant::from_micros)?,
        expires_at: cells.map(Instant::from_micros)?,
        address: cells.parse_if_any(|text| text.parse().ok())?,
    })
}

fn opener<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<Opener> {
    let (kind, sid) = (cells.take::<String>()?, cells.take()?);
    let hash = cells.map_if_any(SecretHash)?;
    match (kind.as_str(), hash) {
        ("account", Some(hash)) => Ok(Opener::Account(AccountSid::from_bytes(sid), hash)),
        ("api_key", Some(hash)) => Ok(Opener::ApiKey(ApiKeySid::from_bytes(sid), hash)),
        ("operator", None) => Ok(Opener::Operator(OperatorSid::from_bytes(sid))),
        _ => Err(cells.contradiction()),
    }
}

fn stage<R: SqlRow>(cells: &mut Cells<R>) -> RowResult<SessionStage> {
    let word = cells.take::<String>()?;
    let prompt = cells.map_if_any(ChallengeGroupSid::from_bytes)?;
    match word.as_str() {
        "half" => Ok(SessionStage::Half { prompt }),
        "open" => Ok(SessionStage::Open),
        _ => Err(cells.contradiction()),
    }
}

/// The cells of an opener: kind, SID and hash.
pub const fn opener_cells(opener: &Opener) -> (&'static str, &[u8; 16], Option<&[u8; 32]>) {
    match opener {
        Opener::Account(sid, hash) => ("account", sid.as_bytes(), Some(&hash.0)),
        Opener::ApiKey(sid, hash) => ("api_key", sid.as_bytes(), Some(&hash.0)),
        Opener::Operator(sid) => ("operator", sid.as_bytes(), None),
    }
}

/// The cells of a stage: its word and its prompt.
pub fn stage_cells(stage: &SessionStage) -> (&'static str, Option<&[u8; 16]>) {
    match stage {
        SessionStage::Half { prompt } => ("half", prompt.as_ref().map(ChallengeGroupSid::as_bytes)),
        SessionStage::Open => ("open", None),
    }
}
