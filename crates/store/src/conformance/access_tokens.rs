//! Access tokens. The rule that each is used once is one of enrolment, see [`super::factors`].

use countersign_domain::access_token::AccessToken;
use countersign_domain::secret::SecretHash;
use countersign_domain::text::{AccountLabel, FriendlyName};

use super::fixture::Fixture;
use crate::seam::{Enrolled, Inserted};

/// It is found in its own service only.
pub async fn an_access_token_reads_back_as_it_was_stored(fixture: &Fixture) {
    let (service, other) = (fixture.service().await, fixture.service().await);
    let plain = fixture.make.access_token(&service, &fixture.make.identity());
    let named = AccessToken {
        factor_friendly_name: FriendlyName::parse("Ann's phone").ok(),
        account_label: AccountLabel::parse("Ann Smith, Söhne & Co.").ok(),
        ttl: 300,
        ..fixture.make.access_token(&service, &fixture.make.identity())
    };
    let store = &fixture.store;
    for token in [plain, named] {
        assert_eq!(store.create_access_token(&token).await, Ok(Inserted::Done));
        assert_eq!(store.create_access_token(&token).await, Ok(Inserted::NotUnique));
        assert_eq!(store.access_token(other.sid, token.sid).await, Ok(None));
        assert_eq!(store.access_token(service.sid, token.sid).await, Ok(Some(token)));
    }
}

/// Without it nothing is stored.
pub async fn an_access_token_needs_its_service(fixture: &Fixture) {
    let service = fixture.make.service(&fixture.account().await);
    let token = fixture.make.access_token(&service, &fixture.make.identity());
    assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::NoParent));
    assert_eq!(fixture.store.create_service(&service).await, Ok(Inserted::Done));
    assert_eq!(fixture.store.access_token(service.sid, token.sid).await, Ok(None));
}

/// So the error can say more than "unknown".
pub async fn used_and_expired_access_tokens_can_still_be_read(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let token = fixture.make.access_token(&service, &identity);
    assert_eq!(fixture.store.create_access_token(&token).await, Ok(Inserted::Done));
    let factor = fixture.make.factor(&fixture.make.entity(&service, &identity).owner);
    let used_at = Some(factor.created_at);
    let enrolled = fixture.enrol(&factor, Some(token.sid)).await;
    assert_eq!(enrolled, Enrolled::Done(factor.owner.entity));
    fixture.pass(120);
    assert_eq!(
        fixture.store.access_token(service.sid, token.sid).await,
        Ok(Some(AccessToken { used_at, ..token }))
    );
}

/// One without a code, and those of a deleted service, are not.
pub async fn an_invitation_is_found_by_its_code(fixture: &Fixture) {
    let service = fixture.service().await;
    let make = || fixture.make.access_token(&service, &fixture.make.identity());
    let (plain, one, other) = (make(), make(), make());
    let [code, of_other, unknown] = [1, 2, 3].map(|byte| SecretHash([byte; 32]));
    let store = &fixture.store;
    assert_eq!(store.create_access_token(&plain).await, Ok(Inserted::Done));
    for (token, code) in [(&one, code), (&other, of_other)] {
        assert_eq!(store.create_invitation(token, code).await, Ok(Inserted::Done));
        assert_eq!(store.create_invitation(token, code).await, Ok(Inserted::NotUnique));
    }
    assert_eq!(store.access_token_by_code(code).await, Ok(Some(one.clone())));
    assert_eq!(store.access_token_by_code(of_other).await, Ok(Some(other)));
    assert_eq!(store.access_token_by_code(unknown).await, Ok(None));
    assert_eq!(store.access_token(service.sid, one.sid).await, Ok(Some(one.clone())));
    assert_eq!(store.delete_service(service.sid, fixture.now()).await, Ok(true));
    assert_eq!(store.access_token_by_code(code).await, Ok(None));
    assert_eq!(store.create_invitation(&one, code).await, Ok(Inserted::NoParent));
}
