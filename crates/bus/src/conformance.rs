//! The rules that every bus keeps. Each rule is a function with a sentence for a name, and runs on a fresh [`BusPair`].
//!
//! The tests of a bus are one line, `countersign_bus::conformance!(fresh);`, where `fresh` is an async function that returns a
//! pair, and a guard that the test keeps until it ends:
//!
//! ```ignore
//! async fn fresh() -> (BusPair, Guard)
//! ```

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::prompt_manner::PromptManner;
use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeSid, CredentialSid, FactorSid, IntegrationSid, NotificationSid,
    ServiceSid,
};
use countersign_domain::text::Message;
use countersign_domain::world::Clock as _;
use countersign_testkit::ManualClock;
use tokio::sync::mpsc;

use crate::local::{MESSAGES, SHORTEST_HOLD};
use crate::seam::{
    Attachment, Bus, Changed, Detached, Offer, OfferOutcome, PendingOffer, ToDevice,
};

/// The device of every rule.
pub const PHONE: FactorSid = FactorSid::from_bytes([3; 16]);
/// The challenge of every rule.
pub const CHALLENGE: ChallengeSid = ChallengeSid::from_bytes([4; 16]);

/// Makes a `#[tokio::test]` of every rule.
#[macro_export]
macro_rules! conformance {
    ($fresh:ident) => {
        $crate::conformance_tests! { $fresh;
            an_offer_to_an_absent_device_ends_at_once
            an_offer_reaches_the_socket_and_its_outcome_comes_back
            offers_do_not_wait_for_each_other
            a_dropped_offer_reads_as_not_connected
            a_socket_that_takes_no_more_offers_is_not_found
            a_slow_socket_is_busy
            a_silent_socket_has_one_offer_at_a_time_until_it_acknowledges
            an_abandoned_offer_does_not_keep_a_silent_socket_busy
            a_detached_socket_is_not_found
            a_newer_socket_takes_over_but_not_within_a_second
            the_end_of_an_older_socket_detaches_nothing
            a_dismissed_socket_is_told_and_not_found
            a_device_is_told_that_another_has_answered
            all_watchers_are_woken
            a_change_between_reading_and_waiting_is_not_missed
            listeners_are_told
            listeners_of_the_same_end_are_told_before_an_announcement_returns
            a_device_that_does_not_acknowledge_is_held_and_not_listed
        }
    };
}

/// Makes a test of each rule.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:ident; $($rule:ident)*) => {
        $(
            #[tokio::test]
            async fn $rule() {
                let (pair, _guard) = $fresh().await;
                $crate::conformance::$rule(pair).await;
            }
        )*
    };
}

/// The buses of two nodes, and their clock. Within one process both are the same bus.
pub struct BusPair {
    /// The bus that most rules call.
    pub here: Arc<dyn Bus>,
    /// The bus that sockets attach to.
    pub there: Arc<dyn Bus>,
    /// The clock of both.
    pub clock: ManualClock,
}

impl BusPair {
    async fn attach(&self, end: &Arc<dyn Bus>) -> Option<Attachment> {
        end.attach(PHONE, self.clock.monotonic()).await
    }

    /// A socket of the phone, attached there.
    async fn attached(&self) -> Attachment {
        self.attach(&self.there).await.expect("no other socket holds it")
    }

    /// The outcome of an offer made here, while `socket` runs.
    async fn offered(&self, socket: impl Future<Output = ()>) -> OfferOutcome {
        tokio::join!(self.here.offer(offer()), socket).0
    }
}

/// An offer to the phone.
pub fn offer() -> Offer {
    Offer {
        notification: NotificationSid::from_bytes([5; 16]),
        challenge: CHALLENGE,
        factor: PHONE,
        message: Message::parse("Log in from Lisbon?").expect("a message"),
        manner: PromptManner { quiet: true, ..PromptManner::default() },
        expires_at: ManualClock::new().now() + Duration::from_secs(300),
    }
}

