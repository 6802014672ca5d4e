//! Verdicts on challenges: the first one wins, and the deliveries of the challenge end.

use std::time::Duration;

use countersign_domain::answer::DenialReason;
use countersign_domain::answer_context::{AnswerContext, ChallengeContext};
use countersign_domain::challenge::{Challenge, ChallengeClosedError, ChallengeState, Verdict};
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::text::StringMap;
use countersign_domain::time::Instant;
use tokio::task::JoinSet;

use super::fixture::Fixture;
use crate::seam::{Answer, Notified, Recorded};

/// With its verdict and its time.
pub async fn the_first_answer_is_recorded(fixture: &Fixture) {
    let factor = fixture.factor().await;
    for verdict in [Verdict::Approved, Verdict::Denied] {
        let challenge = fixture.challenge(&factor).await;
        fixture.pass(1);
        let at = fixture.now();
        let recorded =
            fixture.store.answer_challenge(Answer::new(challenge.sid, verdict, at)).await;
        assert_eq!(recorded, Ok(Recorded::Done));
        let state = ChallengeState::Answered { verdict, at };
        let expected = Challenge { state, updated_at: at, ..challenge };
        assert_eq!(fixture.challenge_now(&expected).await, Some(expected));
    }
}

/// Both are stored, or neither if the answer is refused.
pub async fn metadata_is_recorded_with_its_answer(fixture: &Fixture) {
    let (factor, store) = (fixture.factor().await, &fixture.store);
    let [first, late] =
        [r#"{"order":"8"}"#, r#"{"order":"9"}"#].map(|text| StringMap::parse(text).unwrap());
    let challenge = fixture.challenge(&factor).await;
    fixture.pass(1);
    let (at, verdict) = (fixture.now(), Verdict::Denied);
    let recorded = store.answer_challenge(noted(&challenge, verdict, Some(&first), at)).await;
    assert_eq!(recorded, Ok(Recorded::Done));
    let state = ChallengeState::Answered { verdict, at };
    let expected = Challenge { state, updated_at: at, metadata: Some(first), ..challenge };
    assert_eq!(fixture.challenge_now(&expected).await.as_ref(), Some(&expected));

    let expired = fixture.challenge(&factor).await;
    for (challenge, at, why) in [
        (&expected, fixture.later(1), ChallengeClosedError::AlreadyAnswered),
        (&expired, expired.expires_at, ChallengeClosedError::Expired),
    ] {
        let refused = store.answer_challenge(noted(challenge, verdict, Some(&late), at)).await;
        assert_eq!(refused, Ok(Recorded::Refused(why)));
        assert_eq!(fixture.challenge_now(challenge).await.as_ref(), Some(challenge));
    }
}

/// An answer that metadata came with.
fn noted(
    challenge: &Challenge,
    verdict: Verdict,
    metadata: Option<&StringMap>,
    at: Instant,
) -> Answer {
    Answer { metadata: metadata.cloned(), ..Answer::new(challenge.sid, verdict, at) }
}

/// Also when they share a transaction. An answer without metadata keeps the stored metadata.
pub async fn answers_at_once_keep_their_own_metadata(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let mut devices = JoinSet::new();
    let mut all = Vec::new();
    for number in 0..8 {
        let challenge = fixture.challenge(&factor).await;
        let text = format!(r#"{{"number":"{number}"}}"#);
        let metadata = (number % 2 == 0).then(|| StringMap::parse(&text).unwrap());
        all.push((challenge.clone(), metadata.clone()));
        let answer = noted(&challenge, Verdict::Approved, metadata.as_ref(), fixture.now());
        let store = fixture.store.clone();
        devices.spawn(async move { store.answer_challenge(answer).await });
    }
    assert!(devices.join_all().await.into_iter().all(|recorded| recorded == Ok(Recorded::Done)));
    for (challenge, metadata) in all {
        assert_eq!(fixture.challenge_now(&challenge).await.unwrap().metadata, metadata);
    }
}

/// Also if it is the same verdict, and also after the challenge would have expired.
pub async fn a_later_answer_is_refused(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let store = &fixture.store;
    let first = fixture.now();
    store.answer_challenge(Answer::new(challenge.sid, Verdict::Denied, first)).await.unwrap();
    for (verdict, seconds) in
        [(Verdict::Approved, 1), (Verdict::Denied, 1), (Verdict::Approved, 600)]
    {
        let refused = Recorded::Refused(ChallengeClosedError::AlreadyAnswered);
        let at = fixture.later(seconds);
        assert_eq!(
            store.answer_challenge(Answer::new(challenge.sid, verdict, at)).await,
            Ok(refused)
        );
    }
    let state = ChallengeState::Answered { verdict: Verdict::Denied, at: first };
    assert_eq!(fixture.challenge_now(&challenge).await.unwrap().state, state);
}

/// From the instant of its expiry on.
pub async fn an_answer_to_an_expired_challenge_is_refused(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let (store, verdict) = (&fixture.store, Verdict::Approved);
    let late =
        store.answer_challenge(Answer::new(challenge.sid, verdict, challenge.expires_at)).await;
    assert_eq!(late, Ok(Recorded::Refused(ChallengeClosedError::Expired)));
    assert_eq!(fixture.challenge_now(&challenge).await, Some(challenge.clone()));
    let last = challenge.expires_at - Duration::from_micros(1);
    let recorded = store.answer_challenge(Answer::new(challenge.sid, verdict, last)).await;
    assert_eq!(recorded, Ok(Recorded::Done));
}

/// For all verdicts.
pub async fn of_racing_answers_one_wins(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let mut devices = JoinSet::new();
    for number in 0..8 {
        let (store, sid) = (fixture.store.clone(), challenge.sid);
        let at = fixture.now() + Duration::from_micros(number);
        let verdict = if number % 2 == 0 { Verdict::Approved } else { Verdict::Denied };
        devices.spawn(async move {
            (verdict, at, store.answer_challenge(Answer::new(sid, verdict, at)).await)
        });
    }
    let mut answers = devices.join_all().await;
    answers.retain(|(.., recorded)| {
        *recorded != Ok(Recorded::Refused(ChallengeClosedError::AlreadyAnswered))
    });
    let [(verdict, at, Ok(Recorded::Done))] = answers[..] else { panic!("{answers:?}") };
    let state = ChallengeState::Answered { verdict, at };
    assert_eq!(fixture.challenge_now(&challenge).await.unwrap().state, state);
}

/// No answer is recorded for a deleted factor.
pub async fn an_answer_needs_its_challenge_and_its_factor(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    let unknown = fixture.make.challenge(&factor);
    fixture.store.delete_factor(factor.owner.entity, factor.sid, fixture.now()).await.unwrap();
    for challenge in [&challenge, &unknown] {
        let answered = fixture
            .store
            .answer_challenge(Answer::new(challenge.sid, Verdict::Approved, fixture.now()))
            .await;
        assert_eq!(answered, Ok(Recorded::NotFound));
    }
    assert_eq!(fixture.challenge_now(&challenge).await, Some(challenge));
}

/// Whether due, leased or parked; deliveries of other challenges continue.
pub async fn an_answer_cancels_open_deliveries(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (challenge, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let due = fixture.due(&challenge).await;
    let parked = fixture.parked(&challenge).await;
    let leased = fixture.leased(&challenge).await;
    let kept = fixture.leased(&other).await;
    fixture.pass(1);
    let answered = fixture
        .store
        .answer_challenge(Answer::new(challenge.sid, Verdict::Approved, fixture.now()))
        .await;
    assert_eq!(answered, Ok(Recorded::Done));

    for notification in [
        fixture.notification(&due).await,
        fixture.notification(&parked).await,
        fixture.notification(&leased).await,
    ] {
        assert_eq!(notification.ending, Some(Ending::cancelled(StatusReason::Answered)));
        assert_eq!((notification.delivery, notification.updated_at), (None, fixture.now()));
    }
    assert!(!fixture.prospect(&leased).await.lease_holds);
    assert!(fixture.prospect(&kept).await.lease_holds);
    let after = AfterAttempt::Done(Ending::SENT);
    assert!(!fixture.settle(&leased, fixture.attempted(Outcome::Accepted, after)).await);
    assert_eq!(fixture.ending(&leased).await, Some(Ending::cancelled(StatusReason::Answered)));
}

/// The device has the prompt, since it answered.
pub async fn an_answer_leaves_deliveries_written_to_the_stream_as_sent(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let lease = fixture.leased(&challenge).await;
    assert!(fixture.settle(&lease, DeliveryEvent::Written).await);
    fixture
        .store
        .answer_challenge(Answer::new(challenge.sid, Verdict::Denied, fixture.now()))
        .await
        .unwrap();
    let notification = fixture.notification(&lease).await;
    assert_eq!((notification.ending, notification.delivery), (Some(Ending::SENT), None));
}

/// It has no row to end; its node reads the answer before the attempt.
pub async fn an_answer_leaves_a_ttl_of_zero_to_its_holder(fixture: &Fixture) {
    let challenge = fixture.challenge(&fixture.factor().await).await;
    let lease = fixture.notify(&challenge, 0, InitialState::Immediate).await.lease().unwrap();
    let at = fixture.now();
    fixture
        .store
        .answer_challenge(Answer::new(challenge.sid, Verdict::Approved, at))
        .await
        .unwrap();
    let prospect = fixture.prospect(&lease).await;
    let state = prospect.challenge.unwrap().state;
    assert_eq!(state, ChallengeState::Answered { verdict: Verdict::Approved, at });
    let cancelled = Ending::cancelled(StatusReason::Answered);
    assert!(fixture.settle(&lease, DeliveryEvent::Ended(cancelled)).await);
    assert_eq!(fixture.ending(&lease).await, Some(cancelled));
}

/// The challenge is closed.
pub async fn an_answered_or_expired_challenge_is_not_pushed_again(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (answered, expired) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let at = fixture.now();
    fixture.store.answer_challenge(Answer::new(answered.sid, Verdict::Approved, at)).await.unwrap();
    fixture.make.clock.set(expired.expires_at);
    for (challenge, why) in [
        (answered, ChallengeClosedError::AlreadyAnswered),
        (expired, ChallengeClosedError::Expired),
    ] {
        let new = fixture.make.notification(&challenge, 300, InitialState::Due);
        assert_eq!(fixture.store.notify(&new, 3).await, Ok(Notified::Refused(why)));
        let found = fixture.store.notification(challenge.sid, new.delivery.notification).await;
        assert_eq!(found, Ok(None));
    }
    assert_eq!(fixture.store.next_due().await, Ok(None));
}

/// Together with the verdict, and of each answer of a batch its own.
pub async fn an_answers_context_is_recorded(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let store = &fixture.store;
    let contexts = [
        AnswerContext {
            reason: Some(DenialReason::NotMe),
            address: "2001:db8::1".parse().ok(),
            country: "PT".parse().ok(),
        },
        AnswerContext { address: "192.0.2.1".parse().ok(), ..AnswerContext::UNKNOWN },
        AnswerContext { reason: Some(DenialReason::Cancelled), ..AnswerContext::UNKNOWN },
        AnswerContext { reason: Some(DenialReason::PresenceFailed), ..AnswerContext::UNKNOWN },
        AnswerContext::UNKNOWN,
    ];
    let (mut asked, mut people) = (Vec::new(), JoinSet::new());
    for context in contexts {
        let sid = fixture.challenge(&factor).await.sid;
        assert_eq!(store.challenge_context(sid).await, Ok(Some(ChallengeContext::default())));
        asked.push((sid, context));
        let AnswerContext { reason, address, country } = context;
        let answer = Answer::new(sid, Verdict::Denied, fixture.now());
        let (answer, store) = (Answer { reason, address, country, ..answer }, store.clone());
        people.spawn(async move { store.answer_challenge(answer).await });
    }
    assert!(people.join_all().await.iter().all(|recorded| *recorded == Ok(Recorded::Done)));
    for (sid, answer) in asked {
        let stored = ChallengeContext { is_quiet: false, answer };
        assert_eq!(store.challenge_context(sid).await, Ok(Some(stored)));
    }
    let unknown = fixture.make.challenge(&factor).sid;
    assert_eq!(store.challenge_context(unknown).await, Ok(None));
}

/// Together with the verdict, and of each answer of a batch its own.
pub async fn an_answer_is_kept_as_it_was_signed(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let store = &fixture.store;
    let (mut asked, mut people) = (Vec::new(), JoinSet::new());
    for number in 0..4 {
        let sid = fixture.challenge(&factor).await.sid;
        assert_eq!(store.signed_answer(sid).await, Ok(None));
        let jws = format!("header.{}.signature", "é".repeat(number));
        let signed = (number > 0).then_some(SignedAnswer { jws, key: factor.key });
        asked.push((sid, signed.clone()));
        let answer = Answer { signed, ..Answer::new(sid, Verdict::Approved, fixture.now()) };
        let store = store.clone();
        people.spawn(async move { store.answer_challenge(answer).await });
    }
    assert!(people.join_all().await.iter().all(|recorded| *recorded == Ok(Recorded::Done)));
    for (sid, signed) in asked {
        assert_eq!(store.signed_answer(sid).await, Ok(signed.clone()));
        // A later answer is refused, and is not kept.
        let other = SignedAnswer { jws: "a.b.c".to_owned(), key: factor.key };
        let late =
            Answer { signed: Some(other), ..Answer::new(sid, Verdict::Denied, fixture.now()) };
        let refused = Recorded::Refused(ChallengeClosedError::AlreadyAnswered);
        assert_eq!(store.answer_challenge(late).await, Ok(refused));
        assert_eq!(store.signed_answer(sid).await, Ok(signed));
    }
    let unknown = fixture.make.challenge(&factor).sid;
    assert_eq!(store.signed_answer(unknown).await, Ok(None));
}
