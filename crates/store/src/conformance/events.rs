//! What webhooks are told of: calls are stored by the command that causes their event.

use countersign_domain::challenge::Verdict;
use countersign_domain::delivery::{After, Outcome, Settled};
use countersign_domain::factor::{Factor, FactorChange, FactorStatus};
use countersign_domain::notification::{Code, Ending, Reason};
use countersign_domain::service::Service;
use countersign_domain::totp::TotpChange;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::CallLease;

use super::stage::Stage;
use super::webhook_calls::TAKEN;
use crate::seam::{Inserted, Opened, Opening, Recorded, Shown, ShownCode, TotpUpdate};

async fn hook(stage: &Stage, service: &Service, event_types: &[EventType]) {
    let event_types = event_types.to_vec();
    let webhook = Webhook { event_types, ..stage.make.webhook(service) };
    assert_eq!(stage.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
}

/// A field of a call's form; empty if it has none.
pub(super) fn field<'a>(lease: &'a CallLease, name: &str) -> &'a str {
    lease.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

/// All calls that are due, one after the other, each of which is done.
async fn told(stage: &Stage) -> Vec<CallLease> {
    let mut all = Vec::new();
    loop {
        let leases = stage.lease_calls().await;
        if leases.is_empty() {
            return all;
        }
        for lease in leases {
            let settled = stage.store.settle_call(&lease, TAKEN, "", stage.now()).await;
            assert_eq!(settled, Ok(true));
            all.push(lease);
        }
    }
}

fn types(calls: &[CallLease]) -> Vec<&str> {
    calls.iter().map(|call| field(call, "type")).collect()
}

async fn verify(stage: &Stage, factor: &Factor) {
    let change = FactorChange { verified: true, ..FactorChange::default() };
    let updated =
        stage.store.update_factor(factor.owner.entity, factor.sid, &change, stage.now()).await;
    assert!(updated.unwrap().is_some());
}

