//! The security log: a line for whoever was let in, for whoever was not, and for what was changed; never a secret.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use countersign_phone::Options;
use countersign_verify::security::Event;
use serde_json::{Map, Value};

use crate::support::{ACCOUNT, Application, Done, Stage, TOKEN, client};

/// The filter that `docs/operating.md` tells operators to install.
const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fail2ban/countersign.conf");

fn stage() -> Stage {
    Stage::new().with("COUNTERSIGN_ACCOUNT_SID", ACCOUNT).with("COUNTERSIGN_AUTH_TOKEN", TOKEN)
}

/// The lines of the security log in a log of JSON.
fn lines(log: &str) -> Vec<Map<String, Value>> {
    let objects = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    objects.filter(|line: &Map<_, _>| line["target"] == "countersign::security").collect()
}

/// A browser, as far as the console needs one.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Loads a page, or sends a form; the status and the text.
    async fn ask(&mut self, url: &str, form: Option<&[(&str, &str)]>) -> (u16, String) {
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let client = builder.redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match form {
            None => client.get(url),
            Some(form) => client.post(url).form(form),
        };
        let answer = request.header("Cookie", cookies.join("; ")).send().await.expect("an answer");
        for set in answer.headers().get_all("set-cookie") {
            let pair = set.to_str().expect("text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    /// Sends the form of a page, with the page's own token.
    async fn submit(&mut self, page: &str, url: &str, form: &[(&str, &str)]) -> u16 {
        let (_, text) = self.ask(page, None).await;
        let token = text.split("name=\"form_token\" value=\"").nth(1).unwrap_or_default();
        let token = token.split('"').next().unwrap_or_default();
        self.ask(url, Some(&[form, &[("form_token", token)]].concat())).await.0
    }
}

/// Signs in to the console as a person would, and out again if that went well.
async fn visit_console(base: &str, secret: &str) -> u16 {
    let mut browser = Browser::default();
    let sign_in = format!("{base}/console/sign-in");
    let status = browser.submit(&sign_in, &sign_in, &[("user", ACCOUNT), ("secret", secret)]).await;
    if status < 400 {
        let (home, out) = (format!("{base}/console"), format!("{base}/console/sign-out"));
        assert!(browser.submit(&home, &out, &[]).await < 400);
    }
    status
}

#[tokio::test]
async fn what_matters_for_security_leaves_a_line_with_event_account_address_and_outcome() {
    let stage = stage();
    let running = stage.serve(&["--set", "log.format=json"]).await;
    let application = Application::of(&running);
    let phone = application.phone(&Options::default()).await;
    let service = format!("/v2/Services/{}", phone.service_sid());
    application.with(ACCOUNT, "a-wrong-token").get("/v2/Services").await;
    application.with("a-secret-in-the-wrong-field", "x").get("/v2/Services").await;
    application.with("token", "x.y.z").get("/v2/Services").await;
    assert_eq!(visit_console(&running.base, "a-wrong-token").await, 401);
    assert!(visit_console(&running.base, TOKEN).await < 400);
    let credential = application.create("/v1/Credentials", &[("Type", "gcm")]).await;
    let credential = credential["sid"].as_str().expect("a SID");
    application.post(&format!("/v1/Credentials/{credential}"), &[("FriendlyName", "app")]).await;
    let hook = [
        ("FriendlyName", "hook"),
        ("EventTypes", "*"),
        ("WebhookUrl", "https://a.example/hook?key=webhook-secret"),
    ];
    let webhook = application.create(&format!("{service}/Webhooks"), &hook).await;
    let webhook = webhook["sid"].as_str().expect("a SID").to_owned();
    application.post(&service, &[("FriendlyName", "owls")]).await;
    phone.delete().await.expect("it is removed");
    let delete = async |path: String| {
        let request = client().delete(format!("{}{path}", running.base));
        let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await;
        assert_eq!(answer.expect("an answer").status().as_u16(), 204, "{path}");
    };
    delete(format!("{service}/Webhooks/{webhook}")).await;
    delete(format!("/v1/Credentials/{credential}")).await;
    delete(service.clone()).await;
    let log = running.stop().await.stderr;

    for secret in ["a-wrong-token", "wrong-field", TOKEN, "webhook-secret", "x.y.z"] {
        let found: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{secret}: {found:#?}");
    }
    let lines = lines(&log);
    let factor = phone.factor_sid();
    for (event, outcome, subject) in [
        ("account.created", "success", Some("first")),
        ("service.created", "success", Some(phone.service_sid())),
        ("factor.created", "success", Some(factor)),
        ("factor.verified", "success", Some(factor)),
        ("credentials", "failure", Some(ACCOUNT)),
        ("credentials", "failure", None),
        ("sign_in", "failure", Some(ACCOUNT)),
        ("sign_in", "success", Some(ACCOUNT)),
        ("sign_out", "success", Some(ACCOUNT)),
        ("credential.created", "success", Some(credential)),
        ("credential.updated", "success", Some(credential)),
        ("credential.deleted", "success", Some(credential)),
        ("webhook.created", "success", Some(&webhook)),
        ("webhook.deleted", "success", Some(&webhook)),
        ("service.updated", "success", Some(phone.service_sid())),
        ("service.deleted", "success", Some(phone.service_sid())),
        ("factor.deleted", "success", Some(factor)),
    ] {
        let line = lines.iter().find(|line| {
            let text = |name: &str| line.get(name).and_then(Value::as_str);
            text("event") == Some(event)
                && text("outcome") == Some(outcome)
                && text("subject") == subject
        });
        let line = line.unwrap_or_else(|| panic!("{event} {outcome} {subject:?}: {lines:#?}"));
        let is_the_servers = event == "account.created";
        let address = (!is_the_servers).then_some("127.0.0.1");
        assert_eq!(line.get("address").and_then(Value::as_str), address, "{line:?}");
        assert_eq!(line["via"], if is_the_servers { "command" } else { "http" });
        let level = if outcome == "success" { "INFO" } else { "WARN" };
        assert_eq!(line["level"], level, "{line:?}");
        let names_account = subject.is_some() && !is_the_servers;
        assert!(!names_account || line["account"] == ACCOUNT, "{line:?}");
    }
}

#[test]
fn what_the_command_line_does_with_accounts_leaves_a_line() {
    let stage = stage();
    let running = stage.spawn(&["serve", "--listen", "127.0.0.1:0"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(running.says("is ready"));
    let run = |arguments: &[&str]| -> Done {
        let done = stage.run(&[&["accounts"], arguments].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    };
    let mut key = String::new();
    for (arguments, event) in [
        (&["create", "--name", "shop"][..], "account.created"),
        (&["rotate", ACCOUNT], "token.rotated"),
        (&["promote", ACCOUNT], "token.promoted"),
        (&["rotate", "--evict", ACCOUNT], "tokens.evicted"),
        (&["suspend", ACCOUNT], "account.suspended"),
        (&["resume", ACCOUNT], "account.resumed"),
        (&["create-key", ACCOUNT], "api_key.created"),
        (&["revoke-key", "KEY"], "api_key.revoked"),
    ] {
        let arguments: Vec<_> =
            arguments.iter().map(|word| if *word == "KEY" { key.as_str() } else { word }).collect();
        let done = run(&arguments);
        let line = done.stderr.lines().find(|line| line.contains(&format!("event=\"{event}\"")));
        let line = line.unwrap_or_else(|| panic!("{event}: {done:?}"));
        assert!(line.contains("countersign::security") && line.contains("via=\"command\""));
        for shown in done.stdout.lines().filter_map(|line| line.split_once('=')) {
            if shown.0.ends_with("token") || shown.0.ends_with("secret") {
                assert!(!done.stderr.contains(shown.1), "no secret: {done:?}");
            }
        }
        if let Some(sid) = done.stdout.lines().find_map(|line| line.strip_prefix("api_key_sid=")) {
            key = sid.to_owned();
        }
    }
}

#[tokio::test]
async fn strangers_fill_no_log_and_what_was_left_out_is_counted() {
    let stage = stage();
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
        let stage = stage();
        let running = stage.serve(&["--set", &format!("log.format={format}")]).await;
        let application = Application::of(&running);
        application.phone(&Options::default()).await;
        application.with(ACCOUNT, "wrong").get("/v2/Services").await;
        application.with("token", "x.y.z").get("/v2/Services").await;
        assert_eq!(visit_console(&running.base, "wrong").await, 401);
        assert!(visit_console(&running.base, TOKEN).await < 400);
        let log = running.stop().await.stderr;
        let expressions = expressions();
        assert!(!expressions.is_empty());
        // fail2ban takes the time away before it looks.
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
    let document = include_str!("../../../../docs/operating.md");
    let table = document.split("| `event` | when |").nth(1).expect("a table");
    let table = table.split("\n\n").next().expect("it ends");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let words = cells.flat_map(|cell| cell.split(['`', ',', ' ']));
    let documented: BTreeSet<_> = words.filter(|word| !word.is_empty()).collect();
    let all: BTreeSet<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
    assert_eq!(documented, all);
}
