//! Faults that stop a start: each is reported in one line, with an exit code, and no file is made.

use crate::support::{ACCOUNT, Done, Stage, TOKEN};

/// Checks the exit code and for a line of standard error that begins with the program's name and contains these words.
fn says(done: &Done, code: i32, words: &str) {
    assert_eq!(done.code, Some(code), "{done:?}");
    let line = done.stderr.lines().find(|line| line.starts_with("countersign: "));
    assert!(line.is_some_and(|line| line.contains(words)), "{words}: {done:?}");
    assert!(!done.stderr.contains("panicked") && done.stdout.is_empty(), "{done:?}");
}

const ANYWHERE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn serve(stage: &Stage, more: &[&str]) -> Done {
    stage.run(&[&ANYWHERE[..], more].concat())
}

#[test]
fn an_account_in_the_environment_is_whole_or_refused() {
    let (sid, token, file) =
        ("COUNTERSIGN_ACCOUNT_SID", "COUNTERSIGN_AUTH_TOKEN", "COUNTERSIGN_AUTH_TOKEN_FILE");
    let secret = &TOKEN[..31];
    for (variables, words) in [
        (&[(sid, ACCOUNT)][..], "neither COUNTERSIGN_AUTH_TOKEN nor"),
        (&[(token, TOKEN)], "COUNTERSIGN_ACCOUNT_SID is not"),
        (&[(sid, ACCOUNT), (token, secret)], "under 32 characters"),
        (
            &[
                (sid, ACCOUNT),
                (token, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ],
            "could be guessed: openssl rand",
        ),
        (&[(sid, "AC1"), (token, TOKEN)], "COUNTERSIGN_ACCOUNT_SID is invalid"),
        (&[(sid, "VA00000000000000000000000000000001"), (token, TOKEN)], "is invalid"),
        (&[(sid, ""), (token, TOKEN)], "COUNTERSIGN_ACCOUNT_SID is invalid"),
        (&[(sid, ACCOUNT), (token, TOKEN), (file, "x")], "are both set"),
        (&[(sid, ACCOUNT), (file, "/nowhere/token")], "COUNTERSIGN_AUTH_TOKEN_FILE is invalid"),
    ] {
        let mut stage = Stage::new();
        for (name, value) in variables {
            stage = stage.with(name, value);
        }
        let done = serve(&stage, &[]);
        says(&done, 1, words);
        assert!(!done.stderr.contains(secret), "no secret is repeated: {done:?}");
        assert!(!stage.data().exists(), "nothing was made");
    }
}

#[test]
fn a_setting_that_does_not_exist_or_is_out_of_bounds_is_named() {
    for (arguments, words) in [
        (&["--set", "http.nonsense=1"][..], "nonsense"),
        (&["--set", "nonsense=1"], "nonsense"),
        (&["--set", "nonsense"], "section.key=value"),
        (
            &["--set", "limits.notifications_per_challenge=many"],
            "limits.notifications_per_challenge",
        ),
        (&["--set", "limits.notifications_per_challenge=-1"], "limits.notifications_per_challenge"),
        (&["--set", "delivery.lease_seconds=5"], "delivery.lease_seconds must be 12 to 300"),
        (&["--set", "retention.challenges_days=0"], "would delete every challenge"),
        (&["--set", "retention.challenges_days=36501"], "must be 1 to 36500"),
        (&["--set", "http.body_bytes_max=10"], "http.body_bytes_max must be at least"),
        (&["--set", "console.session_seconds=299"], "console.session_seconds must be 300 to"),
        (&["--set", "console.session_seconds=2592001"], "console.session_seconds must be 300 to"),
        (&["--set", "console.session_idle_seconds=59"], "console.session_idle_seconds must be 60"),
        (
            &["--set", "console.session_seconds=300", "--set", "console.session_idle_seconds=301"],
            "console.session_idle_seconds must be 60 to console.session_seconds, which is 300",
        ),
        (&["--set", "log.format=loud"], "log.format"),
        (&["--set", "log.filter=[["], "log.filter is invalid"),
        (&["--set", "http.tls_key=key.pem"], "http.tls_certificate is not"),
        (&["--public-url", "verify.example.com"], "http.public_url"),
        (&["--public-url", "ftp://verify.example.com"], "http.public_url must be"),
        (&["--public-url", "https://a.example/?x=1"], "http.public_url must have no query"),
        (&["--public-url", "https://me:secret@a.example"], "http.public_url"),
        (&["--config", "/nowhere.toml"], "nowhere.toml"),
    ] {
        let stage = Stage::new();
        says(&serve(&stage, arguments), 1, words);
    }
    let stage = Stage::new();
    let file = stage.write("broken.toml", "[http\n");
    let done = serve(&stage, &["--config", &file]);
    says(&done, 1, "the configuration is invalid");
    assert!(done.stderr.contains("line 1") && done.stderr.contains("broken.toml"), "{done:?}");
}

#[test]
fn plain_http_is_for_this_machine_alone_unless_a_setting_allows_more() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let done = Stage::new().run(&["serve", "--listen", address]);
        says(&done, 1, "--insecure-http");
        assert!(done.stderr.contains(address.rsplit_once(':').unwrap().0), "{done:?}");
    }
    // This address is not of this machine: the start passes that check and fails to listen.
    let done = Stage::new().run(&["serve", "--listen", "192.0.2.1:80", "--insecure-http"]);
    says(&Done { stdout: String::new(), ..done }, 1, "cannot listen on 192.0.2.1:80");
    says(&Stage::new().run(&["serve", "--listen", "nowhere"]), 1, "http.listen");
}

