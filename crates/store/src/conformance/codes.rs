//! Codes that answer challenges.

use countersign_domain::challenge::{CannotAnswer, Challenge, ChallengeState, Verdict};
use countersign_domain::factor::FactorStatus;
use tokio::task::JoinSet;

use super::stage::Stage;
use crate::seam::{Opened, Opening, Shown, ShownCode};

const fn opening(challenge: Challenge, code: Option<ShownCode>) -> Opening {
    Opening {
        challenge,
        notification: None,
        code,
        most_per_factor_hour: 0,
        most_per_factor_day: 0,
        most_per_entity_hour: 0,
    }
}

/// And spends its step.
pub async fn a_right_code_approves_its_challenge(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let challenge = stage.code_challenge(&factor).await;
    stage.pass(1);
    let at = stage.now();
    let answered = stage.store.answer_by_code(challenge.sid, ShownCode::Right(4), 5, at).await;
    assert_eq!(answered, Ok(Ok(Shown::Accepted(()))));
    let state = ChallengeState::Answered { verdict: Verdict::Approved, at };
    let expected = Challenge { state, updated_at: at, ..challenge };
    assert_eq!(stage.challenge_now(&expected).await, Some(expected));
    assert_eq!(stage.totp_stored(&factor).await.unwrap().last_step, Some(4));
}

/// Whatever the codes say after them.
pub async fn so_many_wrong_codes_shut_a_challenge(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let challenge = stage.code_challenge(&factor).await;
    let show =
        async |code| stage.store.answer_by_code(challenge.sid, code, 2, stage.now()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(show(ShownCode::Wrong).await, Ok(Shown::Wrong));
    }
    assert_eq!(show(ShownCode::Right(1)).await, Ok(Shown::Exhausted));
    assert_eq!(stage.challenge_now(&challenge).await.unwrap().state, ChallengeState::Pending);
    assert_eq!(stage.totp_stored(&factor).await.unwrap().last_step, None);
}

/// And nothing is spent or counted.
pub async fn a_code_for_a_closed_challenge_is_refused(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let (one, other) = (stage.code_challenge(&factor).await, stage.code_challenge(&factor).await);
    let show = async |challenge: &Challenge, step, at| {
        stage.store.answer_by_code(challenge.sid, ShownCode::Right(step), 1, at).await.unwrap()
    };
    assert_eq!(show(&one, 1, stage.now()).await, Ok(Shown::Accepted(())));
    for _ in 0..2 {
        assert_eq!(show(&one, 2, stage.now()).await, Err(CannotAnswer::AlreadyAnswered));
        assert_eq!(show(&other, 2, other.expires_at).await, Err(CannotAnswer::Expired));
    }
    assert_eq!(stage.totp_stored(&factor).await.unwrap().last_step, Some(1));
}

/// The same code for several challenges at once answers one of them.
pub async fn a_code_answers_one_challenge(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let mut hands = JoinSet::new();
    for _ in 0..6 {
        let challenge = stage.code_challenge(&factor).await;
        let (store, at) = (stage.store.clone(), stage.now());
        hands.spawn(async move {
            store.answer_by_code(challenge.sid, ShownCode::Right(9), 0, at).await.unwrap()
        });
    }
    let shown = hands.join_all().await;
    let accepted = shown.iter().filter(|shown| **shown == Ok(Shown::Accepted(()))).count();
    let wrong = shown.iter().filter(|shown| **shown == Ok(Shown::Wrong)).count();
    assert_eq!((accepted, wrong), (1, 5), "{shown:?}");
}

/// A right one approves it, a wrong one is its first, and without a verified factor there is no challenge.
pub async fn a_code_may_come_with_its_challenge(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let open = async |code| {
        let challenge = stage.make.code_challenge(&factor);
        let opened = stage.store.open_challenge(&opening(challenge.clone(), code)).await;
        (opened, stage.challenge_now(&challenge).await.map(|challenge| challenge.state), challenge)
    };
    let approved = ChallengeState::Answered { verdict: Verdict::Approved, at: stage.now() };
    let (opened, state, _) = open(Some(ShownCode::Right(5))).await;
    assert_eq!((opened, state), (Ok(Opened::Done), Some(approved)));
    for code in [ShownCode::Wrong, ShownCode::Right(5)] {
        let (opened, state, challenge) = open(Some(code)).await;
        assert_eq!((opened, state), (Ok(Opened::WrongCode), Some(ChallengeState::Pending)));
        let again = stage.store.answer_by_code(challenge.sid, code, 1, stage.now()).await;
        assert_eq!(again, Ok(Ok(Shown::Exhausted)), "the first was counted");
    }

    let unverified = stage.totp_factor_in(FactorStatus::Unverified).await;
    let challenge = stage.make.code_challenge(&unverified);
    let opened = stage.store.open_challenge(&opening(challenge, Some(ShownCode::Right(1)))).await;
    assert_eq!(opened, Ok(Opened::NoFactor));
    assert_eq!(stage.totp_stored(&unverified).await.unwrap().last_step, None);
}
