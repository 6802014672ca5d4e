//! Compares `/metrics` with `docs/run/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};

use countersign_phone::{ServerOptions, Verdict};
use countersign_server::version::COMMIT_HASH;

use crate::support::{ACCOUNT, Application, Stage, TOKEN, client, free_port};

/// The metrics of the document, and the labels of each.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = include_str!("../../../../docs/run/metrics.md");
    let rows = document
        .lines()
        .filter(|line| line.starts_with("| `countersign_") || line.starts_with("| `process_"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names
        .map(|text| {
            let (name, labels) = text.trim_end_matches('}').split_once('{').unwrap_or((text, ""));
            let labels = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned);
            (name.to_owned(), labels.collect())
        })
        .collect()
}

/// A series: its metric without the suffix of a histogram, and its labels.
fn series(line: &str) -> (String, BTreeMap<String, String>) {
    let (series, _) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once("=\"").expect("a label");
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect())
}

/// The page of metrics.
async fn metrics(admin: &str) -> String {
    let answer = client().get(format!("http://{admin}/metrics")).send().await.expect("an answer");
    answer.text().await.expect("text")
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_shown() {
    let admin = format!("127.0.0.1:{}", free_port());
    let stage = Stage::with_account();
    let running = stage.serve_with_admin(&admin, &[]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let mut stream = phone.connect().await.expect("a stream");
    application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    let prompt = stream.next_prompt().await.expect("a prompt");
    let acknowledged =
        "countersign_delivery_attempts_total{platform=\"stream\",outcome=\"acknowledged\"} 1";
    // No answer before it: an answered challenge's push that is not yet acknowledged is given up.
    let began = std::time::Instant::now();
    while !metrics(&admin).await.lines().any(|line| line == acknowledged) {
        assert!(began.elapsed().as_secs() < 60, "{}", metrics(&admin).await);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    phone.answer(&prompt.challenge_sid, Verdict::Approved).await.expect("an answer");
    application.with(ACCOUNT, "wrong").get("/v2/Services").await;
    let text = metrics(&admin).await;

    let documented = documented();
    let mut kinds = BTreeMap::new();
    let mut helps = BTreeSet::new();
    for line in text.lines() {
        if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            kinds.insert(name.to_owned(), kind.to_owned());
        } else if let Some((name, help)) =
            line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        {
            assert!(!help.is_empty(), "{name}");
            helps.insert(name.to_owned());
        }
    }
    assert_eq!(kinds.keys().cloned().collect::<BTreeSet<_>>(), helps, "each has type and help");
    assert!(kinds.values().all(|kind| kind != "summary"), "{kinds:?}");
    let elsewhere = |name: &str| {
        // With PostgreSQL and NATS only.
        name.starts_with("countersign_bus_") || name == "countersign_clock_ahead_seconds"
    };
    let expected: BTreeSet<_> =
        documented.keys().filter(|name| !elsewhere(name)).cloned().collect();
    assert_eq!(helps, expected);

    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut count = 0;
    for line in lines {
        let (full, labels) = series(line);
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| full.strip_suffix(suffix))
            .find(|name| kinds.get(*name).is_some_and(|kind| kind == "histogram"));
        let name = of_histogram.unwrap_or(&full);
        let known = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        let shown: BTreeSet<_> = labels.keys().filter(|label| *label != "le").cloned().collect();
        assert_eq!(&shown, known, "{line}");
        for value in labels.values() {
            assert!(value.len() <= 20, "a value of a bounded set: {line}");
        }
        for secret in [ACCOUNT, TOKEN, "alice-0001", phone.factor_sid(), "127.0.0.1"] {
            assert!(!line.contains(secret), "{line}");
        }
        count += 1;
    }
    assert!(count < 1_000, "{count} series");
    for line in [
        format!(
            "countersign_build_info{{version=\"{}\",commit=\"{COMMIT_HASH}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
        acknowledged.into(),
        "countersign_http_connections_refused_total{reason=\"full\"} 0".into(),
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
    }
    let value = |name: &str| {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        let value = line.and_then(|line| line.split(' ').nth(1)).expect(name);
        value.parse::<f64>().expect("a number")
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(
        value("process_open_fds") > 3.0 && value("process_max_fds") >= value("process_open_fds")
    );
    assert!(value("process_start_time_seconds") > 1.7e9);
    // Whole seconds, of which there may be none yet.
    assert!(value("process_cpu_seconds_total") >= 0.0);
    drop(stream);
    running.stop().await;
}
