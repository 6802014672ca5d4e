//! Access tokens. That each is used once is a rule of enrolment, see [`super::factors`].

use countersign_domain::access_token::AccessToken;
use countersign_domain::text::FriendlyName;

use super::stage::Stage;
use crate::seam::{Enrolled, Inserted};

/// In its own service only.
pub async fn an_access_token_reads_back_as_it_was_stored(stage: &Stage) {
    let (service, other) = (stage.service().await, stage.service().await);
    let plain = stage.make.access_token(&service, &stage.make.identity());
    let named = AccessToken {
        factor_friendly_name: FriendlyName::parse("Ann's phone").ok(),
        ttl: 300,
        ..stage.make.access_token(&service, &stage.make.identity())
    };
    let store = &stage.store;
    for token in [plain, named] {
        assert_eq!(store.create_access_token(&token).await, Ok(Inserted::Done));
        assert_eq!(store.create_access_token(&token).await, Ok(Inserted::NotUnique));
        assert_eq!(store.access_token(other.sid, token.sid).await, Ok(None));
        assert_eq!(store.access_token(service.sid, token.sid).await, Ok(Some(token)));
    }
}

/// Otherwise nothing is stored.
pub async fn an_access_token_needs_its_service(stage: &Stage) {
    let service = stage.make.service(&stage.account().await);
    let token = stage.make.access_token(&service, &stage.make.identity());
    assert_eq!(stage.store.create_access_token(&token).await, Ok(Inserted::NoParent));
    assert_eq!(stage.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(stage.store.access_token(service.sid, token.sid).await, Ok(None));
}

/// Whoever asks with one is told more than "unknown".
pub async fn used_and_expired_access_tokens_can_still_be_read(stage: &Stage) {
    let service = stage.service().await;
    let identity = stage.make.identity();
    let token = stage.make.access_token(&service, &identity);
    assert_eq!(stage.store.create_access_token(&token).await, Ok(Inserted::Done));
    let factor = stage.make.factor(&stage.make.entity(&service, &identity).owner);
    let enrolled = stage.enrol(&factor, Some(token.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(factor.owner.entity));
    stage.pass(120);
    assert_eq!(stage.store.access_token(service.sid, token.sid).await, Ok(Some(token)));
}
