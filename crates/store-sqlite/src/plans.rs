//! Tests the query plans: no statement may read all rows of a table, since a scan that is fast in a test stops a server with a
//! million entities.

use countersign_store::schema::SchemaPolicy;
use rusqlite::{Connection, StatementStatus};

use crate::connection;
use crate::options::Options;

/// All statements, by file.
const ALL: [(&str, &[(&str, &str)]); 48] = [
    ("access_tokens", crate::access_tokens::STATEMENTS),
    ("accounts", crate::accounts::STATEMENTS),
    ("answers", crate::answers::STATEMENTS),
    ("audit_trail", crate::audit_trail::STATEMENTS),
    ("audited", crate::audited::STATEMENTS),
    ("backchannel", crate::backchannel::STATEMENTS),
    ("backlog", crate::backlog::STATEMENTS),
    ("call_leases", crate::call_leases::STATEMENTS),
    ("call_order", crate::call_order::STATEMENTS),
    ("call_results", crate::call_results::STATEMENTS),
    ("calls", crate::calls::STATEMENTS),
    ("challenge_groups", crate::challenge_groups::STATEMENTS),
    ("challenges", crate::challenges::STATEMENTS),
    ("codes", crate::codes::STATEMENTS),
    ("credentials", crate::credentials::STATEMENTS),
    ("deliveries", crate::deliveries::STATEMENTS),
    ("endings", crate::endings::STATEMENTS),
    ("enrolment", crate::enrolment::STATEMENTS),
    ("entities", crate::entities::STATEMENTS),
    ("events", crate::events::STATEMENTS),
    ("factors", crate::factors::STATEMENTS),
    ("integrations", crate::integrations::STATEMENTS),
    ("moving", crate::moving::STATEMENTS),
    ("new_notifications", crate::new_notifications::STATEMENTS),
    ("notifications", crate::notifications::STATEMENTS),
    ("opening", crate::opening::STATEMENTS),
    ("one_time_rights", crate::one_time_rights::STATEMENTS),
    ("operators", crate::operators::STATEMENTS),
    ("prospect", crate::prospect::STATEMENTS),
    ("pauses", crate::pauses::STATEMENTS),
    ("protections", crate::protections::STATEMENTS),
    ("provider_tokens", crate::provider_tokens::STATEMENTS),
    ("purpose", crate::purpose::STATEMENTS),
    ("recent", crate::recent::STATEMENTS),
    ("services", crate::services::STATEMENTS),
    ("sessions", crate::sessions::STATEMENTS),
    ("settle", crate::settle::STATEMENTS),
    ("sealing_keys", crate::sealing_keys::STATEMENTS),
    ("signing_keys", crate::signing_keys::STATEMENTS),
    ("standing", crate::standing::STATEMENTS),
    ("summaries", crate::summaries::STATEMENTS),
    ("test_write", crate::test_write::STATEMENTS),
    ("timeline", crate::timeline::STATEMENTS),
    ("totp_factors", crate::totp_factors::STATEMENTS),
    ("transparency", crate::transparency::STATEMENTS),
    ("upkeep", crate::upkeep::STATEMENTS),
    ("usage", crate::usage::STATEMENTS),
    ("webhooks", crate::webhooks::STATEMENTS),
];

/// They sort few rows: the parked deliveries of one factor, the waiting calls of one webhook that has too many, the webhooks of one
/// service, and the summaries of one account.
const MAY_SORT: [&str; 5] = [
    "backlog::OLDEST",
    "deliveries::PARKED",
    "recent::STATES",
    "summaries::PERIODS",
    "summaries::SERVICES",
];

/// Rare statements, which return a changed row (RETURNING) or change many rows of the index that they search.
const MAY_BUILD: [&str; 4] = [
    "answers::COUNT_WRONG",
    "factors::WAKE_PARKED",
    "one_time_rights::USE",
    "upkeep::KEEP_KEY_CHECK",
];

