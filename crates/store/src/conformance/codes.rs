//! Codes that answer challenges.

use countersign_domain::challenge::{
    Challenge, ChallengeClosedError, ChallengeState, ChallengeStatus, Verdict,
};
use countersign_domain::factor::FactorStatus;
use countersign_domain::protection::PromptLimits;
use countersign_domain::text::StringMap;
use countersign_domain::totp::{TotpChange, TotpConfig};
use countersign_domain::totp_code::CodeVerdict;
use tokio::task::JoinSet;

use super::fixture::{Fixture, walks};
use crate::seam::{ChallengeFilter, CodeUse, JudgedCode, Opened, Opening, TotpUpdate};

fn opening(challenge: Challenge, code: Option<JudgedCode>) -> Opening {
    Opening {
        challenge,
        notification: None,
        code,
        most_per_factor_hour: 0,
        most_per_factor_day: 0,
        most_per_entity_hour: 0,
        prompts: PromptLimits::OFF,
    }
}

/// The code's step is used up.
pub async fn a_right_code_approves_its_challenge(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let challenge = fixture.code_challenge(&factor).await;
    fixture.pass(1);
    let at = fixture.now();
    let code = fixture.shown(&factor, CodeVerdict::Right(4));
    let answered = fixture.store.answer_by_code(challenge.sid, code, 5, None, at).await;
    assert_eq!(answered, Ok(Ok(CodeUse::Accepted(()))));
    let state = ChallengeState::Answered { verdict: Verdict::Approved, at };
    let expected = Challenge { state, updated_at: at, ..challenge };
    assert_eq!(fixture.challenge_now(&expected).await, Some(expected));
    assert_eq!(fixture.totp_stored(&factor).await.unwrap().last_step, Some(4));
}

