//! The commands beside the server: `accounts`, `doctor`, `openapi`, and the help of all.

use countersign_server::version::VERSION;
use countersign_testkit::NatsServer;

use crate::support::{ACCOUNT, Application, Done, Stage, free_port};

/// The value of a line `name=value`.
fn value(done: &Done, name: &str) -> String {
    assert_eq!(done.code, Some(0), "{done:?}");
    let line = done.stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_else(|| panic!("{name} in {done:?}")).to_owned()
}

#[tokio::test]
async fn leaked_tokens_are_evicted_and_accounts_suspended_beside_a_running_server() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let status = async |user: &str, secret: &str| {
        Application::of(&running).with(user, secret).get("/v2/Services").await.0
    };
    let made = stage.run(&["accounts", "create"]);
    let (leaky, leaked) = (value(&made, "account_sid"), value(&made, "auth_token"));
    let second = value(&stage.run(&["accounts", "rotate", &leaky]), "secondary_auth_token");
    let evicted = stage.run(&["accounts", "rotate", &leaky, "--evict"]);
    let only = value(&evicted, "auth_token");
    assert!(evicted.stderr.contains("the only token"), "{evicted:?}");
    assert_eq!((status(&leaky, &leaked).await, status(&leaky, &second).await), (401, 401));
    assert_eq!(status(&leaky, &only).await, 200);

    let made = stage.run(&["accounts", "create"]);
    let (idle, token) = (value(&made, "account_sid"), value(&made, "auth_token"));
    assert_eq!(stage.run(&["accounts", "suspend", &idle]).code, Some(0));
    assert_eq!(status(&idle, &token).await, 401);
    let list = stage.run(&["accounts", "list"]).stdout;
    let line = list.lines().find(|line| line.contains(&idle)).expect("a line");
    assert!(line.contains("suspended"), "{line}");
    assert_eq!(stage.run(&["accounts", "resume", &idle]).code, Some(0));
    assert!(!stage.run(&["accounts", "list"]).stdout.contains("suspended"));
    let both = stage.run(&["accounts", "rotate", &idle, "--evict", "--replace"]);
    assert_ne!(both.code, Some(0), "{both:?}");
    let nobody = format!("AC{}", "0".repeat(32));
    for command in ["suspend", "resume"] {
        let done = stage.run(&["accounts", command, &nobody]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains("there is no"), "{done:?}");
    }
}

