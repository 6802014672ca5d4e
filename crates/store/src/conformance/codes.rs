//! Codes that answer challenges.

use countersign_domain::challenge::{
    CannotAnswer, Challenge, ChallengeState, ChallengeStatus, Verdict,
};
use countersign_domain::factor::FactorStatus;
use countersign_domain::text::StringMap;
use countersign_domain::totp::{TotpChange, TotpConfig};
use tokio::task::JoinSet;

use super::stage::{Stage, walks};
use crate::seam::{ChallengeFilter, Judged, Opened, Opening, Shown, ShownCode, TotpUpdate};

fn opening(challenge: Challenge, code: Option<Judged>) -> Opening {
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
    let code = stage.shown(&factor, ShownCode::Right(4));
    let answered = stage.store.answer_by_code(challenge.sid, code, 5, None, at).await;
    assert_eq!(answered, Ok(Ok(Shown::Accepted(()))));
    let state = ChallengeState::Answered { verdict: Verdict::Approved, at };
    let expected = Challenge { state, updated_at: at, ..challenge };
    assert_eq!(stage.challenge_now(&expected).await, Some(expected));
    assert_eq!(stage.totp_stored(&factor).await.unwrap().last_step, Some(4));
}

/// And with no other one.
pub async fn metadata_is_recorded_with_a_code_that_is_accepted(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let challenge = stage.code_challenge(&factor).await;
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    for (code, expected, kept) in [
        (ShownCode::Wrong, Shown::Wrong, None),
        (ShownCode::Right(4), Shown::Accepted(()), Some(metadata.clone())),
    ] {
        let (code, at) = (stage.shown(&factor, code), stage.now());
        let answered =
            stage.store.answer_by_code(challenge.sid, code, 5, Some(&metadata), at).await;
        assert_eq!(answered, Ok(Ok(expected)));
        assert_eq!(stage.challenge_now(&challenge).await.unwrap().metadata, kept);
    }
}

/// Whatever the codes say after them.
pub async fn so_many_wrong_codes_shut_a_challenge(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let challenge = stage.code_challenge(&factor).await;
    let show = async |code| {
        let code = stage.shown(&factor, code);
        stage.store.answer_by_code(challenge.sid, code, 2, None, stage.now()).await.unwrap()
    };
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
        let code = stage.shown(&factor, ShownCode::Right(step));
        stage.store.answer_by_code(challenge.sid, code, 1, None, at).await.unwrap()
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
        let code = stage.shown(&factor, ShownCode::Right(9));
        hands.spawn(async move {
            store.answer_by_code(challenge.sid, code, 0, None, at).await.unwrap()
        });
    }
    let shown = hands.join_all().await;
    let accepted = shown.iter().filter(|shown| **shown == Ok(Shown::Accepted(()))).count();
    let spent = shown.iter().filter(|shown| **shown == Ok(Shown::Spent)).count();
    assert_eq!((accepted, spent), (1, 5), "{shown:?}");
}

/// Wherever they are shown, and until one is accepted or the application changes the factor.
pub async fn wrong_codes_of_a_factor_are_counted_in_a_row(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let judged = |code| Judged { most_in_a_row: 3, ..stage.shown(&factor, code) };
    let answer = async |code| {
        let challenge = stage.code_challenge(&factor).await;
        stage.store.answer_by_code(challenge.sid, judged(code), 0, None, stage.now()).await.unwrap()
    };
    let open = async |code| {
        let challenge = stage.make.code_challenge(&factor);
        let opening = opening(challenge.clone(), Some(judged(code)));
        let opened = stage.store.open_challenge(&opening).await.unwrap();
        (opened, stage.challenge_now(&challenge).await.is_some())
    };
    let update = async |code: Option<ShownCode>| {
        let update = TotpUpdate {
            entity: factor.owner.entity,
            sid: factor.sid,
            code: code.map(judged),
            most_wrong: 0,
            change: TotpChange::default(),
            at: stage.now(),
        };
        stage.store.update_totp_factor(&update).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(answer(ShownCode::Wrong).await, Ok(Shown::Wrong));
        assert_eq!(open(ShownCode::Wrong).await, (Opened::WrongCode, true));
        for _ in 0..3 {
            assert_eq!(answer(ShownCode::Spent).await, Ok(Shown::Spent));
        }
        assert_eq!(update(Some(ShownCode::Wrong)).await, Shown::Wrong);
        assert_eq!(answer(ShownCode::Right(7)).await, Ok(Shown::Exhausted));
        assert_eq!(open(ShownCode::Right(7)).await, (Opened::Exhausted, false));
        assert_eq!(update(Some(ShownCode::Right(7))).await, Shown::Exhausted);
        assert!(matches!(update(None).await, Shown::Accepted(_)), "the application acts");
    }
    assert_eq!(answer(ShownCode::Wrong).await, Ok(Shown::Wrong));
    assert_eq!(answer(ShownCode::Right(8)).await, Ok(Shown::Accepted(())));
    for _ in 0..3 {
        assert_eq!(answer(ShownCode::Wrong).await, Ok(Shown::Wrong), "from none again");
    }
    assert_eq!(answer(ShownCode::Right(9)).await, Ok(Shown::Exhausted));
}

