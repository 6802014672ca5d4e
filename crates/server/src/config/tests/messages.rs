//! The messages about settings that cannot be read.

use super::load;
use crate::config::*;

fn error(file: &str, variables: &[(&str, &str)], settings: &[&str]) -> String {
    format!("{:#}", load(file, variables, settings).unwrap_err())
}

#[test]
fn an_unknown_name_is_rejected_with_its_origin_and_the_nearest_name() {
    let in_file = error("[http]\nlisten = \":1\"\nlisen = 1", &[], &[]);
    let expected = ["http.lisen", "countersign.toml, line 3", "is http.listen meant?"];
    assert!(expected.iter().all(|words| in_file.contains(words)), "{in_file}");
    let on_line = error("", &[], &["log.nonsense=1"]);
    assert!(on_line.contains("log.nonsense, from the command line (--set)"), "{on_line}");
    assert!(error("nonsense = 1", &[], &[]).contains("nonsense"));
    assert!(error("[nonsense]", &[], &[]).contains("nonsense"));
    assert!(error("[http.listen]\nx = 1", &[], &[]).contains("http.listen"));
    assert!(error("http = 1", &[], &[]).contains("this is a section"));
    assert!(error("", &[], &["nonsense"]).contains("section.key=value"));
}

#[test]
fn an_unknown_variable_is_a_warning_and_one_of_kubernetes_is_nothing() {
    let mistyped = ("COUNTERSIGN_HTTP_LISTEN", "127.0.0.1:9");
    let config = load("", &[mistyped], &[]).unwrap();
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.contains(mistyped.0) && warning.contains("is COUNTERSIGN_HTTP__LISTEN meant?"));
    assert!(!warning.contains(mistyped.1), "a value may be a secret: {warning}");
    let links = [
        ("COUNTERSIGN_PORT", "tcp://10.96.0.7:8080"),
        ("COUNTERSIGN_SERVICE_HOST", "10.96.0.7"),
        ("COUNTERSIGN_PORT_8080_TCP_ADDR", "10.96.0.7"),
    ];
    assert!(load("", &links, &[]).unwrap().warnings.is_empty());
}

/// Words of the code that no message to a person may contain.
const CODE_WORDS: [&str; 12] = [
    "enum",
    "variant",
    "invalid type",
    "invalid value",
    "struct",
    "usize",
    "u32",
    "u64",
    "Option",
    "deserialize",
    "SocketAddr",
    "path string",
];

#[test]
fn every_setting_that_cannot_be_read_from_a_file_is_told_with_its_line_and_what_is_expected() {
    for key in keys() {
        for wrong in ["1979-05-27", "[[1]]", "1.5"] {
            let file = match key.split_once('.') {
                Some((section, name)) => format!("# a file\n[{section}]\n{name} = {wrong}"),
                None => format!("# a file\n\n{key} = {wrong}"),
            };
            let error = error(&file, &[], &[]);
            let named = format!("{key}, from ");
            for words in [&named, "countersign.toml, line 3: expected ", ", found a "] {
                assert!(error.contains(words), "{words}: {error}");
            }
            // The name of the temporary file may contain any word.
            let told = error.rsplit_once("line 3").unwrap().1;
            assert!(CODE_WORDS.iter().all(|word| !told.contains(word)), "{error}");
        }
    }
}

/// Texts and files, which accept any word: whether they are valid shows when they are used.
const ANY_TEXT: [&str; 9] = [
    "data_dir",
    "database.tls_ca",
    "geo.database",
    "log.filter",
    "outgoing.allow",
    "outgoing.name_servers",
    "outgoing.roots",
    "outgoing.vapid_subject",
    "transparency.origin",
];

