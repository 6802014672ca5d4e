//! The remaining commands that decide by a time: access tokens, metadata, deletions, TOTP factors, protections and webhook
//! calls.

use std::time::Duration;

use countersign_domain::call_permits::{CallConcurrency, PermitPool};
use countersign_domain::call_queue::QueueLimits;
use countersign_domain::factor::FactorStatus;
use countersign_domain::protection::Protection;
use countersign_domain::sid::WebhookSid;
use countersign_domain::text::StringMap;
use countersign_domain::totp::TotpChange;
use countersign_domain::totp_code::CodeVerdict;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_store::seam::{
    CallsWanted, CodeUse, Enrolled, Inserted, Recorded, Retention, TotpEnrolment, TotpUpdate,
};
use countersign_testkit::postgres::TestDatabase;

use super::{DAYS, SECOND, STEP, is_given_up, node, set_right};

/// Longer than an access token lives, and shorter than a day.
const HOURS: Duration = Duration::from_secs(6 * 60 * 60);

/// All rows that the commands below could change.
const ROWS: &str = "SELECT string_agg(t, ' ' ORDER BY t) FROM (SELECT a::text AS t FROM access_tokens a UNION ALL \
                    SELECT e::text FROM entities e UNION ALL SELECT f::text FROM factors f UNION ALL \
                    SELECT f::text FROM totp_factors f UNION ALL SELECT c::text FROM challenges c UNION ALL \
                    SELECT c::text FROM webhook_calls c UNION ALL SELECT r::text FROM removals r UNION ALL \
                    SELECT p::text FROM protections p) AS rows";

#[tokio::test]
async fn tokens_metadata_deletions_and_calls_are_not_decided_by_a_wrong_time() {
    let database = TestDatabase::new();
    let (fixture, disagreed) = node(&database).await;
    let service = fixture.service().await;
    let hook = Webhook { event_types: vec![EventType::All], ..fixture.make.webhook(&service) };
    assert_eq!(fixture.store.create_webhook(&hook, 0).await, Ok(Inserted::Done));
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let challenge = fixture.challenge(&factor).await;
    let totp = fixture.totp_factor_in(FactorStatus::Unverified).await;
    let lease = fixture.lease_calls().await.remove(0);
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    let update = |at| TotpUpdate {
        entity: totp.owner.entity,
        sid: totp.sid,
        code: Some(fixture.shown(&totp, CodeVerdict::Right(7))),
        most_wrong: 0,
        change: TotpChange::default(),
        at,
    };
    let before = database.psql(ROWS);

    let (store, right) = (&fixture.store, fixture.now());
    for wrong in [right + STEP, right - STEP] {
        fixture.make.clock.step_wall(wrong);
        let (owner, disagreed) = (&factor.owner, disagreed.as_ref());
        let token = fixture.make.access_token(&service, &owner.identity);
        is_given_up("create_access_token", disagreed, store.create_access_token(&token)).await;
        let change = store.update_challenge(challenge.sid, &metadata, true, wrong);
        is_given_up("update_challenge", disagreed, change).await;
        let delete = store.delete_factor(owner.entity, factor.sid, wrong);
        is_given_up("delete_factor", disagreed, delete).await;
        let delete = store.delete_factor(totp.owner.entity, totp.sid, wrong);
        is_given_up("delete_factor, with codes", disagreed, delete).await;
        let delete = store.delete_entity(owner.service, &owner.identity, wrong);
        is_given_up("delete_entity", disagreed, delete).await;
        let made = fixture.make.totp_factor(owner);
        let enrolment = TotpEnrolment { factor: made, most_per_entity: 0, most_per_day: 0 };
        is_given_up("enrol_totp_factor", disagreed, store.enrol_totp_factor(&enrolment)).await;
        is_given_up("update_totp_factor", disagreed, store.update_totp_factor(&update(wrong)))
            .await;
        let cleared = Protection { pause: None, cause: None, counts_from: wrong };
        is_given_up("protect", disagreed, store.protect(owner, cleared)).await;
        let retry = AfterCall::Retry { at: wrong + SECOND };
        let settled = store.settle_call(&lease, retry, "status 500".into(), wrong);
        is_given_up("settle_call", disagreed, settled).await;
        let resent = store.resend_call(hook.sid, lease.id, wrong);
        is_given_up("resend_call", disagreed, resent).await;
    }
    assert_eq!(database.psql(ROWS), before);

    set_right(&fixture, &database);
    let (owner, now) = (&factor.owner, fixture.now());
    let token = fixture.make.access_token(&service, &owner.identity);
    assert_eq!(store.create_access_token(&token).await, Ok(Inserted::Done));
    let changed = store.update_challenge(challenge.sid, &metadata, true, now).await;
    assert_eq!(changed, Ok(Recorded::Done));
    assert!(matches!(store.update_totp_factor(&update(now)).await, Ok(CodeUse::Accepted(_))));
    assert!(matches!(
        fixture.enrol_totp(&fixture.make.totp_factor(owner)).await,
        Enrolled::Done(_)
    ));
    let retry = AfterCall::Retry { at: now };
    assert_eq!(store.settle_call(&lease, retry, "status 500".into(), now).await, Ok(true));
    assert_eq!(store.resend_call(hook.sid, lease.id, now).await, Ok(true));
    assert_eq!(store.delete_factor(owner.entity, factor.sid, now).await, Ok(true));
    assert_eq!(store.delete_entity(owner.service, &owner.identity, now).await, Ok(true));
}

