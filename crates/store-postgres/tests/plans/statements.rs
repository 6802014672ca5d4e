//! The statements in the source of the store, and those of them that ran.

use std::path::Path;

/// Files whose statements serve no method of the store, but a start, a move, or the state of the server.
const OTHERS: [&str; 12] = [
    "clock.rs",
    "clock_reading.rs",
    "commit_outcome.rs",
    "durability.rs",
    "facts.rs",
    "gather.rs",
    "history.rs",
    "migrations.rs",
    "moving.rs",
    "pooler.rs",
    "probe.rs",
    "time_limits.rs",
];

/// Statements that run once in a database, so on an empty one.
const ONCE: [&str; 2] =
    ["INSERT INTO summary_cursors ", "UPDATE installation SET key_check = coalesce("];

/// Statements that find out whether a command was committed, after a connection broke before its response came.
const AFTER_UNKNOWN_COMMIT: [&str; 6] = [
    "SELECT 1::bigint, l.id, ",
    " FROM (SELECT) AS one LEFT JOIN (webhook_calls l ",
    "SELECT count(*) FROM webhook_calls WHERE id = ANY ($1) AND state = 'failed'",
    "SELECT u.id, c.node, c.state, ",
    "SELECT sid FROM notifications WHERE challenge_sid = ANY ($1) AND sid = ANY ($2) ",
    "SELECT sid, state = 'pending', wrong_answers FROM challenges WHERE sid = ANY ($1) ",
];

/// It runs when a webhook has more than ten thousand calls that were given up.
const TRIMS_GIVEN_UP: &str = "DELETE FROM webhook_calls WHERE id = ANY (ARRAY(SELECT id FROM webhook_calls WHERE webhook_sid = $1 AND state = 'failed' ";

/// The string literals of Rust source, without their continuations of lines.
fn literals(source: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some((at, first)) = rest.char_indices().find(|(at, one)| {
        *one == '"' && !rest[..*at].ends_with('\'') || rest[*at..].starts_with("//")
    }) {
        if first == '/' {
            rest = rest[at..].split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let (mut text, mut is_escaped, mut end) = (String::new(), false, rest.len());
        for (offset, one) in rest[at + 1..].char_indices() {
            match one {
                '"' if !is_escaped => {
                    end = at + 1 + offset + 1;
                    break;
                }
                '\\' if !is_escaped => is_escaped = true,
                // A continuation of the line: the indentation that follows is none of the text.
                '\n' if is_escaped => is_escaped = true,
                one if is_escaped && one.is_whitespace() => {}
                one => {
                    is_escaped = false;
                    text.push(one);
                }
            }
        }
        found.push(text);
        rest = &rest[end..];
    }
    found
}

fn exempt(part: &str) -> bool {
    let lists = [&ONCE[..], &AFTER_UNKNOWN_COMMIT, &[TRIMS_GIVEN_UP]];
    lists.concat().iter().any(|beginning| part.starts_with(beginning))
}

/// The parts of statements in the source that no statement in the log has, since it had this length: each file's name and the part.
pub(crate) fn not_run(log: &Path, since: u64) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let ran = &text[usize::try_from(since).unwrap()..];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut missing = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if OTHERS.contains(&name.as_str()) {
            continue;
        }
        let source = std::fs::read_to_string(file.path()).unwrap();
        let is_sql = |part: &&str| {
            let words = ["SELECT ", " FROM ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", " WHERE "];
            part.len() > 12 && words.iter().any(|word| part.contains(word))
        };
        for literal in literals(&source) {
            let parts = literal.split(['{', '}']).filter(is_sql).filter(|part| !exempt(part));
            missing.extend(
                parts.filter(|part| !ran.contains(part)).map(|part| format!("{name}: {part}")),
            );
        }
    }
    missing.sort();
    missing
}

#[test]
fn literals_are_found_with_their_lines_joined() {
    let source = "const A: &str = \"SELECT 1 \\\n    FROM t\"; // \"none\"\nconst B: char = '\"'; f(\"a\\\"b\")";
    assert_eq!(literals(source), ["SELECT 1 FROM t", "a\"b"]);
}