#[tokio::test]
async fn accounts_are_managed_beside_a_running_server() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let works = async |user: &str, secret: &str| {
        Application::of(&running).with(user, secret).get("/v2/Services").await.0 == 200
    };
    let made = stage.run(&["accounts", "create", "--name", "the shop"]);
    let (account, token) = (value(&made, "account_sid"), value(&made, "auth_token"));
    // The server has not read the key yet, so it has not cached it.
    let rotated = stage.run(&["accounts", "rotate", &account]);
    let second = value(&rotated, "secondary_auth_token");
    assert!(rotated.stderr.contains(&format!("accounts promote {account}")), "{rotated:?}");
    let promoted = stage.run(&["accounts", "promote", &account]);
    assert_eq!((promoted.code, promoted.stdout.as_str()), (Some(0), ""), "{promoted:?}");
    assert!(works(&account, &token).await && works(&account, &second).await);

    let created = stage.run(&["accounts", "create-key", &account, "--name", "backend"]);
    let (key, secret) = (value(&created, "api_key_sid"), value(&created, "api_key_secret"));
    assert!(works(&key, &secret).await);
    let unused = value(&stage.run(&["accounts", "create-key", &account]), "api_key_sid");
    let listed = stage.run(&["accounts", "list-keys", &account]);
    assert!(listed.stdout.contains(&key) && listed.stdout.contains("backend"), "{listed:?}");
    let cleaned =
        stage.run(&["accounts", "create-key", &account, "--name", "back\u{202e}end\u{200b} 2"]);
    assert_eq!(cleaned.code, Some(0), "{cleaned:?}");
    let listed = stage.run(&["accounts", "list-keys", &account]);
    assert!(listed.stdout.contains("backend 2"), "{listed:?}");
    for name in ["\u{202e}", ""] {
        let refused = stage.run(&["accounts", "create", "--name", name]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("--name must have 1 to 256 characters"), "{refused:?}");
    }
    assert!(!listed.stdout.contains(&secret), "{listed:?}");
    assert_eq!(stage.run(&["accounts", "revoke-key", &unused]).code, Some(0));
    let left = stage.run(&["accounts", "list-keys", &account]).stdout;
    assert!(left.contains(&key) && !left.contains(&unused), "{left}");

    // A second rotation would end the existing secondary token, so it needs `--replace`.
    let again = stage.run(&["accounts", "rotate", &account]);
    assert_eq!((again.code, &*again.stdout), (Some(1), ""), "{again:?}");
    assert!(again.stderr.contains("rotate --replace"), "{again:?}");
    assert!(works(&account, &token).await, "it still works");
    let replaced = stage.run(&["accounts", "rotate", &account, "--replace"]);
    value(&replaced, "secondary_auth_token");
    assert!(replaced.stderr.contains("no longer works"), "{replaced:?}");

    let list = stage.run(&["accounts", "list"]);
    assert_eq!(list.stdout.lines().count(), 2, "{list:?}");
    let line = list.stdout.lines().find(|line| line.contains(&account)).unwrap();
    assert!(line.contains("the shop") && line.contains("two tokens"), "{line}");
    assert!(list.stdout.contains(ACCOUNT) && list.stdout.contains("one token"), "{list:?}");
    assert!(!list.stdout.contains(&second), "{list:?}");

    let nobody = format!("AC{}", "0".repeat(32));
    for (arguments, words) in [
        (&["accounts", "promote", ACCOUNT][..], "has no secondary token"),
        (&["accounts", "rotate", &nobody], "there is no AC"),
        (&["accounts", "rotate", "AC1"], "is not the SID of an account"),
        (&["accounts", "create-key", &nobody], "there is no AC"),
        (&["accounts", "revoke-key", &unused], "there is no SK"),
        (&["accounts", "revoke-key", &account], "is not the SID of an API key"),
    ] {
        let done = stage.run(arguments);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(
            done.stderr.starts_with("countersign: ") && done.stderr.contains(words),
            "{done:?}"
        );
    }
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn an_enrolment_link_is_made_beside_a_running_server() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let made = app.create("/v2/Services", &[("FriendlyName", "Owl and Co")]).await;
    let service = made["sid"].as_str().unwrap();
    let public = "http.public_url=https://verify.example.com/";
    let done = stage.run(&[
        "enrol-link",
        "--service",
        service,
        "--identity",
        "alice-0001",
        "--set",
        public,
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stderr, "It enrols one device within 300 seconds.\n");
    let link = url::Url::parse(done.stdout.trim_end()).expect("a link and nothing else");
    assert_eq!(link[..url::Position::AfterPath], *"https://verify.example.com/authenticator");
    let told: std::collections::HashMap<_, _> =
        url::form_urlencoded::parse(link.fragment().unwrap().as_bytes()).into_owned().collect();
    assert_eq!((&*told["service"], &*told["identity"]), (service, "alice-0001"));
    assert!(!told.contains_key("name"), "the page asks the server for the name");
    let (_, key) = app.get(&format!("/v2/Services/{service}/WebPushKey")).await;
    assert_eq!(key["public_key"], told["push"]);

    // The token is good at the server that runs beside it.
    let enrol = ["phone", "enrol", "--server", &running.base, "--service", service];
    let who = ["--identity", "alice-0001", "--access-token", &told["token"]];
    let enrolled = stage.run(&[&enrol[..], &who].concat());
    assert_eq!(enrolled.code, Some(0), "{enrolled:?}");

    let nothing = format!("VA{}", "0".repeat(32));
    for (service, identity, words) in [
        (&*nothing, "alice-0001", "there is no VA"),
        ("VA1", "alice-0001", "is not the SID of a service"),
        (service, "al", "--identity"),
    ] {
        let done = stage.run(&["enrol-link", "--service", service, "--identity", identity]);
        assert_eq!((done.code, &*done.stdout), (Some(1), ""), "{done:?}");
        assert!(done.stderr.contains(words), "{done:?}");
    }
    let open = "http.public_url=http://verify.example.com";
    let done =
        stage.run(&["enrol-link", "--service", service, "--identity", "alice-0001", "--set", open]);
    assert!(done.stderr.contains("only on https pages"), "{done:?}");
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn doctor_reports_each_fault_in_a_line() {
    let free = format!("http.listen=127.0.0.1:{}", free_port());
    let stage = Stage::new();
    stage.serve(&[]).await.stop().await;
    let done = stage.run(&["doctor", "--set", &free]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.ends_with("All is well.\n"), "{done:?}");
    assert!(done.stdout.lines().filter(|line| line.starts_with("ok ")).count() >= 4, "{done:?}");

    let running = stage.serve(&[]).await;
    let taken = running.base.replace("http://", "http.listen=");
    let beside = stage.run(&["doctor", "--set", &taken]);
    assert_eq!(beside.code, Some(0), "a running server is no fault: {beside:?}");
    assert!(beside.stdout.contains("a server is using it"), "{beside:?}");
    let elsewhere = Stage::new().run(&["doctor", "--set", &taken]);
    assert_eq!(elsewhere.code, Some(1), "{elsewhere:?}");
    assert!(elsewhere.stdout.contains("WRONG  http.listen"), "{elsewhere:?}");
    running.stop().await;

    std::fs::write(stage.data().join("master.key"), "ab".repeat(32)).unwrap();
    let certificate = stage.write("chain.pem", "no certificate");
    let certificate = format!("http.tls_certificate={certificate}");
    let key = format!("http.tls_key={}", stage.write("key.pem", "no key"));
    let done = stage.run(&["doctor", "--set", &free, "--set", &certificate, "--set", &key]);
    assert_eq!(done.code, Some(1), "{done:?}");
    for words in [
        "WRONG  database and master key: the master key does not belong",
        "WRONG  http.tls_certificate",
        "2 problems found.",
    ] {
        assert!(done.stdout.contains(words), "{words}: {done:?}");
    }
    let done = stage.run(&["doctor", "--set", "http.nonsense=1"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stdout.contains("WRONG  configuration") && done.stdout.contains("nonsense"),
        "{done:?}"
    );
}

#[test]
fn doctor_tries_the_bus_and_names_the_settings() {
    let nats = NatsServer::start("authorization { user: countersign, password: correct-horse }");
    let stage = Stage::new();
    let server = format!("bus.nats={}", nats.url());
    let file = format!("bus.password_file={}", stage.write("password", "correct-horse\n"));
    let free = format!("http.listen=127.0.0.1:{}", free_port());
    let doctor = |settings: &[&str]| {
        let settings = [settings, &[&free]].concat();
        let arguments: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        stage.run(&[&["doctor"], &arguments[..]].concat()).stdout
    };
    let right = doctor(&[&server, "bus.user=countersign", &file]);
    assert!(right.contains("ok     bus.nats: nats-server 2."), "{right}");
    assert!(right.contains("WRONG  bus and database: bus.nats is set"), "{right}");
    let wrong = doctor(&[&server, "bus.user=countersing", &file]);
    assert!(
        wrong.contains("WRONG  bus.nats: bus.user, bus.password_file: the NATS server rejects"),
        "{wrong}"
    );
    let nobody = doctor(&["bus.nats=nats://127.0.0.1:1"]);
    assert!(
        nobody.contains("WRONG  bus.nats: bus.nats: no NATS server can be reached"),
        "{nobody}"
    );
    for said in [right, wrong, nobody] {
        assert!(!said.contains("correct-horse"), "{said}");
    }

    let refused = stage.run(&["serve", "--set", &server, "--set", &free]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("bus.nats is set, and the database is SQLite"), "{refused:?}");
}

#[test]
fn openapi_prints_a_document_for_the_public_address() {
    let stage = Stage::new();
    let done = stage.run(&["openapi", "--set", "http.public_url=https://verify.example.com/"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let document: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(document["servers"][0]["url"], "https://verify.example.com");
    let path =
        "/v2/Services/{ServiceSid}/Entities/{Identity}/Challenges/{ChallengeSid}/Notifications";
    assert!(document["paths"][path]["post"].is_object(), "the call that all of this is for");
    assert!(!stage.data().exists(), "it needs no folder");
}

#[test]
fn every_command_explains_itself() {
    let stage = Stage::new();
    let mut asked = vec![vec![]];
    let mut seen = 0;
    while let Some(command) = asked.pop() {
        let done = stage.run(&[&command[..], &["--help"]].concat());
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{command:?}");
        assert!(done.stdout.contains("Usage: countersign"), "{command:?}: {done:?}");
        let is_first = command.is_empty();
        assert!(
            !is_first || done.stdout.starts_with("Self-hosted push verification: an"),
            "{done:?}"
        );
        let wide = done.stdout.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command:?}");
        seen += 1;
        let listed = done.stdout.split_once("Commands:\n").map_or("", |(_, listed)| listed);
        let names = listed.lines().take_while(|line| line.starts_with("  "));
        for name in names
            .filter(|line| !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
        {
            if name != "help" {
                let name: &'static str = name.to_owned().leak();
                asked.push([&command[..], &[name]].concat());
            }
        }
    }
    assert!(seen >= 20, "the commands and their commands: {seen}");
    let version = stage.run(&["--version"]);
    assert_eq!(version.stdout, format!("countersign {VERSION}\n"));
    assert!(!stage.data().exists(), "and makes nothing");
}
