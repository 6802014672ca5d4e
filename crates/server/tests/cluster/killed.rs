//! A node dies of `kill -9`, with work that only it may do, and comes back.

use std::time::Instant;

use countersign_phone::Event;
use countersign_testkit::postgres::TestDatabase;

use crate::load::challenges_path;
use crate::phones::listener;
use crate::stage::Stage;
use crate::{PATIENCE, ledger, until};

/// Challenges before and after.
const BESIDE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_a_killed_node_is_taken_over() {
    let database = TestDatabase::new();
    let mut stage = Stage::set(&database.url(), 3).await;
    let phones = stage.listening_phones(9).await;
    // Its prompts stay leased by the node that accepted them until it acknowledges them.
    let hesitant = stage.phone("hesitant-0001").await;
    let mut hesitant_listener = listener(&hesitant);
    hesitant_listener.set_automatic_ack(false);
    let linked = hesitant_listener.next().await.expect("it connects");
    assert!(matches!(linked, Event::Linked(_)), "{linked:?}");
    let load = stage.load(&phones);
    load.more(BESIDE).await;

    let form = [("FactorSid", hesitant.factor_sid()), ("Details.Message", "Log in?")];
    let challenge = stage.api.post(0, &challenges_path(&hesitant), &form).await.expect("201");
    let prompt = loop {
        if let Event::Prompt(prompt) = hesitant_listener.next().await.expect("it listens") {
            break prompt;
        }
    };
    assert_eq!(prompt.challenge_sid, challenge["sid"].as_str().expect("a SID"));
    hesitant_listener.set_automatic_ack(true);
    stage.nodes[0].kill();
    let killed = Instant::now();
    let offered_again = async {
        loop {
            if let Event::Prompt(again) = hesitant_listener.next().await.expect("it listens") {
                return again;
            }
        }
    };
    let again = tokio::time::timeout(PATIENCE, offered_again).await.expect("taken over");
    let takeover = killed.elapsed();
    assert_eq!(again.notification_sid, prompt.notification_sid);
    let path = format!("{}/{}/Notifications", challenges_path(&hesitant), again.challenge_sid);
    until("the acknowledgement counts", async || {
        let (_, body) = stage.api.get(1, &path).await?;
        (body["notifications"][0]["status"] == "delivered").then_some(())
    })
    .await;

    stage.nodes[0].begin();
    stage.nodes[0].is_ready().await;
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!("a node killed: taken over after {takeover:.1?}; {told}");
}
