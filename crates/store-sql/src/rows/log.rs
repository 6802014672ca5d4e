//! The transparency log.

use countersign_domain::fact::{Fact, FactKind, Noun, Verb, text_digest};
use countersign_domain::secret::Sealed;
use countersign_domain::sid::{AccountSid, ChallengeSid, EntitySid, FactorSid, ServiceSid};
use countersign_domain::time::Instant;
use countersign_store::seam::{FactKey, LogBeginning, LogState, StoredEntry};
use serde_json::{Map, Value, json};

use crate::cells::{Cells, RowResult, SqlRow};

/// The columns of [`log_state`].
#[macro_export]
macro_rules! log_state_columns {
    () => {
        "origin, key, size, pruned, published, checkpoint"
    };
}

/// The columns of [`fact`]: those of the fact `f`, then those of its challenge `c` and its answer `s`, which NULLs stand for.
#[macro_export]
macro_rules! fact_columns {
    () => {
        "f.number, f.noise, f.kind, f.subject, f.account_sid, f.service_sid, f.entity_sid, f.at, f.detail, \
         c.account_sid, c.service_sid, c.entity_sid, c.identity, c.factor_sid, c.expires_at, c.message, c.fields, \
         c.date, c.hidden_details, s.jws"
    };
}

/// The columns of [`stored_entry`].
#[macro_export]
macro_rules! stored_entry_columns {
    () => {
        "number, at, entry, salt, opening"
    };
}

/// Reads the state of the log.
///
/// # Errors
/// A cell is corrupt.
pub fn log_state<R: SqlRow>(mut cells: Cells<R>) -> RowResult<LogState> {
    let beginning = LogBeginning { origin: cells.take()?, key: cells.map(Sealed::from_bytes)? };
    Ok(LogState {
        beginning,
        size: cells.take()?,
        pruned: cells.take()?,
        published: cells.take()?,
        checkpoint: cells.take()?,
    })
}

/// Reads a fact.
///
/// # Errors
/// A cell is corrupt.
pub fn fact<R: SqlRow>(mut cells: Cells<R>) -> RowResult<(FactKey, Fact)> {
    let key = (cells.take()?, cells.take()?);
    let kind = cells.parse(FactKind::parse)?;
    let subject = cells.take()?;
    let mut fact = Fact {
        kind,
        subject,
        account: cells.map_if_any(AccountSid::from_bytes)?,
        service: cells.map_if_any(ServiceSid::from_bytes)?,
        person: cells.map_if_any(EntitySid::from_bytes)?,
        at: cells.map_if_any(Instant::from_micros)?,
        members: Map::new(),
        watch: None,
    };
    let detail = cells.parse_if_any(|text| serde_json::from_str(text).ok())?;
    fact.members = detail.unwrap_or_default();
    let mut cells = cells.next_table("challenges");
    if kind.noun == Noun::Challenge && !cells.is_null() {
        add_challenge(&mut fact, &mut cells)?;
    }
    Ok((key, fact))
}

/// Adds what the row of the challenge says.
fn add_challenge<R: SqlRow>(fact: &mut Fact, cells: &mut Cells<R>) -> RowResult<()> {
    fact.account = Some(cells.map(AccountSid::from_bytes)?);
    fact.service = Some(cells.map(ServiceSid::from_bytes)?);
    fact.person = Some(cells.map(EntitySid::from_bytes)?);
    let mut add = |name: &str, value: Value| fact.members.insert(name.to_owned(), value);
    add("identity", cells.take::<String>()?.into());
    add("factor", cells.map(FactorSid::from_bytes)?.to_string().into());
    let expires_at = cells.map(Instant::from_micros)?;
    let (message, fields) = (cells.take::<String>()?, cells.take::<String>()?);
    let (date, hidden) = (cells.take::<Option<i64>>()?, cells.take::<Option<String>>()?);
    let answer = cells.take::<Option<String>>()?;
    match fact.kind.verb {
        Verb::Created => {
            add("expires_at", expires_at.to_micros_string().into());
            let content = json!([message, fields, date, hidden]).to_string();
            add("content_sha256", text_digest(&content).into());
            fact.watch = Some((expires_at, ChallengeSid::from_bytes(fact.subject)));
        }
        Verb::Approved | Verb::Denied => {
            if let Some(answer) = answer {
                add("answer_sha256", text_digest(&answer).into());
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads an entry.
///
/// # Errors
/// A cell is corrupt.
pub fn stored_entry<R: SqlRow>(mut cells: Cells<R>) -> RowResult<StoredEntry> {
    let (number, at, entry) = (cells.take()?, cells.map(Instant::from_micros)?, cells.take()?);
    let (salt, opening) = (cells.take::<Option<Vec<u8>>>()?, cells.take::<Option<String>>()?);
    Ok(StoredEntry { number, at, entry, opening: salt.zip(opening) })
}
