use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn names() -> BTreeSet<String> {
    METRICS.iter().map(|metric| metric.name.to_owned()).collect()
}

/// Every file of Rust below a folder, but tests.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "tests" && name != "target" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The names in the calls of these macros.
fn recorded(text: &str) -> impl Iterator<Item = String> {
    let calls = ["counter!(\"", "gauge!(\"", "histogram!(\""];
    calls.into_iter().flat_map(move |call| {
        let after = text.split(call).skip(1);
        after.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>()
    })
}

#[test]
fn the_list_has_every_metric_that_the_code_records_and_no_other() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_none_or(|name| name != "bench" && name != "testkit") {
            sources(&path.join("src"), &mut texts);
        }
    }
    let recorded: BTreeSet<_> = texts.iter().flat_map(|text| recorded(text)).collect();
    assert_eq!(recorded, names());
}

/// The first cells of the document's tables that hold the names of metrics, with their labels.
fn documented() -> BTreeSet<String> {
    let document = include_str!("../../../../../docs/run/metrics.md");
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.filter(|cell| cell.starts_with("countersign_")).map(str::to_owned).collect()
}

#[test]
fn the_document_has_every_metric_with_its_labels_and_no_other() {
    let listed = METRICS.iter().map(|metric| {
        let labels: Vec<_> = metric.labels.iter().map(|(label, _)| *label).collect();
        let labels = labels.join(",");
        if labels.is_empty() {
            metric.name.to_owned()
        } else {
            format!("{}{{{labels}}}", metric.name)
        }
    });
    assert_eq!(documented(), listed.collect());
}

#[test]
fn the_document_names_every_value_of_every_label_but_the_version() {
    let document = include_str!("../../../../../docs/run/metrics.md");
    for metric in METRICS.iter().filter(|metric| metric.name != "countersign_build_info") {
        for value in metric.labels.iter().flat_map(|(_, values)| *values) {
            assert!(document.contains(&format!("`{value}`")), "{} {value}", metric.name);
        }
    }
}

#[test]
fn the_list_is_well_formed() {
    for metric in METRICS {
        let Metric { name, kind, help, labels, .. } = *metric;
        assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(help.ends_with('.') && help.len() < 120, "{name}: {help}");
        assert!(series(labels).count() <= 60, "{name}: a bounded number of series");
        if let Kind::Histogram(bounds) = kind {
            assert!(bounds.is_sorted() && bounds.len() <= 16, "{name}");
        }
    }
    assert_eq!(names().len(), METRICS.len());
}
