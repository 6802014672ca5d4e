//! Questions that clients ask apart from the person's browser.

use std::time::Duration;

use countersign_domain::backchannel::{BackchannelId, BackchannelRequest, KEPT_FOR};
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::factor::Factor;
use countersign_domain::time::Instant;

use super::challenge_groups::openings;
use super::fixture::Fixture;
use super::upkeep::clean_all;
use crate::seam::{Answer, GroupOpened, Recorded};

/// A question to one device, and its request.
fn draw(fixture: &Fixture, factor: &Factor) -> (BackchannelRequest, Challenge) {
    fixture.make.backchannel(fixture.make.challenge(factor))
}

async fn ask(fixture: &Fixture, is_called: bool) -> (Challenge, BackchannelRequest) {
    let factor = fixture.factor().await;
    let (mut request, challenge) = draw(fixture, &factor);
    request.call = request.call.filter(|_| is_called);
    let openings = openings(fixture, std::slice::from_ref(&challenge));
    let opened = fixture.store.open_group(&openings, Some(&request)).await;
    assert_eq!(opened, Ok(GroupOpened::Done));
    (challenge, request)
}

async fn answer(fixture: &Fixture, challenge: &Challenge) -> Instant {
    let at = fixture.now();
    let answer = Answer::new(challenge.sid, Verdict::Denied, at);
    let answer = Answer { group: challenge.group, ..answer };
    assert_eq!(fixture.store.answer_challenge(answer).await, Ok(Recorded::Done));
    at
}

/// By its id only.
pub async fn a_request_reads_back_as_it_was_stored(fixture: &Fixture) {
    let (_, called) = ask(fixture, true).await;
    let (_, silent) = ask(fixture, false).await;
    let store = &fixture.store;
    for request in [called, silent] {
        assert_eq!(store.backchannel_request(request.id).await, Ok(Some(request)));
    }
    assert_eq!(store.backchannel_request(BackchannelId([3; 16])).await, Ok(None));
}

/// Neither it nor the challenges.
pub async fn a_request_of_a_refused_group_is_not_stored(fixture: &Fixture) {
    let factor = fixture.factor().await;
    fixture.challenge(&factor).await;
    let (request, challenge) = draw(fixture, &factor);
    let mut openings = openings(fixture, std::slice::from_ref(&challenge));
    openings[0].most_per_factor_hour = 1;
    let opened = fixture.store.open_group(&openings, Some(&request)).await.unwrap();
    assert!(matches!(opened, GroupOpened::Refused { .. }), "{opened:?}");
    assert_eq!(fixture.store.backchannel_request(request.id).await, Ok(None));
}

/// Of two questions with one id, the second is not asked.
pub async fn a_request_is_stored_once(fixture: &Fixture) {
    let (_, first) = ask(fixture, true).await;
    let factor = fixture.factor().await;
    let (request, challenge) = draw(fixture, &factor);
    let openings = openings(fixture, std::slice::from_ref(&challenge));
    let again = BackchannelRequest { id: first.id, ..request };
    let opened = fixture.store.open_group(&openings, Some(&again)).await;
    assert_eq!(opened, Ok(GroupOpened::Repeated));
    assert_eq!(fixture.challenge_now(&challenge).await, None);
    assert_eq!(fixture.store.backchannel_request(first.id).await, Ok(Some(first)));
}

/// By one of many who try at once, and only before the deadline.
pub async fn an_approval_is_fetched_once(fixture: &Fixture) {
    let (_, request) = ask(fixture, false).await;
    let store = &fixture.store;
    assert_eq!(store.redeem_backchannel(request.id, request.deadline).await, Ok(false));
    assert_eq!(store.redeem_backchannel(BackchannelId([2; 16]), fixture.now()).await, Ok(false));
    let at = fixture.now();
    let tries = (0..8).map(|_| {
        let (store, id) = (std::sync::Arc::clone(store), request.id);
        tokio::spawn(async move { store.redeem_backchannel(id, at).await.unwrap() })
    });
    let tries: Vec<_> = tries.collect();
    let mut fetched = 0;
    for one in tries {
        fetched += u32::from(one.await.unwrap());
    }
    assert_eq!(fetched, 1);
    let there = store.backchannel_request(request.id).await.unwrap().unwrap();
    assert_eq!(there.redeemed_at, Some(at));
}

/// When it is answered, or has expired.
pub async fn a_client_is_called_when_its_question_has_ended(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(store.next_backchannel_call().await, Ok(None));
    let (asked, first) = ask(fixture, true).await;
    let (open, second) = ask(fixture, true).await;
    let (silent, _) = ask(fixture, false).await;
    let (node, now, until) = (fixture.make.node, fixture.now(), fixture.later(30));
    assert_eq!(store.lease_backchannel_calls(node, now, until, 9).await, Ok(vec![]));
    let at = answer(fixture, &asked).await;
    answer(fixture, &silent).await;
    assert_eq!(store.next_backchannel_call().await, Ok(Some(at)));
    let leases = store.lease_backchannel_calls(node, fixture.now(), until, 9).await.unwrap();
    assert_eq!(leases.len(), 1);
    assert_eq!((&leases[0].request, leases[0].attempts), (&first, 0));
    assert_eq!(store.lease_backchannel_calls(node, fixture.now(), until, 9).await, Ok(vec![]));
    let expired = open.expires_at.max(until);
    let later = expired + Duration::from_secs(30);
    let leases = store.lease_backchannel_calls(node, expired, later, 9).await.unwrap();
    let found: Vec<_> = leases.iter().map(|lease| lease.request.id).collect();
    assert!(found.contains(&second.id), "{found:?}");
    assert!(found.contains(&first.id), "its lease ran out: {found:?}");
}

/// And never after that.
pub async fn a_client_is_called_again_until_it_has_taken_the_call(fixture: &Fixture) {
    let store = &fixture.store;
    let (challenge, request) = ask(fixture, true).await;
    answer(fixture, &challenge).await;
    let (node, until) = (fixture.make.node, fixture.later(30));
    let lease = async |now| {
        let mut leases = store.lease_backchannel_calls(node, now, until, 9).await.unwrap();
        leases.pop()
    };
    let held = lease(fixture.now()).await.unwrap();
    let again = fixture.later(5);
    assert_eq!(store.settle_backchannel_call(&held, Some(again)).await, Ok(true));
    assert_eq!(store.settle_backchannel_call(&held, None).await, Ok(false), "it is not held");
    assert_eq!(lease(fixture.now()).await, None);
    let held = lease(again).await.unwrap();
    assert_eq!((held.attempts, &held.request.call), (1, &request.call));
    assert_eq!(store.settle_backchannel_call(&held, None).await, Ok(true));
    assert_eq!((lease(until).await, store.next_backchannel_call().await), (None, Ok(None)));
    let there = store.backchannel_request(request.id).await.unwrap().unwrap();
    assert_eq!(there, BackchannelRequest { call: None, ..request }, "the secret is forgotten");
}

/// Not before.
pub async fn a_request_is_removed_an_hour_after_its_deadline(fixture: &Fixture) {
    let (_, request) = ask(fixture, true).await;
    let over = request.deadline + KEPT_FOR;
    fixture.make.clock.set(over - Duration::from_secs(1));
    clean_all(fixture).await;
    assert!(fixture.store.backchannel_request(request.id).await.unwrap().is_some());
    fixture.make.clock.set(over);
    clean_all(fixture).await;
    assert_eq!(fixture.store.backchannel_request(request.id).await, Ok(None));
}