/// Its step would be one of another length, and spend all codes for years.
pub async fn a_code_judged_by_other_settings_is_judged_again(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let challenge = stage.code_challenge(&factor).await;
    let config = TotpConfig { time_step: 60, ..factor.config };
    let code = Judged { config, ..stage.shown(&factor, ShownCode::Right(7)) };
    let answered = stage.store.answer_by_code(challenge.sid, code, 0, None, stage.now()).await;
    assert_eq!(answered, Ok(Ok(Shown::Moved)));
    let another = stage.make.code_challenge(&factor);
    let opened = stage.store.open_challenge(&opening(another.clone(), Some(code))).await;
    assert_eq!((opened, stage.challenge_now(&another).await), (Ok(Opened::Moved), None));
    let update = TotpUpdate {
        entity: factor.owner.entity,
        sid: factor.sid,
        code: Some(code),
        most_wrong: 0,
        change: TotpChange::default(),
        at: stage.now(),
    };
    assert_eq!(stage.store.update_totp_factor(&update).await, Ok(Shown::Moved));
    assert_eq!(stage.totp_stored(&factor).await, Some(factor));
    assert_eq!(stage.challenge_now(&challenge).await.unwrap().state, ChallengeState::Pending);
}

/// A right one approves it, a wrong one is its first, and without a verified factor there is no challenge.
pub async fn a_code_may_come_with_its_challenge(stage: &Stage) {
    let factor = stage.totp_factor().await;
    let open = async |code| {
        let challenge = stage.make.code_challenge(&factor);
        let code = stage.shown(&factor, code);
        let opened = stage.store.open_challenge(&opening(challenge.clone(), Some(code))).await;
        (opened, stage.challenge_now(&challenge).await.map(|challenge| challenge.state), challenge)
    };
    let approved = ChallengeState::Answered { verdict: Verdict::Approved, at: stage.now() };
    let (opened, state, _) = open(ShownCode::Right(5)).await;
    assert_eq!((opened, state), (Ok(Opened::Done), Some(approved)));
    let pending = Some(ChallengeState::Pending);
    for (code, expected, then) in [
        (ShownCode::Wrong, Opened::WrongCode, Shown::Exhausted),
        (ShownCode::Right(5), Opened::SpentCode, Shown::Spent),
        (ShownCode::Spent, Opened::SpentCode, Shown::Spent),
    ] {
        let (opened, state, challenge) = open(code).await;
        assert_eq!((opened, state), (Ok(expected), pending));
        let code = stage.shown(&factor, code);
        let again = stage.store.answer_by_code(challenge.sid, code, 1, None, stage.now()).await;
        assert_eq!(again, Ok(Ok(then)), "only a wrong one was counted");
    }

    let unverified = stage.totp_factor_in(FactorStatus::Unverified).await;
    let challenge = stage.make.code_challenge(&unverified);
    let code = stage.shown(&unverified, ShownCode::Right(1));
    let opened = stage.store.open_challenge(&opening(challenge, Some(code))).await;
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
