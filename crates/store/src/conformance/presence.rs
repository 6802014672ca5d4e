//! Presence: what comes with an approval, or after it, is judged and counted by the command that decides.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeClosedError, ChallengeStatus, Verdict};
use countersign_domain::ending::{Ending, StatusReason};
use countersign_domain::factor::Factor;
use countersign_domain::presence::{
    Presence, PresenceCode, PresenceHint, PresenceNumber, PresenceProof,
};
use countersign_domain::presence_check::{CONFIRM_GRACE, CodeRefusal};
use countersign_domain::text::FieldLabel;
use countersign_domain::webhook::EventType;
use tokio::task::JoinSet;

use super::fixture::Fixture;
use super::webhook_fixture::{TAKEN, field, hook_for, lease, settle};
use crate::seam::{Answer, Confirmation, Confirmed, Opened, Recorded};

fn numbers() -> [PresenceNumber; 3] {
    [27, 64, 91].map(|number| PresenceNumber::new(number).expect("two digits"))
}

fn number_of(number: u8) -> Option<PresenceNumber> {
    PresenceNumber::new(number)
}

/// The number is 64.
fn number() -> PresenceProof {
    PresenceProof::Number { answer: numbers()[1] }
}

/// The number is 64.
fn pick() -> PresenceProof {
    PresenceProof::Pick { answer: numbers()[1], options: numbers() }
}

fn code_of(text: &str) -> PresenceCode {
    PresenceCode::parse(text).expect("four digits")
}

/// The code is 4711.
fn code() -> PresenceProof {
    PresenceProof::Code { label: FieldLabel::parse("PIN").expect("a label"), code: code_of("4711") }
}

/// Stores a challenge that asks for presence.
async fn asking(fixture: &Fixture, factor: &Factor, proof: PresenceProof) -> Challenge {
    let presence = Some(Box::new(Presence::new(proof)));
    let challenge = Challenge { presence, ..fixture.make.challenge(factor) };
    assert_eq!(fixture.open(&challenge, None).await, Opened::Done);
    challenge
}

/// A moment after the last try: a try is identified by its instant.
async fn approve(fixture: &Fixture, challenge: &Challenge, number: Option<u8>) -> Recorded {
    fixture.pass(1);
    let number = number.and_then(number_of);
    let answer = Answer::new(challenge.sid, Verdict::Approved, fixture.now());
    fixture.store.answer_challenge(Answer { number, ..answer }).await.unwrap()
}

async fn confirm(fixture: &Fixture, challenge: &Challenge, code: &str) -> Confirmed {
    let confirmation =
        Confirmation { challenge: challenge.sid, code: code_of(code), at: fixture.now() };
    fixture.store.confirm_presence(confirmation).await.unwrap()
}

async fn status(fixture: &Fixture, challenge: &Challenge) -> ChallengeStatus {
    fixture.challenge_now(challenge).await.unwrap().status(fixture.now())
}

async fn presence(fixture: &Fixture, challenge: &Challenge) -> Presence {
    *fixture.challenge_now(challenge).await.unwrap().presence.unwrap()
}

/// With the options of a choice, in their order.
pub async fn a_presence_reads_back_as_it_was_opened(fixture: &Fixture) {
    let factor = fixture.factor().await;
    for proof in [number(), pick(), code()] {
        let challenge = asking(fixture, &factor, proof).await;
        assert_eq!(fixture.challenge_now(&challenge).await, Some(challenge));
    }
}

/// A wrong one is counted, and leaves the challenge as it was.
pub async fn only_the_right_number_approves(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = asking(fixture, &factor, number()).await;
    let wrong = approve(fixture, &challenge, Some(65)).await;
    assert_eq!(wrong, Recorded::WrongNumber { tries_left: 1 });
    let stored = fixture.challenge_now(&challenge).await.unwrap();
    let presence = stored.presence.clone().unwrap();
    assert_eq!((presence.wrong(), presence.tries_left_after(fixture.now())), (1, Some(1)));
    assert_eq!(Challenge { presence: challenge.presence.clone(), ..stored }, challenge);
    assert_eq!(approve(fixture, &challenge, Some(64)).await, Recorded::Done);
    assert_eq!(status(fixture, &challenge).await, ChallengeStatus::Approved);
    let again = approve(fixture, &challenge, Some(64)).await;
    assert_eq!(again, Recorded::Refused(ChallengeClosedError::AlreadyAnswered));

    let picked = asking(fixture, &factor, pick()).await;
    assert_eq!(approve(fixture, &picked, Some(64)).await, Recorded::Done);
}

