//! Words of a newer release in rows that this release reads: while nodes of two releases share a database, and after a downgrade.

use countersign_domain::ending::{Ending, NotificationStatus, StatusReason};
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::webhook_call::AfterCall;

use super::fixture::Fixture;
use super::webhook_fixture::{TAKEN, hook, lease, settle};
use crate::seam::CallList;

/// The writes of a newer release, in statements that both databases understand.
const WRITES: [&str; 3] = [
    "UPDATE webhook_calls SET event = 'challenge.sung'",
    "UPDATE calls_taken SET event = 'challenge.sung'",
    "UPDATE notifications SET reason = 'tired', attempts = '{\"sung\":true}' || char_10 || attempts",
];

/// Runs the rule. `run` runs a statement of `WRITES` beside the store, with the line feed as the database writes it.
pub async fn words_of_a_newer_release_do_not_fail_reads(
    fixture: &Fixture,
    line_feed: &str,
    run: impl Fn(&str),
) {
    let service = fixture.service().await;
    let webhook = hook(fixture, &service).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let challenge = fixture.challenge(&factor).await;
    let delivery = fixture.leased(&challenge).await;
    let failed = Ending {
        status: NotificationStatus::Failed,
        reason: Some(StatusReason::Refused),
        code: None,
    };
    let attempt = fixture.attempted(Outcome::Acknowledged, AfterAttempt::Done(failed));
    assert!(fixture.settle(&delivery, attempt).await);
    assert!(settle(fixture, &lease(fixture).await[0], TAKEN).await);
    fixture.answer(&challenge).await;
    let later = AfterCall::Retry { at: fixture.later(5) };
    assert!(settle(fixture, &lease(fixture).await[0], later).await);
    let other = fixture.challenge(&factor).await;
    fixture.answer(&other).await;
    let before = fixture.notification(&delivery).await;

    for write in WRITES {
        run(&write.replace("char_10", line_feed));
    }

    let store = &fixture.store;
    for calls in [
        store.list_calls(webhook.sid, CallList::Failing, None, 10).await.unwrap(),
        store.calls_about(webhook.sid, factor.sid, None, 10).await.unwrap(),
    ] {
        assert!(!calls.is_empty());
        assert!(calls.iter().all(|call| call.event == "challenge.sung"), "{calls:?}");
    }
    fixture.pass(5);
    assert!(settle(fixture, &lease(fixture).await[0], TAKEN).await);
    let taken = store.taken_calls(challenge.sid, 10).await.unwrap();
    assert_eq!(
        taken.iter().map(|call| call.event.as_str()).collect::<Vec<_>>(),
        ["challenge.sung"]
    );

    let after = fixture.notification(&delivery).await;
    assert_eq!(after.ending, Some(Ending { reason: None, ..failed }));
    assert_eq!(after.attempts, before.attempts, "unknown attempts are left out");
}