/// The oldest calls of a webhook with too many are given up, and kept for some days, by the database's clock.
#[tokio::test]
async fn a_backlog_is_not_given_up_by_a_wrong_time() {
    let database = TestDatabase::new();
    let (fixture, disagreed) = node(&database).await;
    let service = fixture.service().await;
    let hook = Webhook { event_types: vec![EventType::All], ..fixture.make.webhook(&service) };
    assert_eq!(fixture.store.create_webhook(&hook, 0).await, Ok(Inserted::Done));
    for _ in 0..3 {
        fixture.factor_of(&service, &fixture.make.identity()).await;
    }
    let limits = QueueLimits { per_webhook: 1, per_account: 0 };
    let right = fixture.now();
    for wrong in [right + STEP, right - STEP] {
        let trimmed = fixture.store.trim_calls(limits, wrong);
        is_given_up("trim_calls", &disagreed, trimmed).await;
    }
    let trimmed = fixture.store.trim_calls(limits, fixture.now()).await;
    assert!(trimmed.is_ok_and(|backlog| backlog.given_up > 0));
}

/// Each step of a look for calls, and of a cleaning, is guarded by itself: here the steps before it have nothing to do.
#[tokio::test]
async fn leases_of_calls_and_what_is_kept_do_not_end_by_a_wrong_time() {
    let database = TestDatabase::new();
    let (fixture, disagreed) = node(&database).await;
    let service = fixture.service().await;
    let hook = Webhook { event_types: vec![EventType::All], ..fixture.make.webhook(&service) };
    assert_eq!(fixture.store.create_webhook(&hook, 0).await, Ok(Inserted::Done));
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    assert_eq!(fixture.lease_calls().await.len(), 1);
    // The expiry of this challenge is a call that sleeps until then.
    fixture.challenge(&factor).await;
    let token = fixture.make.access_token(&service, &factor.owner.identity);
    assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));
    let retention = Retention { challenges: DAYS };
    fixture.store.clean(fixture.now(), retention, 9).await.unwrap();
    let before = database.psql(ROWS);

    let (store, wrong) = (&fixture.store, fixture.now() + HOURS);
    let wanted = CallsWanted {
        node: fixture.make.node,
        now: wrong,
        until: wrong + STEP,
        permits: PermitPool { free: 9, ..PermitPool::default() },
        concurrency: CallConcurrency::default(),
        turn: WebhookSid::from_bytes([0; 16]),
    };
    is_given_up("lease_calls", &disagreed, store.lease_calls(&wanted)).await;
    is_given_up("clean", &disagreed, store.clean(wrong, retention, 9)).await;
    assert_eq!(database.psql(ROWS), before);
}