/// As an answer does: its webhooks are called once, and its deliveries end.
pub async fn the_last_wrong_number_denies(fixture: &Fixture) {
    let service = fixture.service().await;
    hook_for(fixture, &service, &[EventType::ChallengeDenied]).await;
    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    for (proof, guesses) in [
        (number(), vec![Some(65), Some(10)]),
        (pick(), vec![Some(27)]),
        // no number is a wrong one
        (pick(), vec![None]),
    ] {
        let challenge = asking(fixture, &factor, proof).await;
        let parked = fixture.parked(&challenge).await;
        let last = guesses.len() - 1;
        for (tried, guess) in guesses.into_iter().enumerate() {
            let tries_left = u8::try_from(last - tried).unwrap();
            let wrong = approve(fixture, &challenge, guess).await;
            assert_eq!(wrong, Recorded::WrongNumber { tries_left });
        }
        assert_eq!(status(fixture, &challenge).await, ChallengeStatus::Denied);
        let late = approve(fixture, &challenge, Some(64)).await;
        assert_eq!(late, Recorded::Refused(ChallengeClosedError::AlreadyAnswered));
        let ending = fixture.ending(&parked).await;
        assert_eq!(ending, Some(Ending::cancelled(StatusReason::Answered)));
        let calls = lease(fixture).await;
        assert_eq!(calls.len(), 1);
        assert_eq!(field(&calls[0], "challenge_sid"), challenge.sid.to_string());
        assert_eq!(field(&calls[0], "type"), "challenge.denied");
        assert!(settle(fixture, &calls[0], TAKEN).await);
    }
}

/// Nor does denying count as a try.
pub async fn no_number_is_needed_to_deny(fixture: &Fixture) {
    let factor = fixture.factor().await;
    for (proof, guess) in [(number(), None), (number(), Some(65)), (pick(), None), (code(), None)] {
        let challenge = asking(fixture, &factor, proof).await;
        if guess.is_some() {
            approve(fixture, &challenge, guess).await;
        }
        let was = presence(fixture, &challenge).await;
        fixture.pass(1);
        let denial = Answer::new(challenge.sid, Verdict::Denied, fixture.now());
        assert_eq!(fixture.store.answer_challenge(denial).await, Ok(Recorded::Done));
        assert_eq!(status(fixture, &challenge).await, ChallengeStatus::Denied);
        assert_eq!(presence(fixture, &challenge).await, was);
    }
}

/// Holds for guesses that share a transaction and for those that do not.
pub async fn guesses_at_once_get_no_more_tries(fixture: &Fixture) {
    let factor = fixture.factor().await;
    for (proof, tries) in [(number(), 2), (pick(), 1)] {
        let challenge = asking(fixture, &factor, proof).await;
        let mut guesses = JoinSet::new();
        for guess in (10..=99).filter(|guess| *guess != 64).take(20) {
            let at = fixture.now() + Duration::from_micros(guess.into());
            let answer = Answer {
                number: number_of(guess),
                ..Answer::new(challenge.sid, Verdict::Approved, at)
            };
            let store = fixture.store.clone();
            guesses.spawn(async move { store.answer_challenge(answer).await.unwrap() });
        }
        let results = guesses.join_all().await;
        let is_judged = |result: &&Recorded| matches!(result, Recorded::WrongNumber { .. });
        assert_eq!(results.iter().filter(is_judged).count(), tries);
        assert_eq!(usize::from(presence(fixture, &challenge).await.wrong()), tries);
        assert_eq!(status(fixture, &challenge).await, ChallengeStatus::Denied);
    }
}

