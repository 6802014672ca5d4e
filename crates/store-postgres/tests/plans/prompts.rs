//! The statements about presence, signed answers, pauses and the tokens of push services.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::factor::Factor;
use countersign_domain::presence::{Presence, PresenceCode, PresenceProof};
use countersign_domain::protection::{Pause, PauseReason, PromptLimits, Protection};
use countersign_domain::provider_token::ProviderToken;
use countersign_domain::secret::Sealed;
use countersign_domain::service::Service;
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::{FieldLabel, StringMap};
use countersign_store::conformance::Fixture;
use countersign_store::seam::{Answer, Confirmation, Confirmed, Opened, Opening, Recorded};

use crate::limited;

/// Approves a challenge whose code is typed on the page, wrong at first, and pauses its person.
pub(crate) async fn ask_for_a_code(fixture: &Fixture, factor: &Factor) {
    let (store, now) = (&fixture.store, fixture.now());
    let code = |text| PresenceCode::parse(text).unwrap();
    let proof =
        PresenceProof::Code { label: FieldLabel::parse("PIN").unwrap(), code: code("4711") };
    let presence = Some(Box::new(Presence::new(proof)));
    let challenge = Challenge { presence, ..fixture.make.challenge(factor) };
    let sid = challenge.sid;
    assert_eq!(fixture.open(&challenge, None).await, Opened::Done);
    let signed = Some(SignedAnswer { jws: "a.b.c".to_owned(), key: factor.key });
    let metadata = StringMap::parse("{}").ok();
    let answer = Answer { signed, metadata, ..Answer::new(sid, Verdict::Approved, now) };
    assert_eq!(store.answer_challenge(answer).await, Ok(Recorded::Done));
    let confirmation = |text| Confirmation { challenge: sid, code: code(text), at: now };
    let wrong = store.confirm_presence(confirmation("0000")).await.unwrap();
    assert!(matches!(wrong, Confirmed::Refused(_)), "{wrong:?}");
    let right = store.confirm_presence(confirmation("4711")).await.unwrap();
    assert!(!matches!(right, Confirmed::Refused(_)), "{right:?}");
    assert!(store.challenge_context(sid).await.unwrap().is_some());
    assert!(store.signed_answer(sid).await.unwrap().is_some());

    let owner = &factor.owner;
    let pause = Pause { reason: PauseReason::Application, level: 0, until: None };
    for pause in [Some(pause), None] {
        let protection = Protection { pause, cause: None, counts_from: now };
        assert_eq!(store.protect(owner, protection).await, Ok(true));
        assert!(store.protection(owner.entity).await.unwrap().is_some());
        let paused = store.paused(owner.service, None, 10, now).await.unwrap();
        assert_eq!(paused.len(), usize::from(pause.is_some()));
    }
}

const ONE_IN_A_ROW: PromptLimits = PromptLimits {
    most_pending: 0,
    most_in_a_row: 1,
    quiet_after: 0,
    window: Duration::from_secs(600),
    first_pause: Duration::from_secs(900),
    longest_pause: Duration::from_secs(900),
};

/// Opens a challenge, with its automatic notification, that pauses the next one until it is approved; then one is reported.
pub(crate) async fn ask_too_often(fixture: &Fixture, service: &Service) {
    let store = &fixture.store;
    let factor = fixture.factor_of(service, &fixture.make.identity()).await;
    let opening = |challenge: Challenge| Opening {
        notification: Some(fixture.make.automatic(&challenge)),
        prompts: ONE_IN_A_ROW,
        ..limited(challenge)
    };
    let first = fixture.make.challenge(&factor);
    let sid = first.sid;
    assert_eq!(store.open_challenge(&opening(first)).await, Ok(Opened::Done));
    let second = store.open_challenge(&opening(fixture.make.challenge(&factor))).await.unwrap();
    assert!(matches!(second, Opened::Paused { begins: true, .. }), "{second:?}");
    let approval = Answer::new(sid, Verdict::Approved, fixture.now());
    assert_eq!(store.answer_challenge(approval).await, Ok(Recorded::Done));
    let reported = fixture.challenge(&factor).await;
    let report = Answer::report(reported.sid, Some(fixture.later(60)), fixture.now());
    assert_eq!(store.answer_challenge(report).await, Ok(Recorded::Done));
}

/// Keeps a token of a push service, and reads it.
pub(crate) async fn share_a_token(fixture: &Fixture) {
    let (store, signed_at) = (&fixture.store, fixture.now());
    let there = store.provider_token([1; 16]).await.unwrap();
    let version = there.map_or(1, |there| there.version + 1);
    let token = Sealed::from_bytes(vec![7; 300]);
    let new = ProviderToken { key: [1; 16], version, token, signed_at, forced_at: None };
    assert_eq!(store.renew_provider_token(&new).await, Ok(new.clone()));
}
