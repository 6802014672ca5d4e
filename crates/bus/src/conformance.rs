//! The rules that every bus keeps: each is a function with a sentence for a name, which plays on two fresh ends of a
//! [`Wire`]. Where all is one process, the two ends are the same.
//!
//! A bus's tests are one line, `countersign_bus::conformance!(fresh);`, where `fresh` is an async function that makes a
//! wire, and whatever must live as long as it does:
//!
//! ```ignore
//! async fn fresh() -> (Wire, Guard)
//! ```

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeSid, CredentialSid, FactorSid, NotificationSid, ServiceSid,
};
use countersign_domain::text::Message;
use countersign_domain::world::Clock as _;
use countersign_testkit::ManualClock;
use tokio::sync::mpsc;

use crate::local::{OFFERS, SHORTEST_HOLD};
use crate::seam::{Attachment, Bus, Changed, Offer, Parting, Reception};

/// A device.
pub const PHONE: FactorSid = FactorSid::from_bytes([3; 16]);
/// What it is asked.
pub const QUESTION: ChallengeSid = ChallengeSid::from_bytes([4; 16]);

/// Makes a `#[tokio::test]` of every rule.
#[macro_export]
macro_rules! conformance {
    ($fresh:ident) => {
        $crate::conformance_tests! { $fresh;
            an_offer_to_nobody_is_answered_at_once
            an_offer_reaches_the_socket_and_its_word_comes_back
            offers_do_not_wait_for_each_other
            an_offer_that_is_dropped_found_nobody
            a_socket_that_takes_no_more_offers_holds_nobody
            a_slow_socket_is_busy
            a_silent_socket_has_one_offer_at_a_time_until_it_acknowledges
            an_offer_that_was_given_up_keeps_no_silent_socket_busy
            a_socket_that_let_go_is_not_found
            a_newer_socket_takes_over_but_not_within_a_second
            an_older_socket_lets_go_of_nothing
            a_dismissed_socket_is_told_and_not_found
            all_watchers_are_woken
            a_change_between_looking_and_waiting_is_not_missed
            listeners_are_told
            listeners_of_the_same_end_are_told_before_an_announcement_returns
            a_device_that_does_not_acknowledge_is_held_and_not_listed
        }
    };
}

/// One test each.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:ident; $($rule:ident)*) => {
        $(
            #[tokio::test]
            async fn $rule() {
                let (wire, _guard) = $fresh().await;
                $crate::conformance::$rule(wire).await;
            }
        )*
    };
}

/// Two ends of the same wire, and the time.
pub struct Wire {
    /// Where most is asked.
    pub here: Arc<dyn Bus>,
    /// Where sockets are.
    pub there: Arc<dyn Bus>,
    /// By which both go.
    pub clock: ManualClock,
}

impl Wire {
    async fn attach(&self, end: &Arc<dyn Bus>) -> Option<Attachment> {
        end.attach(PHONE, self.clock.monotonic()).await
    }

    /// A socket that holds the phone, there.
    async fn attached(&self) -> Attachment {
        self.attach(&self.there).await.expect("nobody else holds it")
    }

    /// What becomes of an offer that is made here; meanwhile `socket` does something.
    async fn offered(&self, socket: impl Future<Output = ()>) -> Reception {
        tokio::join!(self.here.offer(offer()), socket).0
    }
}

/// An offer to the phone.
pub fn offer() -> Offer {
    Offer {
        notification: NotificationSid::from_bytes([5; 16]),
        challenge: QUESTION,
        factor: PHONE,
        message: Message::parse("Log in from Lisbon?").expect("a message"),
        expires_at: ManualClock::new().now() + Duration::from_secs(300),
    }
}

/// Takes the next offer, and answers it.
async fn answers(socket: &mut Attachment, word: Reception) {
    let pending = socket.offers.recv().await.expect("the bus lives");
    assert_eq!(pending.offer, offer());
    pending.reply.send(word).expect("the other side waits");
}

/// Nobody: nothing to wait for.
pub async fn an_offer_to_nobody_is_answered_at_once(wire: Wire) {
    for end in [&wire.here, &wire.there] {
        assert!(!end.is_attached(PHONE).await);
        assert_eq!(end.offer(offer()).await, Reception::Nobody);
    }
}

/// And back again.
pub async fn an_offer_reaches_the_socket_and_its_word_comes_back(wire: Wire) {
    let mut socket = wire.attached().await;
    for end in [&wire.here, &wire.there] {
        assert!(end.is_attached(PHONE).await);
    }
    for word in [Reception::Acknowledged, Reception::Unacknowledged, Reception::Busy] {
        let heard = wire.offered(answers(&mut socket, word)).await;
        assert_eq!(heard, word);
    }
}