/// Takes the next message, which is an offer.
pub async fn next_offer(socket: &mut Attachment) -> PendingOffer {
    match *socket.messages.recv().await.expect("the bus is running") {
        ToDevice::Offer(pending) => pending,
        other => panic!("not an offer: {other:?}"),
    }
}

/// Takes the next offer, and replies to it.
async fn reply(socket: &mut Attachment, outcome: OfferOutcome) {
    let pending = next_offer(socket).await;
    assert_eq!(pending.offer, offer());
    pending.reply.send(outcome).expect("the offer is awaited");
}

/// Without a socket there is nothing to wait for.
pub async fn an_offer_to_an_absent_device_ends_at_once(pair: BusPair) {
    for end in [&pair.here, &pair.there] {
        assert!(!end.is_attached(PHONE).await);
        assert_eq!(end.offer(offer()).await, OfferOutcome::NotConnected);
    }
}

/// From either node.
pub async fn an_offer_reaches_the_socket_and_its_outcome_comes_back(pair: BusPair) {
    let mut socket = pair.attached().await;
    for end in [&pair.here, &pair.there] {
        assert!(end.is_attached(PHONE).await);
    }
    for word in [OfferOutcome::Acknowledged, OfferOutcome::Unacknowledged, OfferOutcome::Busy] {
        let outcome = pair.offered(reply(&mut socket, word)).await;
        assert_eq!(outcome, word);
    }
}

/// A device may acknowledge the second offer first.
pub async fn offers_do_not_wait_for_each_other(pair: BusPair) {
    let mut socket = pair.attached().await;
    let (first, second, ()) =
        tokio::join!(pair.here.offer(offer()), pair.here.offer(offer()), async {
            let one = next_offer(&mut socket).await;
            reply(&mut socket, OfferOutcome::Acknowledged).await;
            one.reply.send(OfferOutcome::Unacknowledged).expect("the offer is awaited");
        });
    let mut both = [first, second].map(|word| word == OfferOutcome::Acknowledged);
    both.sort_unstable();
    assert_eq!(both, [false, true]);
}

/// Whether the socket takes an offer and drops it, or ends with the offer in its queue.
pub async fn a_dropped_offer_reads_as_not_connected(pair: BusPair) {
    let mut socket = pair.attached().await;
    let outcome = pair.offered(async { drop(socket.messages.recv().await) }).await;
    assert_eq!(outcome, OfferOutcome::NotConnected);

    let outcome = pair.offered(async {
        while socket.messages.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(socket);
    });
    assert_eq!(outcome.await, OfferOutcome::NotConnected);
}

/// Such a socket is about to end.
pub async fn a_socket_that_takes_no_more_offers_is_not_found(pair: BusPair) {
    let mut socket = pair.attached().await;
    socket.messages.close();
    for end in [&pair.here, &pair.there] {
        assert!(!end.is_attached(PHONE).await);
        assert_eq!(end.offer(offer()).await, OfferOutcome::NotConnected);
    }
}

/// Offers that the socket does not take are queued up to a bound; above it the outcome comes at once.
pub async fn a_slow_socket_is_busy(pair: BusPair) {
    let socket = pair.attached().await;
    let offered = || {
        let here = Arc::clone(&pair.here);
        tokio::spawn(async move { here.offer(offer()).await })
    };
    let waiting: Vec<_> = (0..MESSAGES).map(|_| offered()).collect();
    while socket.messages.len() < MESSAGES {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        assert_eq!(pair.here.offer(offer()).await, OfferOutcome::Busy);
    }
    assert_eq!(socket.messages.len(), MESSAGES);
    drop(socket);
    for outcome in waiting {
        assert_eq!(outcome.await.expect("no panic"), OfferOutcome::NotConnected);
    }
}

