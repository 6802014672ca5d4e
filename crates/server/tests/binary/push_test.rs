//! `push-test`: a push service's response about a credential, explained.

use countersign_standins::apns::{Reason, Refusal};
use countersign_standins::{Options, run};
use rcgen::KeyPair;

use crate::support::{Application, Stage};

// The command blocks its thread until it ends; the stand-ins need another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_tried_beside_a_running_server() {
    let others = run(Options::default()).await.unwrap();
    let stage = Stage::with_account();
    let ca = stage.write("ca.pem", others.authority.pem());
    let stage = stage
        .with("COUNTERSIGN_OUTGOING__APNS_URL", others.apns.url().as_ref())
        .with("COUNTERSIGN_OUTGOING__FCM_URL", others.fcm.url().as_ref())
        .with("COUNTERSIGN_OUTGOING__ROOTS", &ca)
        .with("COUNTERSIGN_OUTGOING__ALLOW", "127.0.0.0/8");
    let running = stage.serve(&[]).await;
    let application = Application::of(&running);
    let credential = async |form: &[(&str, &str)]| {
        let made = application.create("/v1/Credentials", form).await;
        made["sid"].as_str().unwrap().to_owned()
    };
    let key = others.apns.key();
    let apple = |pem| {
        [("Type", "apn"), ("PrivateKey", pem), ("KeyId", &*key.key_id), ("TeamId", &*key.team_id)]
    };
    let app = &*key.topics[0];
    let good = credential(&apple(&key.pem)).await;
    let foreign_key = KeyPair::generate().unwrap().serialize_pem();
    let foreign = credential(&apple(&foreign_key)).await;
    let account = others.fcm.service_account().to_string();
    let google = credential(&[("Type", "fcm"), ("Secret", &account)]).await;

    for (answer, code, words) in [
        (Reason::TooManyRequests, 3, "asks for fewer pushes"),
        (Reason::InternalServerError, 3, "cannot be reached or fails"),
        (Reason::PayloadTooLarge, 3, "refuses this push"),
        (Reason::InvalidProviderToken, 1, "the credential does not work"),
    ] {
        others.apns.script().always(Refusal::from(answer));
        // Each run makes a provider token of its own.
        others.apns.forget_provider_tokens();
        let token = "ab".repeat(32);
        let send = ["push-test", &good, "--app-id", app, "--send", "--token", &token];
        let done = stage.run(&send);
        assert_eq!(done.code, Some(code), "{answer:?} {done:?}");
        assert!(done.stdout.contains(words), "{words}: {done:?}");
    }
    others.apns.script().clear();
    others.apns.forget_provider_tokens();
    let nowhere = "outgoing.apns_url=https://127.0.0.1:1";
    let done = stage.run(&["push-test", &good, "--app-id", app, "--set", nowhere]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.stdout.contains("says nothing about the credential"), "{done:?}");

    let nobody = format!("CR{}", "0".repeat(32));
    for (arguments, code, words) in [
        (&[&*good, "--app-id", app][..], 0, "Apple takes the credential"),
        (&[&foreign, "--app-id", app], 1, "InvalidProviderToken"),
        (&[&google, "--app-id", app, "--token", &"t".repeat(64)], 0, "the credential works"),
        (&[&nobody, "--app-id", app], 1, "there is no CR"),
        (&["CR1", "--app-id", app], 1, "is not the SID of a credential"),
        (&[&good], 2, "--app-id"),
        (&[&good, "--app-id", app, "--send"], 2, "--token"),
    ] {
        let done = stage.run(&[&["push-test"], arguments].concat());
        assert_eq!(done.code, Some(code), "{arguments:?} {done:?}");
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains(words), "{words}: {said}");
    }
}