/// A device may acknowledge the second first.
pub async fn offers_do_not_wait_for_each_other(wire: Wire) {
    let mut socket = wire.attached().await;
    let (first, second, ()) =
        tokio::join!(wire.here.offer(offer()), wire.here.offer(offer()), async {
            let one = socket.offers.recv().await.expect("the bus lives");
            answers(&mut socket, Reception::Acknowledged).await;
            one.reply.send(Reception::Unacknowledged).expect("the other side waits");
        });
    let mut both = [first, second].map(|word| word == Reception::Acknowledged);
    both.sort_unstable();
    assert_eq!(both, [false, true]);
}

/// Neither taken from the queue and dropped, nor left in it when the socket ends.
pub async fn an_offer_that_is_dropped_found_nobody(wire: Wire) {
    let mut socket = wire.attached().await;
    let heard = wire.offered(async { drop(socket.offers.recv().await) }).await;
    assert_eq!(heard, Reception::Nobody);

    let heard = wire.offered(async {
        while socket.offers.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(socket);
    });
    assert_eq!(heard.await, Reception::Nobody);
}

/// It is about to end.
pub async fn a_socket_that_takes_no_more_offers_holds_nobody(wire: Wire) {
    let mut socket = wire.attached().await;
    socket.offers.close();
    for end in [&wire.here, &wire.there] {
        assert!(!end.is_attached(PHONE).await);
        assert_eq!(end.offer(offer()).await, Reception::Nobody);
    }
}

/// What a socket does not take waits, up to a bound; past it the answer comes at once.
pub async fn a_slow_socket_is_busy(wire: Wire) {
    let socket = wire.attached().await;
    let offered = || {
        let here = Arc::clone(&wire.here);
        tokio::spawn(async move { here.offer(offer()).await })
    };
    let waiting: Vec<_> = (0..OFFERS).map(|_| offered()).collect();
    while socket.offers.len() < OFFERS {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        assert_eq!(wire.here.offer(offer()).await, Reception::Busy);
    }
    assert_eq!(socket.offers.len(), OFFERS);
    drop(socket);
    for heard in waiting {
        assert_eq!(heard.await.expect("no panic"), Reception::Nobody);
    }
}

/// The offering side waits ten seconds for each acknowledgement.
pub async fn a_silent_socket_has_one_offer_at_a_time_until_it_acknowledges(wire: Wire) {
    let mut socket = wire.attached().await;
    let silence = Reception::Unacknowledged;
    assert_eq!(wire.offered(answers(&mut socket, silence)).await, silence);
    for next in [silence, Reception::Acknowledged] {
        let held = {
            let here = Arc::clone(&wire.here);
            tokio::spawn(async move { here.offer(offer()).await })
        };
        let pending = socket.offers.recv().await.expect("the bus lives");
        for end in [&wire.here, &wire.there] {
            assert_eq!(end.offer(offer()).await, Reception::Busy);
        }
        pending.reply.send(next).expect("the other side waits");
        assert_eq!(held.await.expect("no panic"), next);
    }
    let both = tokio::join!(wire.here.offer(offer()), wire.there.offer(offer()), async {
        for _ in 0..2 {
            answers(&mut socket, Reception::Acknowledged).await;
        }
    });
    assert_eq!((both.0, both.1), (Reception::Acknowledged, Reception::Acknowledged));
}

/// An offer that nobody waits for any more is none.
pub async fn an_offer_that_was_given_up_keeps_no_silent_socket_busy(wire: Wire) {
    let mut socket = wire.attached().await;
    let unacknowledged = answers(&mut socket, Reception::Unacknowledged);
    assert_eq!(wire.offered(unacknowledged).await, Reception::Unacknowledged);
    let given_up = {
        let here = Arc::clone(&wire.there);
        tokio::spawn(async move { here.offer(offer()).await })
    };
    drop(socket.offers.recv().await);
    given_up.abort();
    let _ = given_up.await;
    let heard = wire.offered(answers(&mut socket, Reception::Acknowledged)).await;
    assert_eq!(heard, Reception::Acknowledged);
}

/// Until it holds the device again.
pub async fn a_socket_that_let_go_is_not_found(wire: Wire) {
    for _ in 0..3 {
        let mut socket = wire.attached().await;
        let heard = wire.offered(answers(&mut socket, Reception::Acknowledged)).await;
        assert_eq!(heard, Reception::Acknowledged);
        drop(socket);
        assert!(!wire.here.is_attached(PHONE).await);
        assert_eq!(wire.here.offer(offer()).await, Reception::Nobody);
    }
}