/// Each unacknowledged offer costs the offering side ten seconds.
pub async fn a_silent_socket_has_one_offer_at_a_time_until_it_acknowledges(pair: BusPair) {
    let mut socket = pair.attached().await;
    let silence = OfferOutcome::Unacknowledged;
    assert_eq!(pair.offered(reply(&mut socket, silence)).await, silence);
    for next in [silence, OfferOutcome::Acknowledged] {
        let held = {
            let here = Arc::clone(&pair.here);
            tokio::spawn(async move { here.offer(offer()).await })
        };
        let pending = next_offer(&mut socket).await;
        for end in [&pair.here, &pair.there] {
            assert_eq!(end.offer(offer()).await, OfferOutcome::Busy);
        }
        pending.reply.send(next).expect("the offer is awaited");
        assert_eq!(held.await.expect("no panic"), next);
    }
    let both = tokio::join!(pair.here.offer(offer()), pair.there.offer(offer()), async {
        for _ in 0..2 {
            reply(&mut socket, OfferOutcome::Acknowledged).await;
        }
    });
    assert_eq!((both.0, both.1), (OfferOutcome::Acknowledged, OfferOutcome::Acknowledged));
}

/// An offer whose caller is dropped is not outstanding.
pub async fn an_abandoned_offer_does_not_keep_a_silent_socket_busy(pair: BusPair) {
    let mut socket = pair.attached().await;
    let unacknowledged = reply(&mut socket, OfferOutcome::Unacknowledged);
    assert_eq!(pair.offered(unacknowledged).await, OfferOutcome::Unacknowledged);
    let given_up = {
        let here = Arc::clone(&pair.there);
        tokio::spawn(async move { here.offer(offer()).await })
    };
    drop(socket.messages.recv().await);
    given_up.abort();
    let _ = given_up.await;
    let outcome = pair.offered(reply(&mut socket, OfferOutcome::Acknowledged)).await;
    assert_eq!(outcome, OfferOutcome::Acknowledged);
}

/// It is found when it attaches again.
pub async fn a_detached_socket_is_not_found(pair: BusPair) {
    for _ in 0..3 {
        let mut socket = pair.attached().await;
        let outcome = pair.offered(reply(&mut socket, OfferOutcome::Acknowledged)).await;
        assert_eq!(outcome, OfferOutcome::Acknowledged);
        drop(socket);
        assert!(!pair.here.is_attached(PHONE).await);
        assert_eq!(pair.here.offer(offer()).await, OfferOutcome::NotConnected);
    }
}

/// On whichever nodes the two sockets are.
pub async fn a_newer_socket_takes_over_but_not_within_a_second(pair: BusPair) {
    let mut older = pair.attached().await;
    pair.clock.advance(SHORTEST_HOLD - Duration::from_micros(1));
    for end in [&pair.here, &pair.there] {
        assert!(pair.attach(end).await.is_none());
        assert!(older.detached.try_recv().is_err(), "the older socket stays");
    }
    for end in [&pair.here, &pair.there, &pair.there, &pair.here] {
        pair.clock.advance(SHORTEST_HOLD);
        let mut newer = pair.attach(end).await.expect("a second has passed");
        assert_eq!(older.detached.await, Ok(Detached::Replaced));
        let outcome = pair.offered(reply(&mut newer, OfferOutcome::Acknowledged)).await;
        assert_eq!(outcome, OfferOutcome::Acknowledged, "the newer socket is found");
        older = newer;
    }
}

/// The older socket ends after the newer one has attached.
pub async fn the_end_of_an_older_socket_detaches_nothing(pair: BusPair) {
    for end in [&pair.here, &pair.there] {
        let older = pair.attached().await;
        pair.clock.advance(SHORTEST_HOLD);
        let newer = pair.attach(end).await.expect("a second has passed");
        drop(older);
        for asked in [&pair.here, &pair.there] {
            assert!(asked.is_attached(PHONE).await);
        }
        drop(newer);
        assert!(!pair.here.is_attached(PHONE).await);
        assert!(pair.attach(&pair.here).await.is_some(), "no socket is replaced");
    }
}

/// A deleted factor has no socket.
pub async fn a_dismissed_socket_is_told_and_not_found(pair: BusPair) {
    pair.here.dismiss(PHONE).await;
    let socket = pair.attached().await;
    pair.here.dismiss(PHONE).await;
    assert_eq!(socket.detached.await, Ok(Detached::Dismissed));
    assert!(!pair.here.is_attached(PHONE).await);
    assert_eq!(pair.here.offer(offer()).await, OfferOutcome::NotConnected);
}

