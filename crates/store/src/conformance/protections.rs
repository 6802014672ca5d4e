//! Protection of entities: how many push challenges they get in a row, and how they are paused.

use std::time::Duration;

use countersign_domain::challenge::{Challenge, ChallengeClosedError, ChallengeState, Verdict};
use countersign_domain::delivery::NewNotification;
use countersign_domain::factor::Factor;
use countersign_domain::protection::{Pause, PauseReason, PromptLimits, Protection};
use countersign_domain::text::Identity;
use tokio::task::JoinSet;

use super::fixture::Fixture;
use super::upkeep::clean_all;
use crate::seam::{Answer, Opened, Opening, Recorded};

const LIMITS: PromptLimits = PromptLimits {
    most_pending: 0,
    most_in_a_row: 5,
    quiet_after: 0,
    window: Duration::from_secs(600),
    first_pause: Duration::from_secs(900),
    longest_pause: Duration::from_secs(3_000),
};

fn opening(
    challenge: Challenge,
    notification: Option<NewNotification>,
    prompts: PromptLimits,
) -> Opening {
    Opening {
        challenge,
        notification,
        code: None,
        most_per_factor_hour: 0,
        most_per_factor_day: 0,
        most_per_entity_hour: 0,
        prompts,
    }
}

async fn open_within(fixture: &Fixture, challenge: &Challenge, prompts: PromptLimits) -> Opened {
    let automatic = fixture.make.automatic(challenge);
    let opening = opening(challenge.clone(), Some(automatic), prompts);
    let opened = fixture.store.open_challenge(&opening).await.unwrap();
    let stored = fixture.challenge_now(challenge).await.is_some();
    assert_eq!(stored, opened == Opened::Done);
    opened
}

async fn open(fixture: &Fixture, factor: &Factor) -> (Challenge, Opened) {
    let challenge = fixture.make.challenge(factor);
    let opened = open_within(fixture, &challenge, LIMITS).await;
    fixture.pass(1);
    (challenge, opened)
}

/// Opens as many challenges as the limit permits, a second apart.
async fn open_five(fixture: &Fixture, factor: &Factor) -> Vec<Challenge> {
    let mut all = Vec::new();
    for _ in 0..LIMITS.most_in_a_row {
        let (challenge, opened) = open(fixture, factor).await;
        assert_eq!(opened, Opened::Done);
        all.push(challenge);
    }
    all
}

/// Expects that a challenge is refused, by a pause of this level that begins now and lasts this many seconds.
async fn pause_begins(fixture: &Fixture, factor: &Factor, level: u32, seconds: u64) -> Pause {
    let until = Some(fixture.later(seconds));
    let pause = Pause { reason: PauseReason::InARow, level, until };
    assert_eq!(open(fixture, factor).await.1, Opened::Paused { pause, begins: true });
    pause
}

async fn answer(fixture: &Fixture, challenge: &Challenge, verdict: Verdict) {
    let answered =
        fixture.store.answer_challenge(Answer::new(challenge.sid, verdict, fixture.now()));
    assert_eq!(answered.await, Ok(Recorded::Done));
    fixture.pass(1);
}

/// Pending and denied ones count, of all devices of the entity together. Others are not concerned.
pub async fn an_entity_gets_only_so_many_push_challenges_in_a_row(fixture: &Fixture) {
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    let one = fixture.factor_of(&service, &identity).await;
    let other = fixture.factor_of(&service, &identity).await;
    let neighbour = fixture.factor_of(&service, &fixture.make.identity()).await;
    for number in 0..5 {
        let (challenge, opened) = open(fixture, if number % 2 == 0 { &one } else { &other }).await;
        assert_eq!(opened, Opened::Done);
        if number < 3 {
            answer(fixture, &challenge, Verdict::Denied).await;
        }
        assert_eq!(open(fixture, &neighbour).await.1, Opened::Done);
    }
    let pause = pause_begins(fixture, &one, 1, 900).await;
    for factor in [&one, &other, &one] {
        let refused = open(fixture, factor).await.1;
        assert_eq!(refused, Opened::Paused { pause, begins: false });
    }
    pause_begins(fixture, &neighbour, 1, 900).await;
    let stranger = fixture.factor().await;
    open_five(fixture, &stranger).await;
}

/// Those of many requests at once too: never more than the limit.
pub async fn of_many_push_challenges_at_once_so_many_are_opened(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let mut callers = JoinSet::new();
    for number in 0..40 {
        let challenge = fixture.make.challenge(if number % 4 == 0 { &other } else { &factor });
        let (store, of) = (fixture.store.clone(), challenge.factor);
        let opening = opening(challenge, None, LIMITS);
        callers.spawn(async move { (of, store.open_challenge(&opening).await.unwrap()) });
    }
    let opened = callers.join_all().await;
    for factor in [&factor, &other] {
        let count = |is: fn(Opened) -> bool| {
            opened.iter().filter(|(of, opened)| *of == factor.sid && is(*opened)).count()
        };
        let done = count(|opened| opened == Opened::Done);
        let begun = count(|opened| matches!(opened, Opened::Paused { begins: true, .. }));
        assert_eq!((done, begun), (5, 1));
    }
}

