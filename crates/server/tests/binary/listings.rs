//! `factors`, `challenges` and `events`, and `--json` of every listing: what support sees, and what nobody does.

use countersign_phone::{ServerOptions, Verdict};
use serde_json::Value;

use crate::support::{ACCOUNT, Application, Done, Stage, TOKEN};

fn lines(done: &Done) -> Vec<Value> {
    assert_eq!(done.code, Some(0), "{done:?}");
    done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The SID at the end of a path.
fn sid(path: &str) -> &str {
    path.rsplit('/').next().expect("a SID")
}

#[tokio::test]
async fn support_finds_a_person_by_identity_alone() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let phone = app.phone(&ServerOptions::default()).await;
    let hidden = ("HiddenDetails", r#"{"ip":"192.0.2.9"}"#);
    let form = [("Details.Message", "Log in from Lisbon?"), hidden];
    let first = app.challenge(&phone, &form).await;
    let second = app.challenge(&phone, &form).await;
    phone.answer(sid(&first), Verdict::Denied).await.expect("denied");

    let factors = lines(&stage.run(&["factors", "alice-0001", "--json"]));
    let [factor] = &factors[..] else { panic!("{factors:?}") };
    assert_eq!(factor["sid"], phone.factor_sid());
    assert_eq!((&factor["status"], &factor["platform"]), (&"verified".into(), &"stream".into()));
    let human = stage.run(&["factors", "alice-0001", "--service", phone.service_sid()]);
    assert!(
        human.stdout.contains(phone.factor_sid()) && human.stdout.contains("stream"),
        "{human:?}"
    );

    let by_identity = stage.run(&["challenges", "--identity", "alice-0001", "--json"]);
    let found = lines(&by_identity);
    let order: Vec<_> = found.iter().filter_map(|line| line["sid"].as_str()).collect();
    assert_eq!(order, [sid(&second), sid(&first)], "the newest comes first");
    assert_eq!(found[1]["status"], "denied");
    assert!(found[1]["date_responded"].is_string() && found[0]["date_responded"].is_null());
    for arguments in [
        &["challenges"][..],
        &["challenges", "--account", ACCOUNT],
        &["challenges", "--service", phone.service_sid()],
        &["events"],
    ] {
        let done = stage.run(&[arguments, &["--json"]].concat());
        let text = format!("{done:?}");
        assert!(text.contains(sid(&first)) && text.contains(sid(&second)), "{text}");
        assert!(!text.contains("Lisbon") && !text.contains("192.0.2.9"), "no text: {text}");
    }
    let pending = stage.run(&["challenges", "--status", "pending"]);
    assert!(pending.stdout.contains(sid(&second)) && !pending.stdout.contains(sid(&first)));
    let page = stage.run(&["challenges", "--limit", "1"]);
    assert!(page.stderr.contains(&format!("--before {}", sid(&second))), "{page:?}");
    let next = stage.run(&["challenges", "--limit", "1", "--before", sid(&second)]);
    assert!(next.stdout.starts_with(sid(&first)) && next.stdout.lines().count() == 1, "{next:?}");
    let shown = stage.run(&["challenges", "--messages"]);
    assert!(shown.stdout.contains("Lisbon") && !shown.stdout.contains("192.0.2.9"), "{shown:?}");

    let events: Vec<_> = lines(&stage.run(&["events", "--json"]))
        .into_iter()
        .map(|event| format!("{} {}", event["event"], event["challenge_sid"]))
        .collect();
    let expected = [("created", &first), ("created", &second), ("denied", &first)]
        .map(|(kind, path)| format!("\"challenge.{kind}\" \"{}\"", sid(path)));
    assert_eq!(events, expected, "in order");
    let last = stage.run(&["events", "--limit", "1"]).stdout;
    assert!(last.contains("denied") && last.lines().count() == 1, "{last}");
}

#[tokio::test]
async fn events_are_followed_as_they_happen_and_each_is_printed_once() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let phone = app.phone(&ServerOptions::default()).await;
    let form = [("Details.Message", "Log in?")];
    let old = app.challenge(&phone, &form).await;
    let (beside, data) = (Stage::new(), stage.data().display().to_string());
    let follower = beside.spawn(&["events", "--follow", "--data-dir", &data]);
    follower.prints(sid(&old)).await;
    let new = app.challenge(&phone, &form).await;
    follower.prints(sid(&new)).await;
    phone.answer(sid(&new), Verdict::Approved).await.expect("approved");
    follower.prints("approved").await;
    let printed = follower.stdout();
    assert_eq!(printed.matches("created").count(), 2, "{printed}");
    assert_eq!(printed.matches("approved").count(), 1, "{printed}");
}

