//! `countersign phone`: what it prints, and what it asks its person for.

use serde_json::Value;

use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN};

const IDENTITY: &str = "alice-0001";

/// Enrols a phone that keeps its key in a file of this name.
fn enrol(stage: &Stage, running: &Running, service: &str, name: &str) -> String {
    let file = stage.path(name).display().to_string();
    let server = ["phone", "enrol", "--server", &running.base, "--service", service];
    let who = ["--identity", IDENTITY, "--account", ACCOUNT, "--auth-token", TOKEN];
    let done = stage.run(&[&server[..], &who, &["--file", &file]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    file
}

async fn service(app: &Application) -> String {
    let made = app.create("/v2/Services", &[("FriendlyName", "owlbank")]).await;
    made["sid"].as_str().expect("a SID").to_owned()
}

/// Asks all devices of the person; returns the challenges.
async fn ask_all(app: &Application, service: &str) -> Vec<Value> {
    let path = format!("/v2/Services/{service}/Entities/{IDENTITY}/Challenges");
    let form = [("Devices", "all"), ("Details.Message", "Log in from Lisbon?")];
    let group = app.create(&path, &form).await;
    group["challenges"].as_array().expect("challenges").clone()
}

#[tokio::test]
async fn an_approval_says_that_the_person_was_verified_only_on_their_word() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let service = service(&app).await;
    let file = enrol(&stage, &running, &service, "phone.json");
    let path = format!("/v2/Services/{service}/Protection");
    assert_eq!(app.post(&path, &[("UserVerification", "required")]).await.0, 200);
    let asked = ask_all(&app, &service).await;
    let sid = asked[0]["sid"].as_str().expect("a SID");
    let refused = stage.run(&["phone", "approve", sid, "--file", &file]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("give --verify-user"), "{refused:?}");
    let approved = stage.run(&["phone", "approve", sid, "--file", &file, "--verify-user"]);
    assert_eq!(approved.code, Some(0), "{approved:?}");
    assert!(approved.stdout.contains("approved"), "{approved:?}");
}

#[tokio::test]
async fn a_phone_prints_that_another_device_has_answered() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let service = service(&app).await;
    let first = enrol(&stage, &running, &service, "first.json");
    let second = enrol(&stage, &running, &service, "second.json");
    let (beside, file) = (Stage::new(), second.clone());
    let listening = beside.spawn(&["phone", "listen", "--file", &file]);
    listening.prints("connected as").await;
    let asked = ask_all(&app, &service).await;
    listening.prints("Log in from Lisbon?").await;
    let of = |file: &str| {
        let kept = std::fs::read_to_string(file).expect("the phone's file");
        let own =
            asked.iter().find(|one| kept.contains(one["factor_sid"].as_str().expect("a SID")));
        own.expect("a challenge")["sid"].as_str().expect("a SID").to_owned()
    };
    let denied = stage.run(&["phone", "deny", &of(&first), "--file", &first]);
    assert_eq!(denied.code, Some(0), "{denied:?}");
    listening.prints("Log in from Lisbon?: it was answered on another device").await;
    let late = stage.run(&["phone", "approve", &of(&second), "--file", &second]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stdout.contains("answered on another device"), "{late:?}");
    assert!(late.stderr.contains("it was answered on another device"), "{late:?}");
}