/// For the window only, and not with a limit of 0.
pub async fn an_older_push_challenge_does_not_count(fixture: &Fixture) {
    let factor = fixture.factor().await;
    open_five(fixture, &factor).await;
    fixture.pass(600 - 5);
    assert_eq!(open(fixture, &factor).await.1, Opened::Done, "the first is too old");
    assert_eq!(open(fixture, &factor).await.1, Opened::Done, "the second is too old");
    let challenge = fixture.make.challenge(&factor);
    assert_eq!(open_within(fixture, &challenge, PromptLimits::OFF).await, Opened::Done);
    open_five(fixture, &fixture.factor().await).await;
}

/// Also of a challenge that was opened before the window, and also while the entity is paused.
pub async fn an_approval_clears_the_count_and_ends_the_pause(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let early = Challenge { expires_at: fixture.later(3_600), ..fixture.make.challenge(&factor) };
    assert_eq!(open_within(fixture, &early, LIMITS).await, Opened::Done);
    fixture.pass(601);
    let all = open_five(fixture, &factor).await;
    answer(fixture, &early, Verdict::Approved).await;
    open_five(fixture, &factor).await;
    pause_begins(fixture, &factor, 1, 900).await;
    answer(fixture, &all[1], Verdict::Denied).await;
    assert!(matches!(open(fixture, &factor).await.1, Opened::Paused { begins: false, .. }));
    answer(fixture, &all[0], Verdict::Approved).await;
    assert_eq!(fixture.store.protection(factor.owner.entity).await, Ok(None));
    open_five(fixture, &factor).await;
    pause_begins(fixture, &factor, 1, 900).await;
}

/// Up to the longest one, and an approval later makes the next one the first again.
pub async fn each_further_pause_lasts_twice_as_long(fixture: &Fixture) {
    let factor = fixture.factor().await;
    for (level, seconds) in [(1, 900), (2, 1_800), (3, 3_000), (4, 3_000)] {
        open_five(fixture, &factor).await;
        let pause = pause_begins(fixture, &factor, level, seconds).await;
        fixture.pass(seconds - 2);
        let refused = open(fixture, &factor).await.1;
        assert_eq!(refused, Opened::Paused { pause, begins: false }, "its last second");
    }
    let (last, opened) = open(fixture, &factor).await;
    assert_eq!(opened, Opened::Done);
    answer(fixture, &last, Verdict::Approved).await;
    fixture.pass(24 * 60 * 60);
    open_five(fixture, &factor).await;
    pause_begins(fixture, &factor, 1, 900).await;
}

/// They have limits of their own.
pub async fn challenges_of_totp_factors_are_neither_counted_nor_paused(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let factor = fixture.factor_of(&service, &identity).await;
    let coder = fixture.totp_factor_of(&service, &identity).await;
    for _ in 0..9 {
        let challenge = fixture.make.code_challenge(&coder);
        assert_eq!(open_code(fixture, &challenge).await, Opened::Done);
        fixture.pass(1);
    }
    open_five(fixture, &factor).await;
    pause_begins(fixture, &factor, 1, 900).await;
    let challenge = fixture.make.code_challenge(&coder);
    assert_eq!(open_code(fixture, &challenge).await, Opened::Done);
}

async fn open_code(fixture: &Fixture, challenge: &Challenge) -> Opened {
    let opening = opening(challenge.clone(), None, LIMITS);
    fixture.store.open_challenge(&opening).await.unwrap()
}

