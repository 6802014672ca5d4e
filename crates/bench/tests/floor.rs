//! The load generator against its own yardsticks, through the command line.

use std::process::Command;

#[test]
fn the_floor_is_measured_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("floor.json");
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-bench"))
        .args(["floor", "--seconds", "0.1", "--repeats", "2", "--connections", "2,4"])
        .arg("--dir")
        .arg(folder.path())
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("| one row in SQLite, 4 connections |"), "{table}");

    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    let mut answered = 0.0;
    for row in rows {
        let rates = row["readings"]["per s"]["values"].as_array().unwrap();
        assert_eq!(rates.len(), 2, "one for each repeat");
        // a disk that stalls for the whole of so short a window is a reading of nothing, and no fault
        answered += rates.iter().map(|rate| rate.as_f64().unwrap()).sum::<f64>();
    }
    assert!(answered > 0.0, "{json}");
    assert_eq!(json["faults"], serde_json::json!([]));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "a folder is left behind");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-bench"))
        .args(["notify", "--binary", "/nowhere/countersign"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/countersign"));
}
