//! The security log as its readers use it: bounded for each event and address, found by fail2ban, and documented.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use countersign_phone::ServerOptions;
use countersign_verify::security::Event;
use serde_json::Value;

use crate::security::{lines, refuse_radius_clients};
use crate::support::{ACCOUNT, Application, Stage};

/// The filter that `docs/run/logs.md` tells operators to install.
const FILTER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/run/fail2ban/countersign.conf");

#[tokio::test]
async fn strangers_fill_no_log_and_omitted_lines_are_counted() {
    let stage = Stage::with_account();
    let running = stage.serve(&["--set", "log.format=json"]).await;
    let stranger = Application::of(&running).with(ACCOUNT, "wrong");
    for _ in 0..130 {
        stranger.get("/v2/Services").await;
    }
    let log = running.stop().await.stderr;
    let all = lines(&log);
    let about = |event: &str| all.iter().filter(|line| line["event"] == event).count();
    assert_eq!(about("credentials"), 10, "{all:#?}");
    assert_eq!(about("throttle"), 1, "the hundredth begins it");
    let left_out = log.lines().find(|line| line.contains("countersign::left_out"));
    let left_out: Value = serde_json::from_str(left_out.expect("it is told")).expect("JSON");
    assert_eq!(left_out["left_out"], 90, "{left_out}");
    let message = left_out["message"].as_str().expect("a message");
    assert!(message.contains("credentials address=127.0.0.1"), "{message}");
}

/// The regular expressions of the filter file, one a line.
fn expressions() -> Vec<String> {
    let text = std::fs::read_to_string(FILTER).expect("the filter");
    let mut lines = text.lines().skip_while(|line| !line.starts_with("failregex"));
    let first = lines.next().and_then(|line| line.split_once('=')).expect("failregex").1;
    let more = lines.take_while(|line| line.starts_with(' '));
    [first].into_iter().chain(more).map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn the_filter_for_fail2ban_finds_every_failure_and_nothing_else_in_either_format() {
    for format in ["human", "json"] {
        let stage = Stage::with_account();
        let running = refuse_radius_clients(&stage, format).await;
        let application = Application::of(&running);
        application.phone(&ServerOptions::default()).await;
        application.with(ACCOUNT, "wrong").get("/v2/Services").await;
        application.with("token", "x.y.z").get("/v2/Services").await;
        assert_eq!(application.with(ACCOUNT, "wrong").visit_console().await, 401);
        assert!(application.visit_console().await < 400);
        let log = running.stop().await.stderr;
        let expressions = expressions();
        assert!(!expressions.is_empty());
        // Not the two of RADIUS, whose addresses can be forged. fail2ban takes the time away before it looks.
        let found: Vec<_> = log
            .lines()
            .filter(|line| {
                expressions.iter().any(|expression| {
                    let expression = expression.replace("<HOST>", r"(?P<host>[0-9a-fA-F:.]+)");
                    let expression = regex::Regex::new(&expression).expect("an expression");
                    let host = expression.captures(line).map(|found| found["host"].to_owned());
                    host.as_deref() == Some("127.0.0.1")
                })
            })
            .collect();
        assert_eq!(found.len(), 3, "{format}: {found:#?} in {log}");
        assert!(found.iter().all(|line| line.contains("WARN")), "{found:#?}");

        let path = stage.write("log", &log);
        let Ok(tool) = Command::new("fail2ban-regex").args([&*path, FILTER]).output() else {
            continue;
        };
        let said = String::from_utf8_lossy(&tool.stdout);
        assert!(tool.status.success() && said.contains("3 matched"), "{format}: {said}");
    }
    assert!(Path::new(FILTER).exists());
}

#[test]
fn the_document_has_every_event_and_no_other() {
    let document = include_str!("../../../../docs/run/logs.md");
    let table = document.split("| `event` | when |").nth(1).expect("a table");
    let table = table.split("\n\n").next().expect("it ends");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let words = cells.flat_map(|cell| cell.split(['`', ',', ' ']));
    let documented: BTreeSet<_> = words.filter(|word| !word.is_empty()).collect();
    let all: BTreeSet<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
    assert_eq!(documented, all);
}
