//! The events that webhooks are called for. Calls are stored by the command that causes their event.

use countersign_domain::challenge::Verdict;
use countersign_domain::ending::{Ending, ErrorCode, StatusReason};
use countersign_domain::factor::FactorStatus;
use countersign_domain::factor::{Factor, FactorChange};
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::protection::PromptLimits;
use countersign_domain::settled::Settled;
use countersign_domain::totp::TotpChange;
use countersign_domain::totp_code::CodeVerdict;
use countersign_domain::webhook::EventType;
use countersign_domain::webhook_call::CallLease;

use super::fixture::Fixture;
use super::webhook_fixture::{TAKEN, field, hook_for};
use crate::seam::{Answer, CodeUse, Opened, Opening, Recorded, TotpUpdate};

/// Leases and settles all calls that are due.
async fn told(fixture: &Fixture) -> Vec<CallLease> {
    let mut all = Vec::new();
    loop {
        let leases = fixture.lease_calls().await;
        if leases.is_empty() {
            return all;
        }
        for lease in leases {
            let settled = fixture.store.settle_call(&lease, TAKEN, "".into(), fixture.now()).await;
            assert_eq!(settled, Ok(true));
            all.push(lease);
        }
    }
}

fn types(calls: &[CallLease]) -> Vec<&str> {
    calls.iter().map(|call| field(call, "type")).collect()
}

async fn verify(fixture: &Fixture, factor: &Factor) {
    let change = FactorChange { verified: true, ..FactorChange::default() };
    let updated =
        fixture.store.update_factor(factor.owner.entity, factor.sid, &change, fixture.now()).await;
    assert!(updated.unwrap().is_some());
}

