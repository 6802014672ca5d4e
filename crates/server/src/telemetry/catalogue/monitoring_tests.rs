//! The alerts and the dashboard name only metrics, labels and values that there are, and every alert is explained.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use super::*;

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The metric that a series belongs to.
fn metric_of(series: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| series.strip_suffix(end) == Some(metric.name)),
        _ => series == metric.name,
    })
}

/// Checks the names, labels and values of a query.
fn check(query: &str) {
    let series = Regex::new(r"(countersign_\w+)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"(\w+)(=~|!=|!~|=)"([^"]*)""#).unwrap();
    for found in series.captures_iter(query) {
        let metric = metric_of(&found[1]);
        let metric = metric.unwrap_or_else(|| panic!("there is no {}: {query}", &found[1]));
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        for given in matcher.captures_iter(labels) {
            let (label, values) = (&given[1], &given[3]);
            // Labels that Prometheus adds.
            if matches!(label, "job" | "instance" | "le") {
                continue;
            }
            let known = metric.labels.iter().find(|(name, _)| *name == label);
            let (_, known) = known.unwrap_or_else(|| panic!("{} has no {label}", metric.name));
            for value in values.split('|') {
                assert!(known.contains(&value), "{} has no {label} {value}", metric.name);
            }
        }
    }
}

#[test]
fn every_alert_asks_for_metrics_that_there_are_and_is_explained() {
    let rules = read("packaging/monitoring/countersign.rules.yml");
    let page = read("docs/run/alerts.md");
    let queries = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let count = queries.map(check).count();
    let named = |text: &str, before: &str, after: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(before));
        lines.map(|line| line.split(after).next().unwrap_or_default().to_owned()).collect()
    };
    let alerts = named(&rules, "- alert: ", " ");
    assert_eq!(alerts.len(), count);
    assert_eq!(
        alerts,
        named(&page, "| `Countersign", "`")
            .iter()
            .map(|name| format!("Countersign{name}"))
            .collect()
    );
    assert!(count > 20, "{count}");
}

#[test]
fn every_panel_of_the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value =
        serde_json::from_str(&read("packaging/monitoring/countersign.dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            check(target["expr"].as_str().unwrap());
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    variables.iter().filter_map(|variable| variable["definition"].as_str()).for_each(check);
    assert!(panels.len() > 10);
}

#[test]
#[should_panic(expected = "there is no countersign_nonsense")]
fn a_metric_that_there_is_not_is_noticed() {
    check("rate(countersign_nonsense[5m]) > 0");
}