/// Wherever the older and the newer one are.
pub async fn a_newer_socket_takes_over_but_not_within_a_second(wire: Wire) {
    let mut older = wire.attached().await;
    wire.clock.advance(SHORTEST_HOLD - Duration::from_micros(1));
    for end in [&wire.here, &wire.there] {
        assert!(wire.attach(end).await.is_none());
        assert!(older.parting.try_recv().is_err(), "it was left alone");
    }
    for end in [&wire.here, &wire.there, &wire.there, &wire.here] {
        wire.clock.advance(SHORTEST_HOLD);
        let mut newer = wire.attach(end).await.expect("a second has passed");
        assert_eq!(older.parting.await, Ok(Parting::Replaced));
        let heard = wire.offered(answers(&mut newer, Reception::Acknowledged)).await;
        assert_eq!(heard, Reception::Acknowledged, "the newer one is found");
        older = newer;
    }
}

/// It ends after the newer one has begun.
pub async fn an_older_socket_lets_go_of_nothing(wire: Wire) {
    for end in [&wire.here, &wire.there] {
        let older = wire.attached().await;
        wire.clock.advance(SHORTEST_HOLD);
        let newer = wire.attach(end).await.expect("a second has passed");
        drop(older);
        for asked in [&wire.here, &wire.there] {
            assert!(asked.is_attached(PHONE).await);
        }
        drop(newer);
        assert!(!wire.here.is_attached(PHONE).await);
        assert!(wire.attach(&wire.here).await.is_some(), "nobody is replaced");
    }
}

/// A factor that is gone has no socket.
pub async fn a_dismissed_socket_is_told_and_not_found(wire: Wire) {
    wire.here.dismiss(PHONE).await;
    let socket = wire.attached().await;
    wire.here.dismiss(PHONE).await;
    assert_eq!(socket.parting.await, Ok(Parting::Dismissed));
    assert!(!wire.here.is_attached(PHONE).await);
    assert_eq!(wire.here.offer(offer()).await, Reception::Nobody);
}

/// All, and again.
pub async fn all_watchers_are_woken(wire: Wire) {
    wire.here.settle(QUESTION).await;
    let (first, second) = (wire.there.watch(QUESTION).await, wire.there.watch(QUESTION).await);
    let (one, two) = (first.changed(), second.changed());
    wire.here.settle(QUESTION).await;
    tokio::join!(one, two);

    drop(first);
    let again = second.changed();
    wire.here.settle(QUESTION).await;
    again.await;
}

/// Who waits later than that waits for nothing.
pub async fn a_change_between_looking_and_waiting_is_not_missed(wire: Wire) {
    let watch = wire.there.watch(QUESTION).await;
    let changed = watch.changed();
    wire.here.settle(QUESTION).await;
    tokio::task::yield_now().await;
    changed.await;
}

/// Of everything that may be in a cache, and each of them.
pub async fn listeners_are_told(wire: Wire) {
    let (tell, mut told) = mpsc::unbounded_channel();
    for listener in 0..2 {
        let tell = tell.clone();
        wire.there.listen(Box::new(move |changed| {
            let _ = tell.send((listener, changed));
        }));
    }
    let sid = [1; 16];
    for changed in [
        Changed::Account(AccountSid::from_bytes(sid)),
        Changed::ApiKey(ApiKeySid::from_bytes(sid)),
        Changed::Service(ServiceSid::from_bytes(sid)),
        Changed::Credential(CredentialSid::from_bytes(sid)),
    ] {
        wire.here.announce(changed).await;
        for listener in 0..2 {
            assert_eq!(told.recv().await, Some((listener, changed)));
        }
    }
}

/// So that a caller who changes something and reads it sees the change.
pub async fn listeners_of_the_same_end_are_told_before_an_announcement_returns(wire: Wire) {
    let (tell, mut told) = mpsc::unbounded_channel();
    wire.here.listen(Box::new(move |changed| {
        let _ = tell.send(changed);
    }));
    let changed = Changed::Service(ServiceSid::from_bytes([1; 16]));
    wire.here.announce(changed).await;
    assert_eq!(told.try_recv(), Ok(changed));
}

/// Until it acknowledges, or connects anew.
pub async fn a_device_that_does_not_acknowledge_is_held_and_not_listed(wire: Wire) {
    assert_eq!(wire.there.held(), []);
    let mut socket = wire.attached().await;
    for (word, listed) in [
        (Reception::Busy, &[PHONE][..]),
        (Reception::Unacknowledged, &[]),
        (Reception::Busy, &[]),
        (Reception::Acknowledged, &[PHONE]),
        (Reception::Unacknowledged, &[]),
    ] {
        wire.offered(answers(&mut socket, word)).await;
        assert_eq!(wire.there.held(), listed);
        assert!(wire.here.is_attached(PHONE).await);
    }
    wire.clock.advance(SHORTEST_HOLD);
    let _newer = wire.attached().await;
    assert_eq!(wire.there.held(), [PHONE]);
}