/// It is verified once, and whoever has no webhook hears nothing.
pub async fn what_happens_to_a_factor_is_told(stage: &Stage) {
    let (service, silent) = (stage.service().await, stage.service().await);
    hook(stage, &service, &[EventType::All]).await;
    let owner = stage.make.entity(&service, &stage.make.identity()).owner;
    let mut factor = stage.make.factor(&owner);
    factor.status = FactorStatus::Unverified;
    stage.enrol(&factor, None).await;
    stage.factor_of(&silent, &stage.make.identity()).await;
    for _ in 0..2 {
        stage.pass(1);
        verify(stage, &factor).await;
    }
    stage.pass(1);
    let deleted = stage.store.delete_factor(owner.entity, factor.sid, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    let calls = told(stage).await;
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

/// Likewise; each of its approvals, too, whether the code came with the challenge or later.
pub async fn what_happens_to_a_factor_with_codes_is_told(stage: &Stage) {
    let factor = stage.totp_factor_in(FactorStatus::Unverified).await;
    let owner = &factor.owner;
    let service = stage.store.service(owner.service).await.unwrap().unwrap();
    hook(stage, &service, &[EventType::All]).await;
    let other = stage.totp_factor_of(&service, &stage.make.identity()).await;
    assert_eq!(types(&told(stage).await), ["factor.created"]);
    let show = async |step| {
        stage.pass(1);
        let update = TotpUpdate {
            entity: owner.entity,
            sid: factor.sid,
            code: Some(stage.shown(&factor, ShownCode::Right(step))),
            most_wrong: 0,
            change: TotpChange::default(),
            at: stage.now(),
        };
        let shown = stage.store.update_totp_factor(&update).await.unwrap();
        assert!(matches!(shown, Shown::Accepted(_)));
    };
    show(1).await;
    show(2).await;
    assert_eq!(types(&told(stage).await), ["factor.verified"]);
    let challenge = stage.code_challenge(&factor).await;
    let at = stage.now();
    let code = stage.shown(&factor, ShownCode::Right(3));
    let answered = stage.store.answer_by_code(challenge.sid, code, 0, None, at).await;
    assert_eq!(answered, Ok(Ok(Shown::Accepted(()))));
    let with_code = stage.make.code_challenge(&factor);
    for (challenge, code, opened) in [
        (&with_code, ShownCode::Right(4), Opened::Done),
        (&stage.make.code_challenge(&factor), ShownCode::Wrong, Opened::WrongCode),
    ] {
        stage.pass(1);
        let opening = Opening {
            challenge: challenge.clone(),
            notification: None,
            code: Some(stage.shown(&factor, code)),
            most_per_factor_hour: 0,
            most_per_factor_day: 0,
            most_per_entity_hour: 0,
        };
        assert_eq!(stage.store.open_challenge(&opening).await, Ok(opened));
    }
    let calls = told(stage).await;
    assert_eq!(types(&calls), ["challenge.approved", "challenge.approved"]);
    assert_eq!(field(&calls[0], "challenge_sid"), challenge.sid.to_string());
    assert_eq!(field(&calls[1], "challenge_sid"), with_code.sid.to_string());
    assert_eq!(field(&calls[1], "factor_friendly_name"), factor.friendly_name.as_str());
    assert_eq!(field(&calls[1], "factor_type"), "totp");
    let entity = other.owner.entity;
    assert_eq!(stage.store.delete_factor(entity, other.sid, stage.now()).await, Ok(true));
    assert_eq!(types(&told(stage).await), ["factor.deleted"]);
}

/// Of both types.
pub async fn a_deleted_entity_tells_of_its_factors(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let push = stage.factor_of(&service, &identity).await.sid;
    let totp = stage.totp_factor_of(&service, &identity).await.sid;
    hook(stage, &service, &[EventType::FactorDeleted]).await;
    let deleted = stage.store.delete_entity(service.sid, &identity, stage.now()).await;
    assert_eq!(deleted, Ok(true));
    let calls = told(stage).await;
    assert_eq!(types(&calls), ["factor.deleted", "factor.deleted"]);
    for sid in [push, totp] {
        assert!(calls.iter().any(|call| field(call, "factor_sid") == sid.to_string()));
    }
}

/// As it was answered; a second answer is none.
pub async fn an_answer_is_told_with_its_challenge(stage: &Stage) {
    let factor = stage.factor().await;
    let service = stage.store.service(factor.owner.service).await.unwrap().unwrap();
    hook(stage, &service, &[EventType::All]).await;
    for (verdict, kind) in
        [(Verdict::Approved, "challenge.approved"), (Verdict::Denied, "challenge.denied")]
    {
        let challenge = stage.challenge(&factor).await;
        stage.pass(1);
        for _ in 0..2 {
            let at = stage.now();
            stage.store.answer_challenge(challenge.sid, verdict, None, at).await.unwrap();
        }
        let calls = told(stage).await;
        assert_eq!(types(&calls), [kind]);
        assert_eq!(field(&calls[0], "challenge_sid"), challenge.sid.to_string());
        assert_eq!(format!("challenge.{}", field(&calls[0], "challenge_status")), kind);
        let details = challenge.signed_members().details().unwrap();
        assert_eq!(field(&calls[0], "challenge_details"), details.to_string());
    }
}

/// At its expiry, to those who named it when it was opened.
pub async fn an_expiry_is_told_if_nobody_answered(stage: &Stage) {
    let factor = stage.factor().await;
    let service = stage.store.service(factor.owner.service).await.unwrap().unwrap();
    hook(stage, &service, &[EventType::All]).await;
    hook(stage, &service, &[EventType::ChallengeExpired]).await;
    let (one, other) = (stage.challenge(&factor).await, stage.challenge(&factor).await);
    let recorded =
        stage.store.answer_challenge(other.sid, Verdict::Denied, None, stage.now()).await;
    assert_eq!(recorded, Ok(Recorded::Done));
    assert_eq!(types(&told(stage).await), ["challenge.denied"]);
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(Some(one.expires_at)));
    let left = one.expires_at.since(stage.now());
    stage.make.clock.advance(left);
    let calls = told(stage).await;
    assert_eq!(types(&calls), ["challenge.expired"]);
    assert_eq!(field(&calls[0], "challenge_sid"), one.sid.to_string());
    assert_eq!(field(&calls[0], "challenge_status"), "expired");
    assert_eq!(stage.store.next_call(stage.now()).await, Ok(None));
}

/// Never by `*`. What was sent is told once it is delivered.
pub async fn the_end_of_a_push_is_told_to_those_who_name_it(stage: &Stage) {
    let factor = stage.factor().await;
    let service = stage.store.service(factor.owner.service).await.unwrap().unwrap();
    hook(stage, &service, &[EventType::All]).await;
    hook(
        stage,
        &service,
        &[
            EventType::NotificationDelivered,
            EventType::NotificationFailed,
            EventType::NotificationExpired,
        ],
    )
    .await;
    let challenge = stage.challenge(&factor).await;
    let sent = stage.leased(&challenge).await;
    let taken = stage.attempted(Outcome::Accepted, After::Done(Ending::SENT));
    assert!(stage.settle(&sent, taken).await);
    assert_eq!(told(stage).await, []);
    stage.store.mark_fetched(challenge.sid, stage.now()).await.unwrap();
    let refused = stage.leased(&challenge).await;
    let ending = Ending::failed(Reason::Refused, Code::INTERNAL);
    let attempted =
        stage.attempted(Outcome::Refused { breaks_credential: false }, After::Done(ending));
    let refused = Settled { lease: refused, what: attempted, at: stage.now() };
    assert!(stage.store.settle(&[refused]).await.unwrap().is_heard, "somebody names it");
    let late = stage.due(&challenge).await;
    assert_eq!(types(&told(stage).await), ["notification.delivered", "notification.failed"]);
    stage.pass(300);
    assert_eq!(stage.store.expire(stage.now(), 10).await, Ok(1));
    let calls = told(stage).await;
    assert_eq!(types(&calls), ["notification.expired"]);
    assert_eq!(field(&calls[0], "notification_sid"), late.delivery.notification.to_string());
    assert_eq!(field(&calls[0], "notification_status"), "expired");
}