/// For every limit. It replaces what was stored, and clears the count.
pub async fn a_protection_reads_back_as_it_was_stored_and_is_judged_by(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (entity, store) = (factor.owner.entity, &fixture.store);
    assert_eq!(store.protection(entity).await, Ok(None));
    open_five(fixture, &factor).await;
    let reported = Some(fixture.make.challenge(&factor).sid);
    for (reason, until, cause) in [
        (PauseReason::Application, None, None),
        (PauseReason::Reported, Some(fixture.later(100)), reported),
        (PauseReason::Application, Some(fixture.later(50)), None),
    ] {
        let pause = Pause { reason, level: 0, until };
        let stored = Protection { pause: Some(pause), cause, counts_from: fixture.now() };
        assert_eq!(store.protect(&factor.owner, stored).await, Ok(true));
        assert_eq!(store.protection(entity).await, Ok(Some(stored)));
        for limits in [LIMITS, PromptLimits::OFF] {
            let challenge = fixture.make.challenge(&factor);
            let refused = open_within(fixture, &challenge, limits).await;
            assert_eq!(refused, Opened::Paused { pause, begins: false });
        }
    }
    let cleared = Protection { pause: None, cause: None, counts_from: fixture.now() };
    fixture.pass(1);
    assert_eq!(store.protect(&factor.owner, cleared).await, Ok(true));
    assert_eq!(store.protection(entity).await, Ok(Some(cleared)));
    let all = open_five(fixture, &factor).await;
    let paused = Protection {
        pause: Some(Pause { reason: PauseReason::Application, level: 0, until: None }),
        cause: None,
        counts_from: fixture.now(),
    };
    assert_eq!(store.protect(&factor.owner, paused).await, Ok(true));
    answer(fixture, &all[0], Verdict::Approved).await;
    assert_eq!(store.protection(entity).await, Ok(Some(paused)), "only the application ends it");
}

/// One that was deleted, or that never was, is not protected; and a new one of the same identity starts without limits used.
pub async fn a_protection_needs_its_entity_and_goes_with_it(fixture: &Fixture) {
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    let factor = fixture.factor_of(&service, &identity).await;
    let (owner, store) = (&factor.owner, &fixture.store);
    open_five(fixture, &factor).await;
    pause_begins(fixture, &factor, 1, 900).await;
    let mut unknown = owner.clone();
    unknown.identity = Identity::parse("nobody-0001").unwrap();
    let cleared = Protection { pause: None, cause: None, counts_from: fixture.now() };
    assert_eq!(store.protect(&unknown, cleared).await, Ok(false));
    assert_eq!(store.delete_entity(owner.service, &owner.identity, fixture.now()).await, Ok(true));
    assert_eq!(store.protect(owner, cleared).await, Ok(false));
    let again = fixture.factor_of(&service, &identity).await;
    open_five(fixture, &again).await;
    assert!(clean_all(fixture).await > 0);
    assert_eq!(store.protection(owner.entity).await, Ok(None));
    assert_eq!(store.protection(again.owner.entity).await, Ok(None));
}

/// In the command of the denial: it is told, it lasts as long as it should, and no approval ends it.
pub async fn a_report_denies_its_challenge_and_pauses_its_entity(fixture: &Fixture) {
    let (factor, other) = (fixture.factor().await, fixture.factor().await);
    let (first, second) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    let (at, until) = (fixture.now(), fixture.later(100));
    let store = &fixture.store;
    let reported = store.answer_challenge(Answer::report(first.sid, Some(until), at)).await;
    assert_eq!(reported, Ok(Recorded::Done));
    let denied = fixture.challenge_now(&first).await.unwrap();
    assert_eq!(denied.state, ChallengeState::Answered { verdict: Verdict::Denied, at });
    let pause = Pause { reason: PauseReason::Reported, level: 0, until: Some(until) };
    let stored = Protection { pause: Some(pause), cause: Some(first.sid), counts_from: at };
    assert_eq!(store.protection(factor.owner.entity).await, Ok(Some(stored)));
    answer(fixture, &second, Verdict::Approved).await;
    assert_eq!(open(fixture, &factor).await.1, Opened::Paused { pause, begins: false });
    assert_eq!(open(fixture, &other).await.1, Opened::Done);
    fixture.pass(100);
    assert_eq!(open(fixture, &factor).await.1, Opened::Done);
}

/// Neither is a pause stored for a challenge that was answered before, nor where none is wanted, nor over a longer one of the
/// application.
pub async fn a_report_pauses_only_as_the_first_answer(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (entity, store, until) = (factor.owner.entity, &fixture.store, Some(fixture.later(100)));
    let answered = fixture.challenge(&factor).await;
    answer(fixture, &answered, Verdict::Approved).await;
    let late = store.answer_challenge(Answer::report(answered.sid, until, fixture.now())).await;
    assert_eq!(late, Ok(Recorded::Refused(ChallengeClosedError::AlreadyAnswered)));
    let unpaused = fixture.challenge(&factor).await;
    let reported = store.answer_challenge(Answer::report(unpaused.sid, None, fixture.now())).await;
    assert_eq!(reported, Ok(Recorded::Done));
    assert_eq!(store.protection(entity).await, Ok(None));
    let (one, other) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    for (challenge, theirs, is_replaced) in
        [(one, Some(fixture.later(50)), true), (other, None, false)]
    {
        let pause = Pause { reason: PauseReason::Application, level: 0, until: theirs };
        let stored = Protection { pause: Some(pause), cause: None, counts_from: fixture.now() };
        assert_eq!(store.protect(&factor.owner, stored).await, Ok(true));
        let reported =
            store.answer_challenge(Answer::report(challenge.sid, until, fixture.now())).await;
        assert_eq!(reported, Ok(Recorded::Done));
        let now = store.protection(entity).await.unwrap().unwrap();
        assert_eq!(now.cause == Some(challenge.sid), is_replaced);
    }
}

