//! `docs/run/configuration.md`, compared with the settings: names, variables, defaults, units and bounds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::reference::{Row, rows};
use crate::config::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/run")
}

fn with(setting: &str) -> anyhow::Result<Config> {
    // The console's listener and the length of its sessions depend on these two.
    let others = ["admin.listen=127.0.0.1:9090", "console.session_idle_seconds=60"];
    let settings = others.into_iter().chain([setting]).map(str::to_owned).collect();
    Config::load(&Sources { settings, ..Sources::default() })
}

#[test]
fn every_setting_has_a_row_with_its_variable_and_no_other_has() {
    let rows: Vec<_> = rows().into_iter().map(|row| (row.key, row.variable)).collect();
    let mut documented = rows.clone();
    documented.sort();
    let mut expected: Vec<_> = keys().iter().map(|key| (key.clone(), variable(key))).collect();
    expected.sort();
    assert_eq!(documented, expected);
}

#[test]
fn every_row_has_the_default_and_the_unit() {
    let defaults = Config::default().values();
    for Row { key, default, unit, .. } in rows() {
        let expected = match &defaults[&key] {
            Value::Null => "none".to_owned(),
            Value::Array(values) if values.is_empty() => "none".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        assert_eq!(default, expected, "{key}");
        let expected = match &key {
            _ if key.ends_with("_seconds") => "s",
            _ if key.ends_with("_minutes") => "min",
            _ if key.ends_with("_hours") => "h",
            _ if key.ends_with("_days") => "days",
            _ if key.contains("bytes_") => "bytes",
            _ if key == "store.pages_max" => "4 KiB",
            _ => "",
        };
        assert_eq!(unit, expected, "{key}");
    }
}

#[test]
fn every_bound_of_a_number_is_the_one_that_is_checked() {
    let defaults = Config::default().values();
    for Row { key, values, .. } in rows() {
        let is_number = defaults[&key].is_number() || values.starts_with("≥ ");
        if !is_number {
            continue;
        }
        let (least, most) = match values.strip_prefix("≥ ") {
            Some(least) => (least, None),
            None => values.split_once('–').map(|(least, most)| (least, Some(most))).expect(&key),
        };
        let least: u64 = least.parse().expect(&key);
        let most: Option<u64> = most.map(|most| most.parse().expect(&key));
        let is_taken = |number: u64| with(&format!("{key}={number}")).is_ok();
        assert!(is_taken(least), "{key} {least}");
        assert!(least == 0 || !is_taken(least - 1), "{key} {least}");
        if let Some(most) = most {
            assert!(is_taken(most) && !is_taken(most + 1), "{key} {most}");
        } else {
            assert!(is_taken(1_000_000_000), "{key} has an upper bound");
        }
    }
}

#[test]
fn every_word_that_a_setting_takes_is_listed() {
    for Row { key, values, .. } in rows().into_iter().filter(|row| row.values.starts_with('`')) {
        let words: Vec<_> = values.split(", ").map(|word| word.trim_matches('`')).collect();
        if words.iter().any(|word| word.contains("://")) {
            continue;
        }
        let error = format!("{:#}", with(&format!("{key}=?")).expect_err(&key));
        for word in words {
            assert!(error.contains(word), "{key} {word}: {error}");
            // Whether a word fits the other settings is another question.
            let error = with(&format!("{key}={word}")).err().map(|error| format!("{error:#}"));
            assert!(!error.clone().unwrap_or_default().contains("expected"), "{key}: {error:?}");
        }
    }
}

#[test]
fn the_settings_files_of_the_documents_can_be_read() {
    let mut found = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("countersign.toml");
            std::fs::write(&file, block).unwrap();
            // The unit of the documents names this file.
            let password = ("COUNTERSIGN_BUS__PASSWORD_FILE".to_owned(), "p".to_owned());
            let is_cluster = block.contains("[bus]");
            let environment = if is_cluster { HashMap::from([password]) } else { HashMap::new() };
            let loaded = Config::load(&Sources { file: Some(file), environment, settings: vec![] });
            let error = loaded.err().map(|error| format!("{error:#}"));
            assert_eq!(error, None, "{}: {block}", path.display());
            found += 1;
        }
    }
    assert!(found > 2, "{found}");
}
