//! The triggers that note the facts of the transparency log, in the transaction of the change.

use countersign_store_sql::facts::{TRACED, TRIGGERS_VERSION, Traced};
use tokio_postgres::Row;

use crate::cells::cells_of;
use crate::error::DatabaseError;
use crate::params::params;
use crate::session::Session;
use crate::statement::all;

const PRESENT: &str = "SELECT DISTINCT tgname::text, tgrelid::regclass::text FROM pg_trigger \
                       WHERE tgname LIKE 'tlog\\_%' AND NOT tgisinternal AND tgparentid = 0 \
                       AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)";

/// A fact's number is the time at which it is noted, in microseconds, so that facts of transactions that do not overlap are in the
/// order of these. No sequence is moved and no row is locked, so transactions do not wait for each other.
const FUNCTIONS: &str = "
CREATE OR REPLACE FUNCTION tlog_number() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Arguments: noun; columns of subject, account, service, person, insertion and update; members; keys; all watched columns; the sealed
-- ones. A sealed cell whose first byte is another one, in a row that was not updated, was only sealed anew.
CREATE OR REPLACE FUNCTION tlog_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb;
    made jsonb;
    verb text := 'changed';
    at text := TG_ARGV[6];
BEGIN
    IF TG_OP = 'INSERT' THEN
        made := to_jsonb(NEW);
        verb := 'created';
        at := TG_ARGV[5];
    ELSIF TG_OP = 'DELETE' THEN
        made := to_jsonb(OLD);
        verb := 'deleted';
        at := '';
    ELSE
        was := to_jsonb(OLD);
        made := to_jsonb(NEW);
        IF NOT EXISTS (SELECT 1 FROM unnest(string_to_array(TG_ARGV[9], ',')) AS c WHERE was -> c IS DISTINCT FROM made -> c)
           AND NOT EXISTS (SELECT 1 FROM unnest(string_to_array(TG_ARGV[10], ',')) AS c WHERE was -> c IS DISTINCT FROM made -> c
               AND (left(was ->> c, 4) = left(made ->> c, 4) OR was -> at IS DISTINCT FROM made -> at)) THEN
            RETURN NULL;
        END IF;
        IF TG_ARGV[0] = 'factor' AND was ->> 'status' <> made ->> 'status' THEN
            verb := 'verified';
        END IF;
    END IF;
    INSERT INTO tlog_facts (number, noise, kind, subject, account_sid, service_sid, entity_sid, at, detail)
    VALUES (
        tlog_number(), gen_random_uuid(), TG_ARGV[0] || '.' || verb, (made ->> TG_ARGV[1])::uuid, (made ->> TG_ARGV[2])::uuid,
        (made ->> TG_ARGV[3])::uuid, (made ->> TG_ARGV[4])::uuid, (made ->> at)::bigint,
        (SELECT coalesce(jsonb_object_agg(c, CASE WHEN c = ANY (string_to_array(TG_ARGV[8], ','))
                THEN to_jsonb(substr(made ->> c, 3)) ELSE made -> c END), '{}')::text
         FROM unnest(string_to_array(TG_ARGV[7], ',')) AS c)
    );
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tlog_note_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tlog_facts (number, noise, kind, subject, at)
    SELECT tlog_number(), gen_random_uuid(), 'challenge.created', sid, created_at FROM made;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tlog_note_answered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tlog_facts (number, noise, kind, subject, at)
    SELECT tlog_number(), gen_random_uuid(),
           CASE WHEN made.ended_by IS NOT NULL THEN 'challenge.ended' ELSE 'challenge.' || made.state END, made.sid, made.answered_at
    FROM made JOIN was ON was.sid = made.sid WHERE was.state = 'pending' AND made.state <> 'pending';
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tlog_note_delivered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tlog_facts (number, noise, kind, subject, at)
    SELECT tlog_number(), gen_random_uuid(), 'challenge.delivered', made.challenge_sid, min(made.updated_at)
    FROM made JOIN was ON was.challenge_sid = made.challenge_sid AND was.ordinal = made.ordinal
    WHERE was.ending IS NULL AND made.ending IN ('sent', 'delivered') AND NOT EXISTS (
        SELECT 1 FROM notifications n WHERE n.challenge_sid = made.challenge_sid AND n.ending IN ('sent', 'delivered')
        AND NOT EXISTS (SELECT 1 FROM made AS m WHERE m.challenge_sid = n.challenge_sid AND m.ordinal = n.ordinal)
    ) GROUP BY made.challenge_sid;
    RETURN NULL;