#[test]
fn every_setting_that_cannot_be_read_from_the_environment_is_told_with_its_variable() {
    for key in keys() {
        let variable = variable(key);
        let loaded = load("", &[(&variable, "?!")], &[]);
        if ANY_TEXT.contains(&key.as_str()) {
            assert!(loaded.is_ok(), "{key}: {loaded:?}");
            continue;
        }
        let error = format!("{:#}", loaded.expect_err(key));
        assert!(error.contains(key) && error.contains(&variable), "{key}: {error}");
        assert!(CODE_WORDS.iter().all(|word| !error.contains(word)), "{error}");
        let is_told = ["expected ", "must ", " is not"].iter().any(|words| error.contains(words));
        assert!(is_told, "{key}: {error}");
    }
}

#[test]
fn the_expected_value_is_described_in_words_of_the_operator() {
    for (setting, words) in [
        ("http.listen=8080", "such as 127.0.0.1:8080, localhost:8080, [::1]:8080, or :8080"),
        ("admin.listen=nowhere", "expected an address and a port"),
        ("log.format=loud", "expected human or json, found \"loud\""),
        ("http.idle_seconds=1m", "expected a whole number of seconds, 0 or more, found \"1m\""),
        ("http.body_bytes_max=64k", "expected a whole number of bytes, 0 or more"),
        ("retention.challenges_days=-1", "expected a whole number of days from 0 to 4294967295"),
        ("limits.notifications_per_challenge=many", "expected a whole number from 0 to"),
        ("console.enabled=maybe", "expected true or false, found \"maybe\""),
        ("outgoing.proxy=proxy", "expected a URL such as https://"),
        ("http.public_url=verify.example.com", "expected a URL such as https://"),
    ] {
        let error = error("", &[], &[setting]);
        assert!(error.contains(words), "{setting}: {error}");
    }
    let in_file = error("[outgoing]\nallow = 5", &[], &[]);
    assert!(in_file.contains("expected a list of texts, or one text with commas"), "{in_file}");
}

#[test]
fn a_value_that_may_hold_a_password_is_not_repeated() {
    for setting in [
        "database.url=shop:hunter2",
        "outgoing.proxy=//owl:hunter2@proxy",
        "outgoing.proxy=owl:hunter2@proxy",
        "http.public_url=//me:hunter2@a.example",
    ] {
        let error = error("", &[], &[setting]);
        assert!(!error.contains("hunter2"), "{error}");
    }
    let broken = error("[database]\nurl = \"postgres://me:hunter2@a/b", &[], &[]);
    assert!(broken.contains("line 2: this is not TOML") && !broken.contains("hunter2"), "{broken}");
}

#[test]
fn a_value_is_read_in_every_unambiguous_form() {
    let variables = [
        ("COUNTERSIGN_HTTP__LISTEN", "localhost:9"),
        ("COUNTERSIGN_ADMIN__LISTEN", ""),
        ("COUNTERSIGN_CONSOLE__ENABLED", "No"),
        ("COUNTERSIGN_STORE__QUEUE_MAX", "10_000"),
    ];
    let config = load("[admin]\nlisten = \":1\"", &variables, &[]).unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:9");
    assert_eq!((config.admin.listen, config.console.enabled), (None, false));
    assert_eq!(config.store.queue_max, 10_000);
}

#[test]
fn a_check_tells_the_origin_of_every_setting_that_it_names() {
    let file = "[http]\ntls_key = \"key.pem\"";
    let error = error(file, &[], &[]);
    assert!(error.contains("http.tls_key is from ") && error.contains("line 2"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_password_in_a_file_that_everybody_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    for (url, mode, warns) in [
        ("postgres://me:hunter2@a/b", 0o644, true),
        ("postgres://me:hunter2@a/b", 0o640, false),
        ("postgres://me@a/b", 0o644, false),
    ] {
        std::fs::write(&path, format!("[database]\nurl = \"{url}\"")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let sources = Sources { file: Some(path.clone()), ..Sources::default() };
        let warnings = Config::load(&sources).unwrap().warnings;
        assert_eq!(!warnings.is_empty(), warns, "{url} {mode:o}: {warnings:?}");
        assert!(!warnings.concat().contains("hunter2"));
    }
}