/// On whichever node it is.
pub async fn a_device_is_told_that_another_has_answered(pair: BusPair) {
    let mut socket = pair.attached().await;
    for end in [&pair.here, &pair.there] {
        end.answered_elsewhere(PHONE, CHALLENGE).await;
        let told = socket.messages.recv().await.expect("the bus is running");
        let ToDevice::AnsweredElsewhere { factor, challenge } = *told else { panic!("an offer") };
        assert_eq!((factor, challenge), (PHONE, CHALLENGE));
    }
    let outcome = pair.offered(reply(&mut socket, OfferOutcome::Acknowledged)).await;
    assert_eq!(outcome, OfferOutcome::Acknowledged, "offers follow");
}

/// All of them, each time.
pub async fn all_watchers_are_woken(pair: BusPair) {
    pair.here.challenge_changed(CHALLENGE).await;
    let (first, second) = (pair.there.watch(CHALLENGE).await, pair.there.watch(CHALLENGE).await);
    let (one, two) = (first.changed(), second.changed());
    pair.here.challenge_changed(CHALLENGE).await;
    tokio::join!(one, two);

    drop(first);
    let again = second.changed();
    pair.here.challenge_changed(CHALLENGE).await;
    again.await;
}

/// A watcher calls `changed` before it reads.
pub async fn a_change_between_reading_and_waiting_is_not_missed(pair: BusPair) {
    let watch = pair.there.watch(CHALLENGE).await;
    let changed = watch.changed();
    pair.here.challenge_changed(CHALLENGE).await;
    tokio::task::yield_now().await;
    changed.await;
}

/// Every listener is told of every kind of change.
pub async fn listeners_are_told(pair: BusPair) {
    let (tell, mut told) = mpsc::unbounded_channel();
    for listener in 0..2 {
        let tell = tell.clone();
        pair.there.listen(Box::new(move |changed| {
            let _ = tell.send((listener, changed));
        }));
    }
    let sid = [1; 16];
    for changed in [
        Changed::Account(AccountSid::from_bytes(sid)),
        Changed::ApiKey(ApiKeySid::from_bytes(sid)),
        Changed::Service(ServiceSid::from_bytes(sid)),
        Changed::Credential(CredentialSid::from_bytes(sid)),
        Changed::Integration(IntegrationSid::from_bytes(sid)),
    ] {
        pair.here.announce(changed).await;
        for listener in 0..2 {
            assert_eq!(told.recv().await, Some((listener, changed)));
        }
    }
}

/// A caller that changes something and then reads it sees the change.
pub async fn listeners_of_the_same_end_are_told_before_an_announcement_returns(pair: BusPair) {
    let (tell, mut told) = mpsc::unbounded_channel();
    pair.here.listen(Box::new(move |changed| {
        let _ = tell.send(changed);
    }));
    let changed = Changed::Service(ServiceSid::from_bytes([1; 16]));
    pair.here.announce(changed).await;
    assert_eq!(told.try_recv(), Ok(changed));
}

/// Until it acknowledges, or connects again.
pub async fn a_device_that_does_not_acknowledge_is_held_and_not_listed(pair: BusPair) {
    assert_eq!(pair.there.held(), []);
    let mut socket = pair.attached().await;
    for (word, listed) in [
        (OfferOutcome::Busy, &[PHONE][..]),
        (OfferOutcome::Unacknowledged, &[]),
        (OfferOutcome::Busy, &[]),
        (OfferOutcome::Acknowledged, &[PHONE]),
        (OfferOutcome::Unacknowledged, &[]),
    ] {
        pair.offered(reply(&mut socket, word)).await;
        assert_eq!(pair.there.held(), listed);
        assert!(pair.here.is_attached(PHONE).await);
    }
    pair.clock.advance(SHORTEST_HOLD);
    let _newer = pair.attached().await;
    assert_eq!(pair.there.held(), [PHONE]);
}