/// Not before, nor after a denial, nor long after the challenge would have expired. It stays confirmed.
pub async fn a_code_is_confirmed_after_the_approval(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = asking(fixture, &factor, code()).await;
    let early = confirm(fixture, &challenge, "4711").await;
    assert_eq!(early, Confirmed::Refused(CodeRefusal::Unanswered));
    assert_eq!(approve(fixture, &challenge, None).await, Recorded::Done);
    assert!(!presence(fixture, &challenge).await.is_confirmed);
    for _ in 0..2 {
        assert_eq!(confirm(fixture, &challenge, "4711").await, Confirmed::Done);
        assert!(presence(fixture, &challenge).await.is_confirmed);
    }
    let at = challenge.expires_at + CONFIRM_GRACE;
    let late = Confirmation { challenge: challenge.sid, code: code_of("4711"), at };
    let late = fixture.store.confirm_presence(late).await;
    assert_eq!(late, Ok(Confirmed::Refused(CodeRefusal::Late)));

    let denied = asking(fixture, &factor, code()).await;
    let denial = Answer::new(denied.sid, Verdict::Denied, fixture.now());
    fixture.store.answer_challenge(denial).await.unwrap();
    let refused = confirm(fixture, &denied, "4711").await;
    assert_eq!(refused, Confirmed::Refused(CodeRefusal::Denied));
    let other = asking(fixture, &factor, number()).await;
    let refused = confirm(fixture, &other, "4711").await;
    assert_eq!(refused, Confirmed::Refused(CodeRefusal::OtherMode("number")));
    let plain = fixture.challenge(&factor).await;
    assert_eq!(confirm(fixture, &plain, "4711").await, Confirmed::NotFound);
}

/// A right one after them is refused.
pub async fn a_code_gets_three_tries(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = asking(fixture, &factor, code()).await;
    assert_eq!(approve(fixture, &challenge, None).await, Recorded::Done);
    for left in [2, 1, 0] {
        let Confirmed::Refused(CodeRefusal::Wrong(counted)) =
            confirm(fixture, &challenge, "4712").await
        else {
            panic!("a wrong code");
        };
        assert_eq!(counted.tries_left(), left);
        assert_eq!(presence(fixture, &challenge).await, counted);
    }
    for code in ["4711", "4712"] {
        let refused = confirm(fixture, &challenge, code).await;
        assert_eq!(refused, Confirmed::Refused(CodeRefusal::NoTryLeft));
    }
    assert!(!presence(fixture, &challenge).await.is_confirmed);
    assert_eq!(status(fixture, &challenge).await, ChallengeStatus::Approved, "as it was answered");
}

/// Three of twenty are judged.
pub async fn codes_at_once_get_no_more_tries(fixture: &Fixture) {
    let challenge = asking(fixture, &fixture.factor().await, code()).await;
    assert_eq!(approve(fixture, &challenge, None).await, Recorded::Done);
    let mut guesses = JoinSet::new();
    for guess in 0..20 {
        let code = code_of(&format!("{guess:04}"));
        let confirmation = Confirmation { challenge: challenge.sid, code, at: fixture.now() };
        let store = fixture.store.clone();
        guesses.spawn(async move { store.confirm_presence(confirmation).await.unwrap() });
    }
    let results = guesses.join_all().await;
    let is_judged =
        |result: &&Confirmed| matches!(result, Confirmed::Refused(CodeRefusal::Wrong(_)));
    assert_eq!(results.iter().filter(is_judged).count(), 3);
    assert_eq!(presence(fixture, &challenge).await.wrong(), 3);
}

/// Not of a code: the device reads it with the challenge.
pub async fn an_attempt_learns_what_to_ask_for(fixture: &Fixture) {
    let factor = fixture.factor().await;
    for (proof, hint) in [
        (number(), Some(PresenceHint::Number)),
        (pick(), Some(PresenceHint::Pick(numbers()))),
        (code(), None),
    ] {
        let challenge = asking(fixture, &factor, proof).await;
        let lease = fixture.leased(&challenge).await;
        let asked = fixture.prospect(&lease).await.challenge.unwrap();
        assert_eq!(asked.manner.presence, hint);
    }
}
