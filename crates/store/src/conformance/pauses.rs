//! The list of entities that are paused.

use countersign_domain::protection::{Pause, PauseReason, Protection};
use countersign_domain::service::Service;
use countersign_domain::time::Instant;

use super::fixture::Fixture;

/// Of one service, also those of whom a person has reported a challenge; not those whose pause is over or was ended.
pub async fn entities_that_are_paused_now_are_listed_page_by_page(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let store = &fixture.store;
    let pause = async |service: &Service, reason: Option<PauseReason>, until: Option<Instant>| {
        let owner = fixture.factor_of(service, &fixture.make.identity()).await.owner;
        let pause = reason.map(|reason| Pause { reason, level: 0, until });
        let protection = Protection { pause, cause: None, counts_from: fixture.now() };
        assert_eq!(store.protect(&owner, protection).await, Ok(true));
        (owner, protection)
    };
    let later = Some(fixture.later(60));
    let mut paused = vec![
        pause(&service, Some(PauseReason::Reported), later).await,
        pause(&service, Some(PauseReason::Application), None).await,
        pause(&service, Some(PauseReason::InARow), later).await,
    ];
    pause(&other, Some(PauseReason::Application), None).await;
    pause(&service, Some(PauseReason::Reported), Some(fixture.now())).await;
    pause(&service, None, None).await;
    paused.sort_by_key(|(owner, _)| owner.entity);
    let now = fixture.now();
    assert_eq!(store.paused(service.sid, None, 10, now).await, Ok(paused.clone()));
    let first = store.paused(service.sid, None, 2, now).await.unwrap();
    assert_eq!(first, paused[..2]);
    let behind = Some(first[1].0.entity);
    assert_eq!(store.paused(service.sid, behind, 2, now).await, Ok(paused[2..].to_vec()));
    let after = store.paused(service.sid, None, 10, fixture.later(60)).await.unwrap();
    assert_eq!(after.len(), 1, "only the one without an end");
    store.delete_service(service.sid, now).await.unwrap();
    assert_eq!(store.paused(service.sid, None, 10, now).await, Ok(Vec::new()));
}
