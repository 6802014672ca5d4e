//! The triggers that note the facts of the transparency log, in the transaction of the change.

use countersign_store_sql::facts::{TRACED, TRIGGERS_VERSION, Traced};
use rusqlite::Connection;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::statement::all;

const PRESENT: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'tlog_%' ORDER BY name";

/// The beginning of a statement that notes a fact. Facts are numbered in the order of their commits, since one connection writes.
const NOTE: &str = "INSERT INTO tlog_facts (number, noise, kind, subject, account_sid, service_sid, entity_sid, at, detail) \
                    VALUES (coalesce((SELECT max(number) FROM tlog_facts), 0) + 1, zeroblob(16)";

/// A trigger: its name, without the version, and what follows `CREATE TRIGGER … AFTER`.
type Trigger = (String, String);

/// The JSON object of what an entry commits to.
fn detail(traced: &Traced, row: &str) -> String {
    let members = traced.members.iter().map(|column| format!("'{column}', {row}.{column}"));
    let keys = traced.keys.iter().map(|column| format!("'{column}', lower(hex({row}.{column}))"));
    format!("json_object({})", members.chain(keys).collect::<Vec<_>>().join(", "))
}

/// The statement that notes a change of a row.
fn note(traced: &Traced, kind: &str, row: &str, at: Option<&str>) -> String {
    let column = |column: Option<&str>| match column {
        Some(column) => format!("{row}.{column}"),
        None => "NULL".to_owned(),
    };
    format!(
        "{NOTE}, {kind}, {}, {}, {}, {}, {}, {})",
        column(Some(traced.subject)),
        column(traced.account),
        column(traced.service),
        column(traced.person),
        column(at),
        detail(traced, row),
    )
}

/// The triggers of one table.
fn triggers_of(traced: &Traced) -> [Trigger; 3] {
    let Traced { table, noun, .. } = traced;
    let noun = noun.as_str();
    let changed = traced.watched().map(|column| format!("NEW.{column} IS NOT OLD.{column}"));
    let at = traced.updated.unwrap_or(traced.subject);
    let sealed = traced.sealed.iter().map(|column| {
        format!(
            "NEW.{column} IS NOT OLD.{column} AND (substr(NEW.{column}, 1, 1) IS substr(OLD.{column}, 1, 1) \
             OR NEW.{at} IS NOT OLD.{at})"
        )
    });
    let changed = changed.chain(sealed).collect::<Vec<_>>().join(" OR ");
    let update = if traced.is_verified_later() {
        format!(
            "CASE WHEN NEW.status IS NOT OLD.status THEN '{noun}.verified' ELSE '{noun}.changed' END"
        )
    } else {
        format!("'{noun}.changed'")
    };
    [
        (
            "created",
            format!("INSERT ON {table}"),
            note(traced, &format!("'{noun}.created'"), "NEW", traced.created),
        ),
        (
            "changed",
            format!("UPDATE ON {table} WHEN {changed}"),
            note(traced, &update, "NEW", traced.updated),
        ),
        (
            "deleted",
            format!("DELETE ON {table}"),
            note(traced, &format!("'{noun}.deleted'"), "OLD", None),
        ),
    ]
    .map(|(name, when, note)| (format!("{table}_{name}"), format!("{when} BEGIN {note}; END")))
}

/// The triggers of challenges and of the first delivery of their pushes. The openings are read from the row of the challenge.
fn triggers_of_challenges() -> [Trigger; 3] {
    let note = |kind: &str, subject: &str, at: &str| {
        format!("{NOTE}, {kind}, {subject}, NULL, NULL, NULL, {at}, NULL)")
    };
    let answered = "CASE WHEN NEW.ended_by IS NOT NULL THEN 'challenge.ended' ELSE 'challenge.' || NEW.state END";
    [
        (
            "challenges_created",
            "INSERT ON challenges",
            note("'challenge.created'", "NEW.sid", "NEW.created_at"),
        ),
        (
            "challenges_answered",
            "UPDATE OF state ON challenges WHEN OLD.state = 'pending' AND NEW.state <> 'pending'",
            note(answered, "NEW.sid", "NEW.answered_at"),
        ),
        (
            "notifications_delivered",
            "UPDATE OF ending ON notifications WHEN OLD.ending IS NULL AND NEW.ending IN ('sent', 'delivered') \
             AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.challenge_sid = NEW.challenge_sid \
             AND n.ordinal <> NEW.ordinal AND n.ending IN ('sent', 'delivered'))",
            note("'challenge.delivered'", "NEW.challenge_sid", "NEW.updated_at"),
        ),
    ]
    .map(|(name, when, note)| (name.to_owned(), format!("{when} BEGIN {note}; END")))
}

fn all_triggers() -> Vec<Trigger> {
    let mut all: Vec<_> =
        TRACED.iter().flat_map(triggers_of).chain(triggers_of_challenges()).collect();
    for (name, _) in &mut all {
        *name = format!("tlog_{TRIGGERS_VERSION}_{name}");
    }
    all.sort();
    all
}

fn present(db: &Connection) -> Result<Vec<String>, DatabaseError> {
    all(db, PRESENT, (), |row| cells_of(row, "sqlite_schema").take())
}

/// Makes the triggers, unless they are there. Those of another version are replaced. Returns whether there were any.
pub(crate) fn begin(db: &Connection) -> Result<bool, DatabaseError> {
    let wanted = all_triggers();
    if present(db)?.iter().eq(wanted.iter().map(|(name, _)| name)) {
        return Ok(true);
    }
    let were_present = end(db)?;
    for (name, what) in wanted {
        db.execute_batch(&format!("CREATE TRIGGER {name} AFTER {what}"))?;
    }
    Ok(were_present)
}

/// Removes the triggers. Returns whether there were any.
pub(crate) fn end(db: &Connection) -> Result<bool, DatabaseError> {
    let present = present(db)?;
    for name in &present {
        db.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    Ok(!present.is_empty())
}
