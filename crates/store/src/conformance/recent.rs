//! What an operator looks at.

use std::time::Duration;

use countersign_domain::challenge::Challenge;
use countersign_domain::delivery::Birth;
use countersign_domain::factor::FactorType;
use countersign_domain::notification::{Ending, Reason, Status};
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ChallengeSid};
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::{AfterCall, Call, CallState};

use super::stage::Stage;
use super::webhook_calls::TAKEN;
use crate::seam::{CallCounts, CallList, CallMark, Glance, Inserted, Look, Opened};

/// All of the last hour.
fn look(stage: &Stage) -> Look {
    Look { since: stage.now() - Duration::from_secs(3_600), rows: 100 }
}

/// After everything that was made so far.
fn end(stage: &Stage, kind: FactorType) -> ChallengeSid {
    ChallengeSid::least(kind, stage.later(1))
}

async fn newest(stage: &Stage, account: AccountSid, look: Look, most: usize) -> Glance<Challenge> {
    let before = end(stage, FactorType::Push);
    stage.store.recent_challenges(account, before, look, most).await.unwrap()
}

/// Newest first, of either type alone, and nobody else's.
pub async fn the_newest_challenges_of_an_account_are_found(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let factor = stage.factor_of(&service, &identity).await;
    let coded = stage.totp_factor_of(&service, &identity).await;
    let other = stage.factor().await;
    let mut mine = Vec::new();
    for _ in 0..3 {
        stage.pass(1);
        mine.insert(0, stage.challenge(&factor).await);
        stage.challenge(&other).await;
    }
    let code = stage.code_challenge(&coded).await;
    let account = service.account;
    let found = newest(stage, account, look(stage), 10).await;
    assert_eq!(found, Glance { items: mine.clone(), ended_at: None });
    assert_eq!(newest(stage, account, look(stage), 2).await.items, mine[..2]);
    let older = stage.store.recent_challenges(account, mine[0].sid, look(stage), 10).await;
    assert_eq!(older.unwrap().items, mine[1..]);
    let before = end(stage, FactorType::Totp);
    let codes = stage.store.recent_challenges(account, before, look(stage), 10).await;
    assert_eq!(codes.unwrap().items, [code]);
    let since = Look { since: mine[0].created_at, ..look(stage) };
    assert_eq!(newest(stage, account, since, 10).await.items, mine[..1]);
    assert_eq!(stage.store.delete_entity(service.sid, &identity, stage.now()).await, Ok(true));
    assert_eq!(newest(stage, account, look(stage), 10).await.items, []);
}

/// Of its own account: what others do hides nothing. And it says where it ended.
pub async fn a_look_ends_at_its_bound_and_says_so(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let account = factor.owner.account;
    let mut mine = Vec::new();
    for _ in 0..3 {
        stage.pass(1);
        mine.insert(0, stage.challenge(&factor).await);
        stage.notify(&mine[0], 0, Birth::Stillborn(Ending::DELIVERED)).await;
        for _ in 0..5 {
            stage.challenge(&other).await;
        }
    }
    let bound = Look { rows: 2, ..look(stage) };
    let ended_at = Some(mine[1].sid.minted_at());
    let found = newest(stage, account, bound, 10).await;
    assert_eq!(found, Glance { items: mine[..2].to_vec(), ended_at });
    let fates = stage.store.recent_fates(account, stage.later(1), bound).await.unwrap();
    assert_eq!((fates.items.len(), fates.ended_at), (2, ended_at));
    let whole = Look { rows: 4, ..bound };
    let found = newest(stage, account, whole, 10).await;
    assert_eq!(found, Glance { items: mine, ended_at: None });
}