#[test]
fn a_wrong_command_line_gets_the_usage() {
    for arguments in [&[][..], &["nonsense"], &["serve", "--nonsense"], &["accounts"]] {
        let done = Stage::new().run(arguments);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains("Usage: countersign"), "{done:?}");
    }
}

#[tokio::test]
async fn a_folder_serves_one_server_at_a_time() {
    let stage = Stage::new();
    let running = stage.serve(&[]).await;
    says(&serve(&stage, &[]), 1, "another countersign server is using the data folder");
    let elsewhere = Stage::new();
    let address = running.base.strip_prefix("http://").unwrap();
    let done = elsewhere.run(&["serve", "--listen", address]);
    says(&done, 1, &format!("cannot listen on {address}"));
    assert!(!elsewhere.data().join("first-account").exists(), "no account without a server");
    assert_eq!(running.stop().await.code, Some(0), "the first one did not notice");
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0), "the folder is free again");
}

#[tokio::test]
async fn a_database_is_opened_only_with_its_own_master_key() {
    let stage = Stage::new();
    stage.serve(&[]).await.stop().await;
    let key = stage.data().join("master.key");
    let right = std::fs::read_to_string(&key).unwrap();
    for (text, words) in [
        ("ab".repeat(32), "the master key does not belong to this database"),
        ("ab".repeat(31), "a master key has 64 hexadecimal digits"),
        ("zz".repeat(32), "a master key has 64 hexadecimal digits"),
        (String::new(), "a master key has 64 hexadecimal digits"),
    ] {
        std::fs::write(&key, &text).unwrap();
        let done = serve(&stage, &[]);
        says(&done, 1, words);
        assert!(text.is_empty() || !done.stderr.contains(&text), "{done:?}");
    }
    std::fs::remove_file(&key).unwrap();
    says(&serve(&stage, &[]), 1, "put the key back");
    assert!(!key.exists(), "no other one was made");
    for command in [&["accounts", "list"][..], &["accounts", "create"]] {
        says(&stage.run(command), 1, "put the key back");
    }
    let stage = stage.with("COUNTERSIGN_MASTER_KEY", right.trim());
    assert_eq!(stage.serve(&[]).await.stop().await.code, Some(0));
}