#[tokio::test]
async fn a_pause_is_listed_shown_and_ended_beside_a_running_server() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let phone = app.phone(&ServerOptions::default()).await;
    let nobody = stage.run(&["pauses", "list"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(0), ""), "{nobody:?}");
    assert!(nobody.stderr.contains("Nobody is paused"), "{nobody:?}");
    let shown = stage.run(&["pauses", "show", "alice-0001"]);
    assert!(shown.stdout.contains("not paused"), "{shown:?}");
    let idle = stage.run(&["pauses", "end", "alice-0001"]);
    assert_eq!(idle.code, Some(1), "{idle:?}");
    assert!(idle.stderr.contains("alice-0001 is not paused"), "{idle:?}");

    let person = format!("/v2/Services/{}/Entities/alice-0001", phone.service_sid());
    let form = [("Paused", "true"), ("PauseHours", "3")];
    let (status, _) = app.post(&format!("{person}/Protection"), &form).await;
    assert_eq!(status, 200);
    for arguments in [
        &["pauses", "list", "--json"][..],
        &["pauses", "list", "--json", "--account", ACCOUNT],
        &["pauses", "list", "--json", "--service", phone.service_sid()],
        &["pauses", "show", "alice-0001", "--json"],
    ] {
        let found = lines(&stage.run(arguments));
        let [pause] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&pause["identity"], &pause["paused"]), (&"alice-0001".into(), &true.into()));
        assert_eq!(pause["reason"], "application");
        assert!(pause["paused_until"].is_string() && pause["service_sid"] == phone.service_sid());
    }
    let human = stage.run(&["pauses", "list"]).stdout;
    assert!(
        human.contains("alice-0001  paused until ") && human.contains("application"),
        "{human}"
    );
    let challenge = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    let (status, _) = app.post(&format!("{person}/Challenges"), &challenge).await;
    assert_eq!(status, 403);

    let ended = stage.run(&["pauses", "end", "alice-0001", "--json"]);
    assert_eq!(lines(&ended)[0]["paused"], false);
    let (status, _) = app.post(&format!("{person}/Challenges"), &challenge).await;
    assert_eq!(status, 201, "at once");
    let unknown = stage.run(&["pauses", "show", "bob-00001"]);
    assert!(unknown.stderr.contains("no service has the identity bob-00001"), "{unknown:?}");
}

#[tokio::test]
async fn every_listing_prints_json_and_no_secret() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    app.phone(&ServerOptions::default()).await;
    let created = stage.run(&["accounts", "create-key", ACCOUNT, "--name", "backend"]);
    let secret =
        created.stdout.split("api_key_secret=").nth(1).expect("a secret").trim().to_owned();
    let accounts = stage.run(&["accounts", "list", "--json"]);
    assert_eq!(lines(&accounts)[0]["sid"], ACCOUNT);
    assert_eq!(lines(&accounts)[0]["tokens"], 1);
    let keys = stage.run(&["accounts", "list-keys", ACCOUNT, "--json"]);
    assert_eq!(lines(&keys)[0]["friendly_name"], "backend");
    let webhooks = stage.run(&["webhooks", "--json"]);
    assert_eq!(lines(&webhooks), Vec::<Value>::new());
    let text = format!("{accounts:?}{keys:?}");
    assert!(!text.contains(TOKEN) && !text.contains(&secret), "{text}");
}

#[tokio::test]
async fn missing_and_malformed_sids_are_named() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    Application::of(&running).phone(&ServerOptions::default()).await;
    let (nobody, nothing) = (format!("AC{}", "0".repeat(32)), format!("VA{}", "0".repeat(32)));
    for (arguments, code, words) in [
        (&["factors", "bob-00001"][..], 1, "no service has the identity bob-00001"),
        (&["factors", "alice-0001", "--account", &nobody], 1, "there is no AC"),
        (&["challenges", "--service", &nothing], 1, "there is no VA"),
        (&["challenges", "--service", "VA1"], 2, "--service"),
        (&["challenges", "--status", "open"], 2, "pending, expired, approved or denied"),
        (&["challenges", "--limit", "0"], 2, "1..=1000"),
        (&["events", "--identity", "a/b"], 2, "--identity"),
    ] {
        let done = stage.run(arguments);
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(done.stderr.contains(words), "{words}: {done:?}");
    }
    let none = stage.run(&["challenges", "--json"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
}
