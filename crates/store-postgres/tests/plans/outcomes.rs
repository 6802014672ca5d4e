//! The statements about the outcomes of attempts.

use countersign_domain::address::{Address, Platform};
use countersign_domain::delivery::Lease;
use countersign_domain::ending::Ending;
use countersign_domain::factor::{Factor, FactorChange};
use countersign_domain::node::NodeId;
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::settled::DeliveryEvent;
use countersign_store::conformance::Fixture;
use countersign_store::page::{Cursor, PageQuery, Side};

/// Settles deliveries of a factor in every way, and gives it another address.
pub(crate) async fn settle_in_every_way(fixture: &Fixture, factor: &Factor) {
    let (store, now) = (&fixture.store, fixture.now());
    let gone = DeliveryEvent::Attempted {
        record: fixture.record(Outcome::Gone { since: None }),
        after: AfterAttempt::Done(Ending::DELIVERED),
        forget: Some((factor.address.clone(), now)),
    };
    let later = Outcome::Later { not_before: None };
    let again = fixture.attempted(later, AfterAttempt::Retry { at: fixture.later(5) });
    for event in [DeliveryEvent::Written, again, gone] {
        let challenge = fixture.challenge(factor).await;
        let lease = fixture.leased(&challenge).await;
        let lost = Lease { node: NodeId([9; 16]), ..lease };
        assert!(!fixture.settle(&lost, fixture.delivered()).await, "the lease is another node's");
        assert!(fixture.settle(&lease, event).await);
        let cursor = Cursor { sid: lease.delivery.notification, side: Side::After };
        let page = PageQuery { cursor: Some(cursor), ..PageQuery::first(3) };
        store.notifications(challenge.sid, page).await.unwrap();
        store.mark_fetched(challenge.sid, now).await.unwrap();
    }
    fixture.parked(&fixture.challenge(factor).await).await;
    let address = Address::new(Platform::Apn, Some(&"0a".repeat(32)), true).unwrap();
    let change = FactorChange { address: Some(address), ..FactorChange::default() };
    let changed = store.update_factor(factor.owner.entity, factor.sid, &change, now).await;
    assert!(changed.unwrap().is_some());
}
