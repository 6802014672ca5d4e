//! `countersign proof`, and the check with openssl that the documentation shows.

use std::process::Command;

use countersign_phone::{ServerOptions, Verdict};

use crate::support::{Application, Done, Stage};

const PAGE: &str = include_str!("../../../../docs/integrate/proofs.md");

/// The script of the page.
fn script() -> &'static str {
    let (_, section) = PAGE.split_once("## Check it with openssl").expect("its section");
    let (_, script) = section.split_once("```sh\n").expect("a script");
    script.split_once("```").expect("its end").0
}

/// Runs the script on a file; whether it succeeds, and its output.
fn openssl(stage: &Stage, file: &str) -> (bool, String) {
    let script = stage.write("check.sh", script());
    let folder = std::path::Path::new(file).parent().expect("a folder");
    let ran = Command::new("sh").arg(script).arg(file).current_dir(folder).output();
    let ran = ran.expect("there is sh");
    (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[tokio::test]
async fn a_proof_is_shown_and_checked_by_the_command_and_by_openssl() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let form = [
        ("Details.Message", "Log in from Lisbon?"),
        ("Details.Fields", r#"{"label":"Place","value":"Porto"}"#),
    ];
    let path = application.challenge(&phone, &form).await;
    let sid = path.rsplit_once('/').expect("a SID").1;
    let verify = |file: &str, more: &[&str]| -> Done {
        stage.run(&[&["proof", "verify", file], more].concat())
    };

    let early = stage.run(&["proof", "show", sid]);
    assert!(early.code == Some(1) && early.stderr.contains("has no answer"), "{early:?}");
    phone.answer(sid, Verdict::Approved).await.expect("an answer");
    let shown = stage.run(&["proof", "show", sid]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let (_, fetched) = application.get(&format!("{path}/Proof")).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown.stdout).unwrap(), fetched);
    let unknown = stage.run(&["proof", "show", "YC00000000000000000000000000000000"]);
    assert!(
        unknown.code == Some(1) && unknown.stderr.contains("there is no challenge"),
        "{unknown:?}"
    );

    let file = stage.write("proof.json", &shown.stdout);
    let checked = verify(&file, &[]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for words in ["has approved", sid, "alice-0001", "Log in from Lisbon?", "Place: Porto", "--key"]
    {
        assert!(checked.stdout.contains(words), "{words}: {checked:?}");
    }
    let key = fetched["public_key"].as_str().expect("a key");
    assert!(!verify(&file, &["--key", key]).stdout.contains("--key"));
    let signed: serde_json::Value =
        serde_json::from_str(&verify(&file, &["--json"]).stdout).unwrap();
    assert_eq!((&signed["sid"], &signed["status"]), (&sid.into(), &"approved".into()));
    let (holds, said) = openssl(&stage, &file);
    assert!(holds && said == "Verified OK\ntrue\n", "{said}");

    for (what, from, to) in [
        ("status", "\"approved\"", "\"denied\""),
        ("identity", "\"alice-0001\"", "\"mallory-01\""),
        (
            "public_key",
            key,
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==",
        ),
    ] {
        let forged = stage.write("forged.json", &shown.stdout.replace(from, to));
        let refused = verify(&forged, &[]);
        assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
        assert!(refused.stderr.contains(what), "{what}: {refused:?}");
        assert!(!openssl(&stage, &forged).0, "{what}");
    }
    let other = phone_of_another(&application).await;
    let refused = verify(&file, &["--key", &other]);
    assert!(refused.code == Some(1) && refused.stderr.contains("another key"), "{refused:?}");
    let none = stage.write("none.json", "{}");
    assert!(verify(&none, &[]).stderr.contains("no proof of an answer"));
    assert_eq!(running.stop().await.code, Some(0));
}

/// The key of another phone.
async fn phone_of_another(application: &Application) -> String {
    let phone = application.phone(&ServerOptions::default()).await;
    let path = application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    let sid = path.rsplit_once('/').expect("a SID").1;
    phone.answer(sid, Verdict::Approved).await.expect("an answer");
    let (_, proof) = application.get(&format!("{path}/Proof")).await;
    proof["public_key"].as_str().expect("a key").to_owned()
}