/// The factor is verified once. A service without webhooks stores no calls.
pub async fn changes_of_a_factor_cause_calls(fixture: &Fixture) {
    let (service, silent) = (fixture.service().await, fixture.service().await);
    hook_for(fixture, &service, &[EventType::All]).await;
    let owner = fixture.make.entity(&service, &fixture.make.identity()).owner;
    let mut factor = fixture.make.factor(&owner);
    factor.status = FactorStatus::Unverified;
    fixture.enrol(&factor, None).await;
    fixture.factor_of(&silent, &fixture.make.identity()).await;
    for _ in 0..2 {
        fixture.pass(1);
        verify(fixture, &factor).await;
    }
    fixture.pass(1);
    let deleted = fixture.store.delete_factor(owner.entity, factor.sid, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    let calls = told(fixture).await;
    assert_eq!(types(&calls), ["factor.created", "factor.verified", "factor.deleted"]);
    for call in &calls {
        assert_eq!(field(call, "uuid"), call.id.to_string());
        assert_eq!(field(call, "factor_sid"), factor.sid.to_string());
        assert_eq!(field(call, "factor_type"), "push");
        assert_eq!(field(call, "entity_identity"), owner.identity.as_str());
        assert_eq!(field(call, "factor_friendly_name"), factor.friendly_name.as_str());
        assert_eq!(field(call, "date_created"), factor.created_at.to_string());
    }
}

/// Each approval by a code too, whether the code came with the challenge or later.
pub async fn changes_of_a_totp_factor_cause_calls(fixture: &Fixture) {
    let factor = fixture.totp_factor_in(FactorStatus::Unverified).await;
    let owner = &factor.owner;
    let service = fixture.store.service(owner.service).await.unwrap().unwrap();
    hook_for(fixture, &service, &[EventType::All]).await;
    let other = fixture.totp_factor_of(&service, &fixture.make.identity()).await;
    assert_eq!(types(&told(fixture).await), ["factor.created"]);
    let show = async |step| {
        fixture.pass(1);
        let update = TotpUpdate {
            entity: owner.entity,
            sid: factor.sid,
            code: Some(fixture.shown(&factor, CodeVerdict::Right(step))),
            most_wrong: 0,
            change: TotpChange::default(),
            at: fixture.now(),
        };
        let shown = fixture.store.update_totp_factor(&update).await.unwrap();
        assert!(matches!(shown, CodeUse::Accepted(_)));
    };
    show(1).await;
    show(2).await;
    assert_eq!(types(&told(fixture).await), ["factor.verified"]);
    let challenge = fixture.code_challenge(&factor).await;
    let at = fixture.now();
    let code = fixture.shown(&factor, CodeVerdict::Right(3));
    let answered = fixture.store.answer_by_code(challenge.sid, code, 0, None, at).await;
    assert_eq!(answered, Ok(Ok(CodeUse::Accepted(()))));
    let with_code = fixture.make.code_challenge(&factor);
    for (challenge, code, opened) in [
        (&with_code, CodeVerdict::Right(4), Opened::Done),
        (&fixture.make.code_challenge(&factor), CodeVerdict::Wrong, Opened::WrongCode),
    ] {
        fixture.pass(1);
        let opening = Opening {
            challenge: challenge.clone(),
            notification: None,
            code: Some(fixture.shown(&factor, code)),
            most_per_factor_hour: 0,
            most_per_factor_day: 0,
            most_per_entity_hour: 0,
            prompts: PromptLimits::OFF,
        };
        assert_eq!(fixture.store.open_challenge(&opening).await, Ok(opened));
    }
    let calls = told(fixture).await;
    assert_eq!(types(&calls), ["challenge.approved", "challenge.approved"]);
    assert_eq!(field(&calls[0], "challenge_sid"), challenge.sid.to_string());
    assert_eq!(field(&calls[1], "challenge_sid"), with_code.sid.to_string());
    assert_eq!(field(&calls[1], "factor_friendly_name"), factor.friendly_name.as_str());
    assert_eq!(field(&calls[1], "factor_type"), "totp");
    let entity = other.owner.entity;
    assert_eq!(fixture.store.delete_factor(entity, other.sid, fixture.now()).await, Ok(true));
    assert_eq!(types(&told(fixture).await), ["factor.deleted"]);
}

/// Of factors of both types.
pub async fn deleting_an_entity_causes_calls_about_its_factors(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let push = fixture.factor_of(&service, &identity).await.sid;
    let totp = fixture.totp_factor_of(&service, &identity).await.sid;
    hook_for(fixture, &service, &[EventType::FactorDeleted]).await;
    let deleted = fixture.store.delete_entity(service.sid, &identity, fixture.now()).await;
    assert_eq!(deleted, Ok(true));
    let calls = told(fixture).await;
    assert_eq!(types(&calls), ["factor.deleted", "factor.deleted"]);
    for sid in [push, totp] {
        assert!(calls.iter().any(|call| field(call, "factor_sid") == sid.to_string()));
    }
}

/// With the verdict. A second answer causes no event.
pub async fn an_answer_causes_a_call_with_its_challenge(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let service = fixture.store.service(factor.owner.service).await.unwrap().unwrap();
    hook_for(fixture, &service, &[EventType::All]).await;
    for (verdict, kind) in
        [(Verdict::Approved, "challenge.approved"), (Verdict::Denied, "challenge.denied")]
    {
        let challenge = fixture.challenge(&factor).await;
        fixture.pass(1);
        for _ in 0..2 {
            let at = fixture.now();
            fixture.store.answer_challenge(Answer::new(challenge.sid, verdict, at)).await.unwrap();
        }
        let calls = told(fixture).await;
        assert_eq!(types(&calls), [kind]);
        assert_eq!(field(&calls[0], "challenge_sid"), challenge.sid.to_string());
        assert_eq!(format!("challenge.{}", field(&calls[0], "challenge_status")), kind);
        let details = challenge.signed_members().details().unwrap();
        assert_eq!(field(&calls[0], "challenge_details"), details.to_string());
    }
}

/// At its expiry, for webhooks that were subscribed when it was opened.
pub async fn an_unanswered_expiry_causes_a_call(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let service = fixture.store.service(factor.owner.service).await.unwrap().unwrap();
    hook_for(fixture, &service, &[EventType::All]).await;
    hook_for(fixture, &service, &[EventType::ChallengeExpired]).await;
    let (one, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let recorded = fixture
        .store
        .answer_challenge(Answer::new(other.sid, Verdict::Denied, fixture.now()))
        .await;
    assert_eq!(recorded, Ok(Recorded::Done));
    assert_eq!(types(&told(fixture).await), ["challenge.denied"]);
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(Some(one.expires_at)));
    let left = one.expires_at.since(fixture.now());
    fixture.make.clock.advance(left);
    let calls = told(fixture).await;
    assert_eq!(types(&calls), ["challenge.expired"]);
    assert_eq!(field(&calls[0], "challenge_sid"), one.sid.to_string());
    assert_eq!(field(&calls[0], "challenge_status"), "expired");
    assert_eq!(fixture.store.next_call(fixture.now()).await, Ok(None));
}

/// Only for webhooks that name the event; `*` does not include it. A sent notification causes an event when it is delivered.
pub async fn the_end_of_a_push_causes_calls_of_webhooks_that_name_it(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let service = fixture.store.service(factor.owner.service).await.unwrap().unwrap();
    hook_for(fixture, &service, &[EventType::All]).await;
    hook_for(
        fixture,
        &service,
        &[
            EventType::NotificationDelivered,
            EventType::NotificationFailed,
            EventType::NotificationExpired,
        ],
    )
    .await;
    let challenge = fixture.challenge(&factor).await;
    let sent = fixture.leased(&challenge).await;
    let taken = fixture.attempted(Outcome::Accepted, AfterAttempt::Done(Ending::SENT));
    assert!(fixture.settle(&sent, taken).await);
    assert_eq!(told(fixture).await, []);
    fixture.store.mark_fetched(challenge.sid, fixture.now()).await.unwrap();
    let refused = fixture.leased(&challenge).await;
    let ending = Ending::failed(StatusReason::Refused, ErrorCode::INTERNAL);
    let attempted = fixture
        .attempted(Outcome::Refused { breaks_credential: false }, AfterAttempt::Done(ending));
    let refused = Settled { lease: refused, event: attempted, at: fixture.now() };
    assert!(
        fixture.store.settle(&[refused]).await.unwrap().may_cause_calls,
        "a webhook is subscribed"
    );
    let late = fixture.due(&challenge).await;
    assert_eq!(types(&told(fixture).await), ["notification.delivered", "notification.failed"]);
    fixture.pass(300);
    assert_eq!(fixture.store.expire(fixture.now(), 10).await, Ok(1));
    let calls = told(fixture).await;
    assert_eq!(types(&calls), ["notification.expired"]);
    assert_eq!(field(&calls[0], "notification_sid"), late.delivery.notification.to_string());
    assert_eq!(field(&calls[0], "notification_status"), "expired");
}