/// Of one's own account, whether it has ended or not.
pub async fn how_notifications_stand_is_told(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let challenge = stage.make.challenge(&factor);
    let automatic = stage.make.automatic(&challenge);
    assert_eq!(stage.open(&challenge, Some(automatic)).await, Opened::Done);
    let gone = Ending::cancelled(Reason::Answered);
    stage.notify(&challenge, 0, Birth::Stillborn(gone)).await;
    stage.due(&stage.challenge(&other).await).await;
    stage.pass(1);
    let lease = automatic.lease().unwrap();
    let delivered = stage.delivered();
    assert!(stage.settle(&lease, delivered).await);
    let fates = stage.store.recent_fates(factor.owner.account, stage.later(1), look(stage)).await;
    let mut fates = fates.unwrap().items;
    fates.sort_by_key(|fate| fate.updated_at);
    assert_eq!(fates.len(), 2);
    assert_eq!(fates[0].ending, Some(gone));
    assert_eq!(fates[1].ending.map(|ending| ending.status), Some(Status::Delivered));
    assert_eq!(fates[1].updated_at.since(fates[1].created_at), Duration::from_secs(1));
    let none = Look { since: stage.now(), ..look(stage) };
    let later = stage.store.recent_fates(factor.owner.account, stage.later(1), none).await;
    assert_eq!(later.unwrap().items, []);
}

/// By their SIDs alone; somebody else's are not there.
pub async fn a_challenge_is_found_by_its_own_sid_or_a_notifications(stage: &Stage) {
    let (factor, other) = (stage.factor().await, stage.factor().await);
    let (account, stranger) = (factor.owner.account, other.owner.account);
    let challenge = stage.challenge(&factor).await;
    stage.pass(60);
    stage.challenge(&factor).await;
    for _ in 0..5 {
        stage.challenge(&other).await;
    }
    stage.pass(1);
    let sid = stage.due(&challenge).await.delivery.notification;
    let store = &stage.store;
    let found = Ok(Some(challenge.clone()));
    assert_eq!(store.challenge_of_account(account, challenge.sid).await, found);
    assert_eq!(store.challenge_of_account(stranger, challenge.sid).await, Ok(None));
    assert_eq!(store.challenge_of_notification(account, sid, 2).await, found);
    assert_eq!(store.challenge_of_notification(stranger, sid, 100).await, Ok(None));
    assert_eq!(store.challenge_of_notification(account, sid, 1).await, Ok(None), "a bound");
}

/// A webhook of a new service that hears of everything.
async fn listener(stage: &Stage) -> (Service, Webhook) {
    let service = stage.service().await;
    let event_types = vec![EventType::All, EventType::ChallengeExpired];
    let webhook = Webhook { event_types, ..stage.make.webhook(&service) };
    assert_eq!(stage.store.create_webhook(&webhook, 0).await, Ok(Inserted::Done));
    (service, webhook)
}

/// One that waits for another try, or that was given up, is due again when somebody says so.
pub async fn a_call_that_failed_is_seen_and_sent_again(stage: &Stage) {
    let (service, webhook) = listener(stage).await;
    let factor = stage.factor_of(&service, &stage.make.identity()).await;
    let store = &stage.store;
    let lease = async || stage.lease_calls().await;
    let settle = async |after| {
        let call = lease().await.remove(0);
        assert_eq!(store.settle_call(&call, after, "status 500", stage.now()).await, Ok(true));
        call.id
    };
    let list = async |list| store.calls_in_trouble(webhook.sid, list, None, 10).await.unwrap();
    assert_eq!(list(CallList::Failing).await, []);
    let about = store.calls_about(webhook.sid, factor.sid, None, 10).await.unwrap();
    assert_eq!((about.len(), about[0].state, about[0].challenge), (1, CallState::Due, None));
    let at = stage.later(600);
    let id = settle(AfterCall::Retry { at }).await;
    let waiting = list(CallList::Failing).await.remove(0);
    assert_eq!((waiting.id, waiting.state, waiting.wake_at), (id, CallState::Due, at));
    assert_eq!((waiting.attempts, waiting.last_error.as_deref()), (1, Some("status 500")));
    assert_eq!(waiting.event, EventType::FactorCreated.as_str());
    assert_eq!(lease().await, []);
    let unknown = stage.make.webhook(&service).sid;
    assert_eq!(store.resend_call(unknown, id, stage.now()).await, Ok(false));
    assert_eq!(store.resend_call(webhook.sid, id, stage.now()).await, Ok(true));
    assert_eq!(settle(AfterCall::Failed).await, id);
    assert_eq!(list(CallList::Failing).await, []);
    let given_up = list(CallList::GivenUp).await;
    assert_eq!((given_up.len(), given_up[0].state), (1, CallState::Failed));
    stage.pass(2 * 24 * 3_600);
    assert_eq!(store.resend_call(webhook.sid, id, stage.now()).await, Ok(true));
    assert_eq!(settle(TAKEN).await, id, "its day began anew");
    assert_eq!(store.calls_about(webhook.sid, factor.sid, None, 10).await, Ok(vec![]));
    assert_eq!(store.resend_call(webhook.sid, id, stage.now()).await, Ok(false));
}