/// The steps of a plan, in SQLite's words.
fn steps(db: &Connection, sql: &str) -> Vec<String> {
    explained(db, &format!("EXPLAIN QUERY PLAN {sql}"), "detail")
}

/// The instructions that a statement runs as.
fn instructions(db: &Connection, sql: &str) -> Vec<String> {
    explained(db, &format!("EXPLAIN {sql}"), "opcode")
}

fn explained(db: &Connection, sql: &str, column: &str) -> Vec<String> {
    let mut plan = db.prepare(sql).unwrap();
    let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
    let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get(column));
    steps.unwrap().map(Result::unwrap).collect()
}

fn fresh() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    connection::create(&path).unwrap();
    let mut db = connection::writer(&path, &Options::default()).unwrap();
    connection::migrate(&mut db, &path, SchemaPolicy::Serve).unwrap();
    (folder, db)
}

#[test]
fn no_statement_is_planned_again_when_its_parameters_change() {
    let (_folder, db) = fresh();
    for (file, statements) in ALL {
        for (name, sql) in statements {
            let mut statement = db.prepare(sql).unwrap();
            for parameter in 1..=3_i64 {
                let all = vec![parameter; statement.parameter_count()];
                // Some parameters have the wrong type, which does not matter here.
                let _ = statement
                    .query(rusqlite::params_from_iter(all))
                    .and_then(|mut rows| rows.next().map(|row| row.is_some()));
            }
            let plans = statement.get_status(StatementStatus::RePrepare);
            assert_eq!(plans, 0, "{file}::{name}");
        }
    }
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let (_folder, db) = fresh();
    let mut slow = Vec::new();
    for (file, statements) in ALL {
        for (name, sql) in statements {
            let name = format!("{file}::{name}");
            for step in steps(&db, sql) {
                // A virtual table reads the attempts of one notification.
                let is_table =
                    !step.starts_with("SCAN (subquery") && !step.contains("VIRTUAL TABLE");
                let scans = step.starts_with("SCAN ") && is_table;
                let sorts = step.contains("TEMP B-TREE") && !MAY_SORT.contains(&name.as_str());
                if scans || sorts {
                    slow.push(format!("{name}: {step}"));
                }
            }
        }
    }
    assert_eq!(slow, Vec::<String>::new());
}

/// A temporary B-tree, with a page cache of its own, costs as much as the insertion that it is built for.
#[test]
fn writes_of_single_rows_build_no_temporary_table() {
    let (_folder, db) = fresh();
    let mut slow = Vec::new();
    for (file, statements) in ALL {
        for (name, sql) in statements {
            let name = format!("{file}::{name}");
            // Statements with a limit remove many rows, which they collect first.
            let writes = !sql.starts_with("SELECT") && !sql.contains("LIMIT");
            let builds = |step: &String| step == "OpenEphemeral" || step == "OpenAutoindex";
            if writes
                && !MAY_BUILD.contains(&name.as_str())
                && instructions(&db, sql).iter().any(builds)
            {
                slow.push(name);
            }
        }
    }
    assert_eq!(slow, Vec::<String>::new());
}

/// Not among those that are parked for everybody.
#[test]
fn what_is_parked_for_a_device_is_found_by_its_challenges() {
    let (_folder, db) = fresh();
    for sql in [
        crate::deliveries::PARKED,
        crate::deliveries::IS_PARKED,
        crate::factors::PARKED,
        crate::factors::WAKE_PARKED,
        crate::settle::OLDER_PARKED,
    ] {
        let steps = steps(&db, sql);
        let of_deliveries = |step: &&String| {
            step.starts_with("SEARCH d USING") || step.starts_with("SEARCH deliveries USING")
        };
        let ways: Vec<_> = steps.iter().filter(of_deliveries).collect();
        let is_right = |way: &&String| way.contains("PRIMARY KEY (challenge_sid=?");
        assert!(!ways.is_empty() && ways.iter().all(is_right), "{sql}: {steps:?}");
    }
}
