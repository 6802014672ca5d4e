//! Webhooks that fail, as the operator sees them.

use countersign_standins::webhook::Webhook;
use countersign_standins::{CommonOptions, ScriptedResponse};

use crate::support::{Application, Stage};

// The command blocks its thread until it ends; the stand-in needs another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_lists_webhooks_with_failing_calls() {
    let stage = Stage::with_account();
    let running = stage.serve(&["--allow-outgoing", "127.0.0.0/8"]).await;
    let none = stage.run(&["webhooks"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.contains("No webhook"), "{none:?}");

    let application = Application::of(&running);
    let service = application.create("/v2/Services", &[("FriendlyName", "owlbank")]).await;
    let service = format!("/v2/Services/{}", service["sid"].as_str().unwrap());
    let good = Webhook::start(None, CommonOptions::default()).await.unwrap();
    let bad = Webhook::start(None, CommonOptions::default()).await.unwrap();
    bad.script().always(ScriptedResponse::status(503));
    let mut sids = Vec::new();
    for listener in [&good, &bad] {
        let url = format!("{}/hook?key=not-for-the-list", listener.url());
        let form = [("FriendlyName", "x"), ("EventTypes", "factor.created"), ("WebhookUrl", &*url)];
        let made = application.create(&format!("{service}/Webhooks"), &form).await;
        sids.push(made["sid"].as_str().unwrap().to_owned());
    }
    let form = [("FriendlyName", "Ann's app"), ("FactorType", "totp")];
    application.create(&format!("{service}/Entities/alice-0001/Factors"), &form).await;
    good.events().wait_for(1).await;
    // Once the second call comes, the result of the first is stored.
    bad.events().wait_for(2).await;

    let listed = stage.run(&["webhooks"]);
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!((listed.code, lines.len()), (Some(0), 1), "{listed:?}");
    assert!(lines[0].starts_with(&format!("{}  127.0.0.1  waiting=1  given_up=0  next=", sids[1])));
    assert!(lines[0].ends_with("last=status 503"), "{listed:?}");
    assert!(!listed.stdout.contains("not-for-the-list"), "{listed:?}");
    running.stop().await;
}