/// Whether a call was tried or not it counts; those that were given up are in a list of their own, behind no other.
pub async fn the_calls_of_a_webhook_are_counted_and_listed_page_by_page(stage: &Stage) {
    let (service, webhook) = listener(stage).await;
    let (_, other) = listener(stage).await;
    let store = &stage.store;
    let first = stage.now();
    let mut calls = Vec::new();
    for _ in 0..7 {
        stage.factor_of(&service, &stage.make.identity()).await;
        stage.pass(1);
        calls.extend(stage.lease_calls().await);
    }
    assert_eq!(calls.len(), 4, "the others wait untried");
    for (number, call) in calls.iter().enumerate() {
        let at = stage.later(100 - u64::try_from(number).unwrap());
        let after = if number == 0 { AfterCall::Failed } else { AfterCall::Retry { at } };
        assert_eq!(store.settle_call(call, after, "status 500", stage.now()).await, Ok(true));
    }
    let counts = store.call_counts(webhook.sid).await.unwrap();
    assert_eq!((counts.waiting, counts.failing, counts.given_up), (6, 3, 1));
    let oldest = counts.oldest.unwrap();
    assert!(first <= oldest && oldest < stage.now(), "{oldest:?}");
    assert_eq!(store.call_counts(other.sid).await, Ok(CallCounts::default()));

    let page = async |list, after, most| {
        store.calls_in_trouble(webhook.sid, list, after, most).await.unwrap()
    };
    let ids = |calls: &[Call]| calls.iter().map(|call| call.id).collect::<Vec<_>>();
    let mark = |call: &Call| Some(CallMark { wake_at: call.wake_at, id: call.id });
    let head = page(CallList::Failing, None, 2).await;
    assert_eq!(ids(&head), [calls[3].id, calls[2].id], "the next try first");
    let rest = page(CallList::Failing, mark(&head[1]), 2).await;
    assert_eq!(ids(&rest), [calls[1].id]);
    assert_eq!(ids(&page(CallList::GivenUp, None, 2).await), [calls[0].id]);
    // at the same instant, and later
    for call in stage.lease_calls().await {
        let failed = store.settle_call(&call, AfterCall::Failed, "status 500", stage.now()).await;
        assert_eq!(failed, Ok(true));
    }
    let whole = page(CallList::GivenUp, None, 10).await;
    assert_eq!((whole.len(), whole[3].id), (4, calls[0].id), "the latest first");
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let calls = page(CallList::GivenUp, after, 1).await;
        let Some(last) = calls.last() else { break };
        after = mark(last);
        paged.extend(calls);
    }
    assert_eq!(paged, whole);
    assert_eq!(store.calls_in_trouble(other.sid, CallList::GivenUp, None, 10).await, Ok(vec![]));
}

/// However many calls of the same device wait.
pub async fn the_calls_about_a_challenge_are_found_among_all_of_its_device(stage: &Stage) {
    let (service, webhook) = listener(stage).await;
    let factor = stage.factor_of(&service, &stage.make.identity()).await;
    let mut challenges = Vec::new();
    for _ in 0..4 {
        stage.pass(1);
        challenges.push(stage.challenge(&factor).await);
    }
    for challenge in &challenges[..3] {
        stage.answer(challenge).await;
        stage.pass(1);
    }
    let about = async |challenge: &Challenge| {
        let calls = stage.store.calls_about(webhook.sid, factor.sid, Some(challenge.sid), 2).await;
        calls.unwrap().into_iter().map(|call| (call.challenge, call.event)).collect::<Vec<_>>()
    };
    for challenge in &challenges[..3] {
        let approved = (Some(challenge.sid), EventType::ChallengeApproved.as_str().to_owned());
        assert!(about(challenge).await.contains(&approved));
    }
    let asleep = (Some(challenges[3].sid), EventType::ChallengeExpired.as_str().to_owned());
    assert_eq!(about(&challenges[3]).await, [asleep]);
}
