//! Reads the plans in the log of a server.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_store::moving::TABLES;

/// Whether a table has few rows in any installation: the cleaner empties that of removals, the state of the log is one row, and each
/// rotation of the master key adds one sealing key.
pub(crate) fn is_small(table: &str) -> bool {
    matches!(table, "removals" | "tlog_state" | "sealing_keys")
}

/// The partitions that statements have read since the log had this length.
pub(crate) fn partitions_read(log: &Path, since: u64) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    // An update names its table before the scans.
    let others = ["never executed", "Bitmap Index", "Update on"];
    let is_table = |line: &&str| !others.iter().any(|other| line.contains(other));
    let touched = text.lines().filter(is_table);
    let touched = touched.filter_map(|line| line.split(" on ").nth(1));
    let names = touched.filter_map(|rest| rest.split(' ').next());
    let is_part =
        |name: &&str| name.contains("_03_") || name.contains("_02_") || name.ends_with("_rest");
    names.filter(is_part).map(str::to_owned).collect()
}

/// The most rows that one step of a plan has read since the log had this length.
pub(crate) fn most_read(log: &Path, since: u64) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    let actual = text.lines().filter_map(|line| line.split("(actual ").nth(1));
    let rows = actual.filter_map(|rest| rest.split("rows=").nth(1));
    rows.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).max().unwrap()
}

/// The most rows that one step of a plan has read and discarded since the log had this length.
pub(crate) fn most_discarded(log: &Path, since: u64) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    let discarded = text.lines().filter_map(|line| line.split("Rows Removed by Filter: ").nth(1));
    discarded.filter_map(|rows| rows.parse::<u64>().ok()).max().unwrap_or(0)
}

/// The plan lines since the log had this length that scan a table of the store whole, each behind the beginning of its statement.
pub(crate) fn whole_scans(log: &Path, since: u64) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let text = &text[usize::try_from(since).unwrap()..];
    let (mut statement, mut scans) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(sql) = line.split("Query Text: ").nth(1) {
            statement = sql.chars().take(80).collect();
        }
        // This one reads the first row that it finds.
        if statement == "SELECT 1 FROM accounts LIMIT 1" {
            continue;
        }
        // The partitions of the next days are empty.
        if line.contains("cost=0.00..0.00") {
            continue;
        }
        let is_ours = |rest: &&str| {
            TABLES.iter().any(|table| rest.starts_with(table.name) && !is_small(table.name))
        };
        if line.contains("Seq Scan on") && line.split(" on ").nth(1).as_ref().is_some_and(is_ours) {
            scans.push(format!("{statement}: {}", line.trim()));
        }
    }
    scans
}
