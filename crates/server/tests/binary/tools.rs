//! The files that are generated from the command line and the settings: completions, man pages, `config`; and `reload`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Stage, free_port, mode, signal};

/// Completes a line in a real bash that has loaded the script.
fn complete(script: &Path, words: &[&str]) -> Vec<String> {
    let program = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                   _countersign countersign \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", program, "bash"]).arg(script).args(words);
    let output = bash.output().expect("bash is there");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags() {
    let stage = Stage::new();
    let done = stage.run(&["completions", "bash"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stderr);
    let script = stage.path("countersign.bash");
    std::fs::write(&script, &done.stdout).expect("written");
    assert_eq!(complete(&script, &["countersign", "back"]), ["backup"]);
    assert_eq!(complete(&script, &["countersign", "accounts", "rot"]), ["rotate"]);
    assert_eq!(complete(&script, &["countersign", "backup", "--rep"]), ["--replace"]);
    assert!(complete(&script, &["countersign", ""]).contains(&"doctor".to_owned()));
    for (shell, words) in [
        ("zsh", "#compdef countersign"),
        ("fish", "complete -c countersign"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let done = stage.run(&["completions", shell]);
        assert!(done.code == Some(0) && done.stdout.contains(words), "{shell}");
    }
    assert_eq!(stage.run(&["completions", "dos"]).code, Some(2));
    assert!(!stage.data().exists(), "it needs no folder");
}

#[test]
fn every_command_has_a_man_page_that_man_can_show() {
    let stage = Stage::new();
    let done = stage.run(&["man", "man1"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let page = stage.path("man1/countersign-accounts-rotate.1");
    for name in ["countersign", "countersign-backup", "countersign-phone-listen"] {
        assert!(stage.path(&format!("man1/{name}.1")).exists(), "{name}");
    }
    assert_eq!((mode(&page), mode(&stage.path("man1"))), (0o644, 0o755), "everybody may read it");
    let mut man = Command::new("man");
    man.args(["--warnings", "--local-file"])
        .arg(&page)
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8");
    let shown = man.output().ok().filter(|shown| {
        // Some containers have a stand-in that only tells that manuals are absent.
        shown.status.success() && !String::from_utf8_lossy(&shown.stdout).contains("minimized")
    });
    let text = match shown {
        Some(shown) => {
            assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "man has no complaints");
            String::from_utf8(shown.stdout).expect("UTF-8")
        }
        None => std::fs::read_to_string(&page).expect("a page").replace("\\-", "-"),
    };
    for words in ["countersign-accounts-rotate", "--evict", "SYNOPSIS"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn config_example_is_a_file_that_check_takes() {
    let stage = Stage::new();
    let done = stage.run(&["config", "example"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let file = stage.write("countersign.toml", &done.stdout);
    let shown = stage.run(&["config", "show", "--config", &file]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(!shown.stdout.contains("countersign.toml"), "only comments: {shown:?}");
    let changed =
        done.stdout.replace("#listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:9999\"");
    let file = stage.write("countersign.toml", &changed);
    let shown = stage.run(&["config", "show", "--config", &file]).stdout;
    assert!(shown.contains("http.listen = \"127.0.0.1:9999\"  # from"), "{shown}");
}

#[test]
fn config_show_names_every_origin_and_no_password() {
    let stage = Stage::new()
        .with("COUNTERSIGN_DATABASE__URL", "postgres://me:hunter2@db/d?sslmode=require")
        .with("COUNTERSIGN_LIMITS__PAUSE_MINUTES", "20");
    let file =
        stage.write("c.toml", "[http]\nidle_seconds = 50\n[outgoing]\nallow = [\"10.0.0.0/8\"]\n");
    let flags = ["--config", &file, "--set", "limits.services_per_account=7"];
    let shown = stage.run(&[&["config", "show"], &flags[..]].concat());
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for line in [
        "data_dir = \"".to_owned(),
        "database.url = \"postgres://me:***@db/d?sslmode=require\"  # from COUNTERSIGN_DATABASE__URL".to_owned(),
        format!("http.idle_seconds = 50  # from {file}, line 2"),
        format!("outgoing.allow = [\"10.0.0.0/8\"]  # from {file}, line 4"),
        "limits.pause_minutes = 20  # from COUNTERSIGN_LIMITS__PAUSE_MINUTES".to_owned(),
        "limits.services_per_account = 7  # from the command line (--set)".to_owned(),
        "log.format = \"human\"  # from the default".to_owned(),
        "# http.public_url is not set".to_owned(),
    ] {
        assert!(shown.stdout.contains(&line), "{line}: {}", shown.stdout);
    }
    let json = stage.run(&[&["config", "show", "--json"], &flags[..]].concat());
    assert!(!format!("{shown:?}{json:?}").contains("hunter2"));
    let lines: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |key: &str| lines.iter().find(|line| line["key"] == key).expect("a line").clone();
    let idle = of("http.idle_seconds");
    assert_eq!(
        (&idle["value"], &idle["origin"], &idle["line"]),
        (&50.into(), &"file".into(), &2.into())
    );
    assert_eq!(of("limits.pause_minutes")["name"], "COUNTERSIGN_LIMITS__PAUSE_MINUTES");
    assert_eq!(of("limits.services_per_account")["name"], "--set");
    assert_eq!(of("log.format")["origin"], "default");

    // Its output is a settings file with the same values.
    let again = stage.write("again.toml", &shown.stdout.replace("***", "x"));
    let again = Stage::new().run(&["config", "show", "--config", &again]);
    assert!(again.stdout.contains("http.idle_seconds = 50"), "{again:?}");
}

#[tokio::test]
async fn reload_tells_the_server_of_the_data_folder_and_says_when_there_is_none() {
    let stage = Stage::new();
    let none = stage.run(&["reload"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stderr.contains("no server uses the data folder"), "{none:?}");
    let running = stage.serve(&[]).await;
    let done = stage.run(&["reload"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains(&format!("process {}", running.id())), "{done:?}");
    running.says("SIGHUP: reading settings").await;
    let broken = stage.write("broken.toml", "[http]\nlisten = 5\n");
    let refused = stage.run(&["reload", "--config", &broken]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("http.listen"), "{refused:?}");
    assert_eq!(running.stderr().matches("SIGHUP: reading settings").count(), 1);
    signal(running.id(), "KILL");
    running.end().await;
    let gone = stage.run(&["reload"]);
    assert!(gone.stderr.contains("no server uses"), "its id is still in the lock: {gone:?}");
}

#[tokio::test]
async fn ready_asks_the_server_of_its_settings() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let listen = format!("http.listen={}", running.base.trim_start_matches("http://"));
    let ready = stage.run(&["ready", "--set", &listen]);
    assert_eq!(ready.code, Some(0), "{ready:?}");
    assert_eq!(serde_json::from_str::<Value>(&ready.stdout).expect("JSON")["status"], "ready");
    assert_eq!(running.stop().await.code, Some(0));
    let gone = stage.run(&["ready", "--set", &listen]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("no server answers at http://127.0.0.1"), "{gone:?}");

    // The operator's listener, if there is one, on all addresses.
    let port = free_port();
    let running = stage.serve_with_admin(&format!("0.0.0.0:{port}"), &[]).await;
    let ready = stage.run(&["ready", "--set", &format!("admin.listen=0.0.0.0:{port}")]);
    assert_eq!(ready.code, Some(0), "{ready:?}");
    assert_eq!(running.stop().await.code, Some(0));

    // A certificate of another name does not matter on this machine.
    let made = rcgen::generate_simple_self_signed(["verify.example.com".to_owned()]).expect("one");
    let chain = format!("http.tls_certificate={}", stage.write("tls.pem", &made.cert.pem()));
    let key = format!("http.tls_key={}", stage.write("tls.key", &made.signing_key.serialize_pem()));
    let listen = format!("127.0.0.1:{}", free_port());
    let tls = ["--set", &chain, "--set", &key];
    let running = stage.begin(&listen, "https", &tls);
    running.says("is ready").await;
    let listen = format!("http.listen={listen}");
    let ready = stage.run(&[&["ready", "--set", &listen][..], &tls].concat());
    assert_eq!(ready.code, Some(0), "{ready:?}");
    assert_eq!(running.stop().await.code, Some(0));
}