END $$;
";

/// A trigger: its name, and what follows it in `CREATE TRIGGER`.
type Trigger = (String, String);

fn trigger_of(traced: &Traced) -> Trigger {
    let Traced { table, noun, subject, account, service, person, created, updated, .. } = traced;
    let members = [traced.members, traced.keys].concat().join(",");
    let watched = traced.watched().collect::<Vec<_>>().join(",");
    let arguments = [
        noun.as_str(),
        subject,
        account.unwrap_or_default(),
        service.unwrap_or_default(),
        person.unwrap_or_default(),
        created.unwrap_or_default(),
        updated.unwrap_or_default(),
        &members,
        &traced.keys.join(","),
        &watched,
        &traced.sealed.join(","),
    ];
    let arguments = arguments.map(|argument| format!("'{argument}'")).join(", ");
    let what = format!(
        "AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION tlog_note({arguments})"
    );
    (format!("{table}_changed"), what)
}

/// The triggers of challenges and of the first delivery of their pushes run once for each statement, which may write many rows.
fn triggers_of_challenges() -> [Trigger; 3] {
    const NEW: &str = "REFERENCING NEW TABLE AS made";
    const BOTH: &str = "REFERENCING OLD TABLE AS was NEW TABLE AS made";
    [
        ("challenges_created", format!("INSERT ON challenges {NEW}"), "tlog_note_created"),
        ("challenges_answered", format!("UPDATE ON challenges {BOTH}"), "tlog_note_answered"),
        (
            "notifications_delivered",
            format!("UPDATE ON notifications {BOTH}"),
            "tlog_note_delivered",
        ),
    ]
    .map(|(name, when, function)| {
        (name.to_owned(), format!("AFTER {when} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"))
    })
}

fn all_triggers() -> Vec<Trigger> {
    let mut all: Vec<_> = TRACED.iter().map(trigger_of).chain(triggers_of_challenges()).collect();
    for (name, _) in &mut all {
        *name = format!("tlog_{TRIGGERS_VERSION}_{name}");
    }
    all.sort();
    all
}

/// The triggers that are there: name and table.
async fn present(db: &Session) -> Result<Vec<(String, String)>, DatabaseError> {
    let read = |row: &Row| {
        let mut cells = cells_of(row, "pg_trigger");
        Ok((cells.take()?, cells.take()?))
    };
    let mut present = all(db, PRESENT, params![], read).await?;
    present.sort();
    Ok(present)
}

/// Makes the triggers, unless they are there. Those of another version are replaced. Returns whether there were any.
pub(crate) async fn begin(db: &Session) -> Result<bool, DatabaseError> {
    let wanted = all_triggers();
    let present = present(db).await?;
    if present.iter().map(|(name, _)| name).eq(wanted.iter().map(|(name, _)| name)) {
        return Ok(true);
    }
    let were_present = end(db).await?;
    db.run_script(FUNCTIONS).await?;
    for (name, what) in wanted {
        db.run_script(&format!("CREATE TRIGGER {name} {what}")).await?;
    }
    Ok(were_present)
}

/// Removes the triggers. Returns whether there were any.
pub(crate) async fn end(db: &Session) -> Result<bool, DatabaseError> {
    let present = present(db).await?;
    for (name, table) in &present {
        db.run_script(&format!("DROP TRIGGER {name} ON {table}")).await?;
    }
    Ok(!present.is_empty())
}
