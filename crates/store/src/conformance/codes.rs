//! Codes that answer challenges.

use countersign_domain::challenge::{
    CannotAnswer, Challenge, ChallengeState, ChallengeStatus, Verdict,
};
use countersign_domain::factor::FactorStatus;
use tokio::task::JoinSet;

use super::stage::{Stage, walks};
use crate::seam::{ChallengeFilter, Opened, Opening, Shown, ShownCode};

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

/// In the order of their SIDs, and those that are pending by themselves.
pub async fn a_list_holds_challenges_of_both_types(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let (push, totp) = (
        stage.factor_of(&service, &identity).await,
        stage.totp_factor_of(&service, &identity).await,
    );
    let (mut all, mut pending) = (Vec::new(), Vec::new());
    for is_old in [true, true, false, false, false] {
        for challenge in [stage.challenge(&push).await, stage.code_challenge(&totp).await] {
            all.push(challenge.sid);
            if !is_old {
                pending.push(challenge.sid);
            }
        }
        stage.pass(if is_old { 3 * 24 * 60 * 60 } else { 1 });
    }
    for (mut sids, status) in [(all, None), (pending, Some(ChallengeStatus::Pending))] {
        sids.sort_unstable();
        let filter = ChallengeFilter { factor: None, status };
        walks(&sids, async |page| {
            let list = stage.store.challenges(totp.owner.entity, filter, stage.now(), page).await;
            list.unwrap().map(|challenge| challenge.sid)
        })
        .await;
        for (factor, lead) in [(push.sid, 3), (totp.sid, 2)] {
            let filter = ChallengeFilter { factor: Some(factor), status };
            let own = sids.iter().filter(|sid| sid.as_bytes()[0] == lead).copied();
            walks(&own.collect::<Vec<_>>(), async |page| {
                let list = stage.store.challenges(totp.owner.entity, filter, stage.now(), page);
                list.await.unwrap().map(|challenge| challenge.sid)
            })
            .await;
        }
    }
}