/// The metadata of other codes is not recorded.
pub async fn metadata_is_recorded_with_a_code_that_is_accepted(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let challenge = fixture.code_challenge(&factor).await;
    let metadata = StringMap::parse(r#"{"order":"8"}"#).unwrap();
    for (code, expected, kept) in [
        (CodeVerdict::Wrong, CodeUse::Wrong, None),
        (CodeVerdict::Right(4), CodeUse::Accepted(()), Some(metadata.clone())),
    ] {
        let (code, at) = (fixture.shown(&factor, code), fixture.now());
        let answered =
            fixture.store.answer_by_code(challenge.sid, code, 5, Some(&metadata), at).await;
        assert_eq!(answered, Ok(Ok(expected)));
        assert_eq!(fixture.challenge_now(&challenge).await.unwrap().metadata, kept);
    }
}

/// Later codes are not checked.
pub async fn too_many_wrong_codes_close_a_challenge(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let challenge = fixture.code_challenge(&factor).await;
    let show = async |code| {
        let code = fixture.shown(&factor, code);
        fixture.store.answer_by_code(challenge.sid, code, 2, None, fixture.now()).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(show(CodeVerdict::Wrong).await, Ok(CodeUse::Wrong));
    }
    assert_eq!(show(CodeVerdict::Right(1)).await, Ok(CodeUse::Exhausted));
    assert_eq!(fixture.challenge_now(&challenge).await.unwrap().state, ChallengeState::Pending);
    assert_eq!(fixture.totp_stored(&factor).await.unwrap().last_step, None);
}

/// Nothing is used up or counted.
pub async fn a_code_for_a_closed_challenge_is_refused(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let (one, other) =
        (fixture.code_challenge(&factor).await, fixture.code_challenge(&factor).await);
    let show = async |challenge: &Challenge, step, at| {
        let code = fixture.shown(&factor, CodeVerdict::Right(step));
        fixture.store.answer_by_code(challenge.sid, code, 1, None, at).await.unwrap()
    };
    assert_eq!(show(&one, 1, fixture.now()).await, Ok(CodeUse::Accepted(())));
    for _ in 0..2 {
        assert_eq!(show(&one, 2, fixture.now()).await, Err(ChallengeClosedError::AlreadyAnswered));
        assert_eq!(show(&other, 2, other.expires_at).await, Err(ChallengeClosedError::Expired));
    }
    assert_eq!(fixture.totp_stored(&factor).await.unwrap().last_step, Some(1));
}

/// The same code, used for several challenges at the same time, answers one of them.
pub async fn a_code_answers_one_challenge(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let mut hands = JoinSet::new();
    for _ in 0..6 {
        let challenge = fixture.code_challenge(&factor).await;
        let (store, at) = (fixture.store.clone(), fixture.now());
        let code = fixture.shown(&factor, CodeVerdict::Right(9));
        hands.spawn(async move {
            store.answer_by_code(challenge.sid, code, 0, None, at).await.unwrap()
        });
    }
    let shown = hands.join_all().await;
    let accepted = shown.iter().filter(|shown| **shown == Ok(CodeUse::Accepted(()))).count();
    let spent = shown.iter().filter(|shown| **shown == Ok(CodeUse::Spent)).count();
    assert_eq!((accepted, spent), (1, 5), "{shown:?}");
}

/// For all uses, until one is accepted or the application changes the factor.
pub async fn wrong_codes_of_a_factor_are_counted_in_a_row(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let judged = |code| JudgedCode { most_in_a_row: 3, ..fixture.shown(&factor, code) };
    let answer = async |code| {
        let challenge = fixture.code_challenge(&factor).await;
        fixture
            .store
            .answer_by_code(challenge.sid, judged(code), 0, None, fixture.now())
            .await
            .unwrap()
    };
    let open = async |code| {
        let challenge = fixture.make.code_challenge(&factor);
        let opening = opening(challenge.clone(), Some(judged(code)));
        let opened = fixture.store.open_challenge(&opening).await.unwrap();
        (opened, fixture.challenge_now(&challenge).await.is_some())
    };
    let update = async |code: Option<CodeVerdict>| {
        let update = TotpUpdate {
            entity: factor.owner.entity,
            sid: factor.sid,
            code: code.map(judged),
            most_wrong: 0,
            change: TotpChange::default(),
            at: fixture.now(),
        };
        fixture.store.update_totp_factor(&update).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(answer(CodeVerdict::Wrong).await, Ok(CodeUse::Wrong));
        assert_eq!(open(CodeVerdict::Wrong).await, (Opened::WrongCode, true));
        for _ in 0..3 {
            assert_eq!(answer(CodeVerdict::Spent).await, Ok(CodeUse::Spent));
        }
        assert_eq!(update(Some(CodeVerdict::Wrong)).await, CodeUse::Wrong);
        assert_eq!(answer(CodeVerdict::Right(7)).await, Ok(CodeUse::Exhausted));
        assert_eq!(open(CodeVerdict::Right(7)).await, (Opened::Exhausted, false));
        assert_eq!(update(Some(CodeVerdict::Right(7))).await, CodeUse::Exhausted);
        assert!(
            matches!(update(None).await, CodeUse::Accepted(_)),
            "an update by the application resets the count"
        );
    }
    assert_eq!(answer(CodeVerdict::Wrong).await, Ok(CodeUse::Wrong));
    assert_eq!(answer(CodeVerdict::Right(8)).await, Ok(CodeUse::Accepted(())));
    for _ in 0..3 {
        assert_eq!(answer(CodeVerdict::Wrong).await, Ok(CodeUse::Wrong), "the count starts again");
    }
    assert_eq!(answer(CodeVerdict::Right(9)).await, Ok(CodeUse::Exhausted));
}

/// Its step has another length: used as it is, it would block all codes for years.
pub async fn a_code_judged_by_other_settings_is_judged_again(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let challenge = fixture.code_challenge(&factor).await;
    let config = TotpConfig { time_step: 60, ..factor.config };
    let code = JudgedCode { config, ..fixture.shown(&factor, CodeVerdict::Right(7)) };
    let answered = fixture.store.answer_by_code(challenge.sid, code, 0, None, fixture.now()).await;
    assert_eq!(answered, Ok(Ok(CodeUse::SettingsChanged)));
    let another = fixture.make.code_challenge(&factor);
    let opened = fixture.store.open_challenge(&opening(another.clone(), Some(code))).await;
    assert_eq!(
        (opened, fixture.challenge_now(&another).await),
        (Ok(Opened::SettingsChanged), None)
    );
    let update = TotpUpdate {
        entity: factor.owner.entity,
        sid: factor.sid,
        code: Some(code),
        most_wrong: 0,
        change: TotpChange::default(),
        at: fixture.now(),
    };
    assert_eq!(fixture.store.update_totp_factor(&update).await, Ok(CodeUse::SettingsChanged));
    assert_eq!(fixture.totp_stored(&factor).await, Some(factor));
    assert_eq!(fixture.challenge_now(&challenge).await.unwrap().state, ChallengeState::Pending);
}

/// A right code approves it, a wrong one is counted, and without a verified factor the challenge is not stored.
pub async fn a_code_may_come_with_its_challenge(fixture: &Fixture) {
    let factor = fixture.totp_factor().await;
    let open = async |code| {
        let challenge = fixture.make.code_challenge(&factor);
        let code = fixture.shown(&factor, code);
        let opened = fixture.store.open_challenge(&opening(challenge.clone(), Some(code))).await;
        (
            opened,
            fixture.challenge_now(&challenge).await.map(|challenge| challenge.state),
            challenge,
        )
    };
    let approved = ChallengeState::Answered { verdict: Verdict::Approved, at: fixture.now() };
    let (opened, state, _) = open(CodeVerdict::Right(5)).await;
    assert_eq!((opened, state), (Ok(Opened::Done), Some(approved)));
    let pending = Some(ChallengeState::Pending);
    for (code, expected, then) in [
        (CodeVerdict::Wrong, Opened::WrongCode, CodeUse::Exhausted),
        (CodeVerdict::Right(5), Opened::SpentCode, CodeUse::Spent),
        (CodeVerdict::Spent, Opened::SpentCode, CodeUse::Spent),
    ] {
        let (opened, state, challenge) = open(code).await;
        assert_eq!((opened, state), (Ok(expected), pending));
        let code = fixture.shown(&factor, code);
        let again = fixture.store.answer_by_code(challenge.sid, code, 1, None, fixture.now()).await;
        assert_eq!(again, Ok(Ok(then)), "only a wrong one was counted");
    }

    let unverified = fixture.totp_factor_in(FactorStatus::Unverified).await;
    let challenge = fixture.make.code_challenge(&unverified);
    let code = fixture.shown(&unverified, CodeVerdict::Right(1));
    let opened = fixture.store.open_challenge(&opening(challenge, Some(code))).await;
    assert_eq!(opened, Ok(Opened::NoFactor));
    assert_eq!(fixture.totp_stored(&unverified).await.unwrap().last_step, None);
}

/// In the order of their SIDs, also filtered by `pending`.
pub async fn a_list_holds_challenges_of_both_types(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let (push, totp) = (
        fixture.factor_of(&service, &identity).await,
        fixture.totp_factor_of(&service, &identity).await,
    );
    let (mut all, mut pending) = (Vec::new(), Vec::new());
    for is_old in [true, true, false, false, false] {
        for challenge in [fixture.challenge(&push).await, fixture.code_challenge(&totp).await] {
            all.push(challenge.sid);
            if !is_old {
                pending.push(challenge.sid);
            }
        }
        fixture.pass(if is_old { 3 * 24 * 60 * 60 } else { 1 });
    }
    for (mut sids, status) in [(all, None), (pending, Some(ChallengeStatus::Pending))] {
        sids.sort_unstable();
        let filter = ChallengeFilter { factor: None, status };
        walks(&sids, async |page| {
            let list =
                fixture.store.challenges(totp.owner.entity, filter, fixture.now(), page).await;
            list.unwrap().map(|challenge| challenge.sid)
        })
        .await;
        for (factor, lead) in [(push.sid, 3), (totp.sid, 2)] {
            let filter = ChallengeFilter { factor: Some(factor), status };
            let own = sids.iter().filter(|sid| sid.as_bytes()[0] == lead).copied();
            walks(&own.collect::<Vec<_>>(), async |page| {
                let list = fixture.store.challenges(totp.owner.entity, filter, fixture.now(), page);
                list.await.unwrap().map(|challenge| challenge.sid)
            })
            .await;
        }
    }
}
