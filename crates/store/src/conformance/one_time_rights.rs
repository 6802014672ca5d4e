//! Rights that count once.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::one_time_right::{REMEMBERED_FOR, RightId};
use tokio::task::JoinSet;

use super::fixture::Fixture;
use super::upkeep::clean_all;

/// Of concurrent uses one counts, and of later ones none.
pub async fn a_right_is_used_once(fixture: &Fixture) {
    let (id, other) = (RightId([1; 16]), RightId([2; 16]));
    let until = fixture.later(60);
    let mut uses = JoinSet::new();
    for _ in 0..6 {
        let store = Arc::clone(&fixture.store);
        uses.spawn(async move { store.use_right(id, until).await.unwrap() });
    }
    let counted = uses.join_all().await.into_iter().filter(|counts| *counts).count();
    assert_eq!(counted, 1);
    assert_eq!(fixture.store.use_right(id, until).await, Ok(false));
    assert_eq!(fixture.store.use_right(other, until).await, Ok(true));
}

/// A second use of a right is remembered.
pub async fn a_right_that_is_used_again_is_misused(fixture: &Fixture) {
    let (store, id, until) = (&fixture.store, RightId([1; 16]), fixture.later(60));
    assert_eq!(store.is_right_misused(id).await, Ok(false), "it is not used");
    assert_eq!(store.use_right(id, until).await, Ok(true));
    assert_eq!(store.is_right_misused(id).await, Ok(false));
    assert_eq!(store.use_right(id, until).await, Ok(false));
    assert_eq!(store.is_right_misused(id).await, Ok(true));
    assert_eq!(store.is_right_misused(RightId([2; 16])).await, Ok(false));
}

/// It is forgotten when it has been over for a while.
pub async fn a_used_right_is_remembered_beyond_its_end(fixture: &Fixture) {
    let (id, until) = (RightId([1; 16]), fixture.later(60));
    assert_eq!(fixture.store.use_right(id, until).await, Ok(true));
    let over = until + REMEMBERED_FOR;
    fixture.make.clock.set(over - Duration::from_secs(1));
    clean_all(fixture).await;
    assert_eq!(fixture.store.use_right(id, until).await, Ok(false));
    fixture.make.clock.set(over);
    clean_all(fixture).await;
    assert_eq!(fixture.store.use_right(id, until).await, Ok(true));
}