/// Reports of several challenges of one person at once are all recorded.
pub async fn reports_at_once_are_all_recorded(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let (at, until) = (fixture.now(), fixture.later(100));
    let (mut challenges, mut people) = (Vec::new(), JoinSet::new());
    for _ in 0..8 {
        challenges.push(fixture.challenge(&factor).await.sid);
    }
    for sid in challenges {
        let store = fixture.store.clone();
        people.spawn(
            async move { store.answer_challenge(Answer::report(sid, Some(until), at)).await },
        );
    }
    for recorded in people.join_all().await {
        assert_eq!(recorded, Ok(Recorded::Done));
    }
    let stored = fixture.store.protection(factor.owner.entity).await.unwrap().unwrap();
    assert_eq!(stored.pause.and_then(|pause| pause.until), Some(until));
}

/// Of one factor; an answered or expired one makes room.
pub async fn a_factor_has_only_so_many_pending_push_challenges(fixture: &Fixture) {
    let limits = PromptLimits { most_pending: 3, ..PromptLimits::OFF };
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    let one = fixture.factor_of(&service, &identity).await;
    let other = fixture.factor_of(&service, &identity).await;
    let mut all = Vec::new();
    for seconds in [100, 200, 300] {
        let made = fixture.make.challenge(&one);
        let challenge = Challenge { expires_at: fixture.later(seconds), ..made };
        assert_eq!(open_within(fixture, &challenge, limits).await, Opened::Done);
        all.push(challenge);
    }
    let open = async |factor| {
        let challenge = fixture.make.challenge(factor);
        open_within(fixture, &challenge, limits).await
    };
    assert_eq!(open(&one).await, Opened::TooManyPending);
    assert_eq!(open(&other).await, Opened::Done, "another device of the person");
    answer(fixture, &all[2], Verdict::Denied).await;
    assert_eq!(open(&one).await, Opened::Done);
    assert_eq!(open(&one).await, Opened::TooManyPending);
    fixture.pass(99);
    assert_eq!(open(&one).await, Opened::Done, "the first has expired");
    assert_eq!(open(&one).await, Opened::TooManyPending);
    let coder = fixture.totp_factor_of(&service, &identity).await;
    assert_eq!(open_code(fixture, &fixture.make.code_challenge(&coder)).await, Opened::Done);
}

/// Those of many requests at once too.
pub async fn of_many_push_challenges_at_once_so_many_are_pending(fixture: &Fixture) {
    let limits = PromptLimits { most_pending: 3, ..PromptLimits::OFF };
    let factor = fixture.factor().await;
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (store, challenge) = (fixture.store.clone(), fixture.make.challenge(&factor));
        let opening = opening(challenge, None, limits);
        callers.spawn(async move { store.open_challenge(&opening).await.unwrap() });
    }
    let opened = callers.join_all().await;
    let count = |is: Opened| opened.iter().filter(|opened| **opened == is).count();
    assert_eq!((count(Opened::Done), count(Opened::TooManyPending)), (3, 17));
}

/// All pushes of such a challenge are quiet, also explicit ones. An approval makes the next one loud again.
pub async fn a_push_challenge_after_so_many_without_an_approval_is_quiet(fixture: &Fixture) {
    let limits = PromptLimits { quiet_after: 2, window: LIMITS.window, ..PromptLimits::OFF };
    let (service, identity) = (fixture.service().await, fixture.make.identity());
    let one = fixture.factor_of(&service, &identity).await;
    let other = fixture.factor_of(&service, &identity).await;
    let is_quiet = async |factor: &Factor, limits| {
        let challenge = fixture.make.challenge(factor);
        assert_eq!(open_within(fixture, &challenge, limits).await, Opened::Done);
        let prospect = fixture.prospect(&fixture.leased(&challenge).await).await;
        fixture.pass(1);
        (challenge, prospect.challenge.unwrap().manner.quiet)
    };
    assert!(!is_quiet(&one, limits).await.1);
    assert!(!is_quiet(&other, limits).await.1);
    let (third, quiet) = is_quiet(&one, limits).await;
    assert!(quiet, "of all devices of the person together");
    assert!(!is_quiet(&one, PromptLimits::OFF).await.1);
    assert!(!is_quiet(&fixture.factor().await, limits).await.1);
    answer(fixture, &third, Verdict::Approved).await;
    assert!(!is_quiet(&one, limits).await.1);
}
