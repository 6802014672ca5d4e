//! Sessions of the console.

use std::net::Ipv4Addr;
use std::time::Duration;

use countersign_domain::secret::SecretHash;
use countersign_domain::session::{Opener, SessionId, SessionRecord, SessionStage};
use countersign_domain::sid::{
    AccountSid, ApiKeySid, ChallengeGroupSid, ChallengeSid, OperatorSid,
};

use super::fixture::Fixture;
use crate::seam::Retention;

/// An open session of an operator, for a minute.
fn session(fixture: &Fixture, account: AccountSid, operator: OperatorSid) -> SessionRecord {
    let make = &fixture.make;
    SessionRecord {
        id: SessionId(countersign_domain::world::random(&make.entropy)),
        account,
        opener: Opener::Operator(operator),
        stage: SessionStage::Open,
        opened_at: fixture.now(),
        seen_at: fixture.now(),
        expires_at: fixture.later(60),
        address: Some(Ipv4Addr::new(192, 0, 2, 7).into()),
    }
}

fn operator(fixture: &Fixture) -> OperatorSid {
    OperatorSid::mint(fixture.now(), &fixture.make.entropy)
}

/// The group of a challenge that is not stored.
fn prompt(byte: u8) -> ChallengeGroupSid {
    ChallengeGroupSid::of_first(ChallengeSid::from_bytes([byte; 16]))
}

/// Of each opener and in each stage.
pub async fn a_session_reads_back_as_it_was_stored(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let key = ApiKeySid::mint(fixture.now(), &fixture.make.entropy);
    let hash = SecretHash([3; 32]);
    for (opener, stage, address) in [
        (Opener::Account(account, hash), SessionStage::Open, None),
        (Opener::ApiKey(key, hash), SessionStage::Open, Some("2001:db8::1".parse().unwrap())),
        (Opener::Operator(operator(fixture)), SessionStage::Half { prompt: None }, None),
        (Opener::Operator(operator(fixture)), SessionStage::Half { prompt: Some(prompt(1)) }, None),
    ] {
        let new = session(fixture, account, operator(fixture));
        let new = SessionRecord { opener, stage, address, ..new };
        assert_eq!(fixture.store.session(new.id).await, Ok(None));
        assert_eq!(fixture.store.open_session(&new, 5).await, Ok(()));
        assert_eq!(fixture.store.session(new.id).await, Ok(Some(new)));
    }
}

/// Others' sessions do not count.
pub async fn an_opener_keeps_only_so_many_sessions(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let (ada, bob) = (operator(fixture), operator(fixture));
    let mut opened = Vec::new();
    for owner in [bob, ada, ada, ada] {
        let new = session(fixture, account, owner);
        assert_eq!(fixture.store.open_session(&new, 2).await, Ok(()));
        opened.push(new);
        fixture.pass(1);
    }
    for (number, is_kept) in [(0, true), (1, false), (2, true), (3, true)] {
        let found = fixture.store.session(opened[number].id).await.unwrap();
        assert_eq!(found.is_some(), is_kept, "{number}");
    }
    let newest = fixture.store.sessions(account, 2).await.unwrap();
    assert_eq!(newest, [opened[3].clone(), opened[2].clone()]);
    let other = fixture.account().await.sid;
    assert_eq!(fixture.store.sessions(other, 2).await, Ok(Vec::new()));
}

/// An earlier instant that arrives later changes nothing.
pub async fn a_session_notes_when_it_was_seen(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let new = session(fixture, account, operator(fixture));
    fixture.store.open_session(&new, 5).await.unwrap();
    let (early, late) = (fixture.later(5), fixture.later(9));
    for at in [late, early] {
        assert_eq!(fixture.store.see_session(new.id, at).await, Ok(()));
        let found = fixture.store.session(new.id).await.unwrap().unwrap();
        assert_eq!(found.seen_at, late);
    }
    assert_eq!(fixture.store.see_session(SessionId([1; 16]), late).await, Ok(()));
}

/// By the prompt that it waits for, once.
pub async fn a_half_open_session_is_completed_by_its_prompt(fixture: &Fixture) {
    let (store, account) = (&fixture.store, fixture.account().await.sid);
    let stage = SessionStage::Half { prompt: None };
    let new = SessionRecord { stage, ..session(fixture, account, operator(fixture)) };
    store.open_session(&new, 5).await.unwrap();
    let until = fixture.later(600);
    assert_eq!(store.complete_session(new.id, prompt(1), until).await, Ok(false));
    assert_eq!(store.prompt_session(new.id, prompt(1)).await, Ok(true));
    assert_eq!(store.prompt_session(new.id, prompt(2)).await, Ok(true), "another prompt");
    assert_eq!(store.complete_session(new.id, prompt(1), until).await, Ok(false));
    assert_eq!(store.complete_session(new.id, prompt(2), until).await, Ok(true));
    assert_eq!(store.complete_session(new.id, prompt(2), until).await, Ok(false));
    assert_eq!(store.prompt_session(new.id, prompt(3)).await, Ok(false), "it is open");
    let open = SessionRecord { stage: SessionStage::Open, expires_at: until, ..new };
    assert_eq!(store.session(open.id).await, Ok(Some(open)));
}

/// By an account only its own, and all of an operator at once.
pub async fn a_session_is_ended(fixture: &Fixture) {
    let (store, account) = (&fixture.store, fixture.account().await.sid);
    let other = fixture.account().await.sid;
    let (ada, bob) = (operator(fixture), operator(fixture));
    let mut opened = Vec::new();
    for owner in [ada, ada, bob] {
        let new = session(fixture, account, owner);
        store.open_session(&new, 5).await.unwrap();
        opened.push(new.id);
    }
    assert_eq!(store.end_session(other, opened[0]).await, Ok(false));
    assert_eq!(store.end_session(account, opened[0]).await, Ok(true));
    assert_eq!(store.end_session(account, opened[0]).await, Ok(false));
    assert_eq!(store.end_sessions_of(ada).await, Ok(1));
    assert_eq!(store.session(opened[1]).await, Ok(None));
    assert!(store.session(opened[2]).await.unwrap().is_some());
}

/// By the cleaner.
pub async fn an_expired_session_is_removed(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let new = session(fixture, account, operator(fixture));
    let lasting = SessionRecord {
        expires_at: fixture.later(61),
        ..session(fixture, account, operator(fixture))
    };
    for one in [&new, &lasting] {
        fixture.store.open_session(one, 5).await.unwrap();
    }
    fixture.pass(60);
    let retention = Retention { challenges: Duration::from_secs(3_600) };
    assert_eq!(fixture.store.clean(fixture.now(), retention, 100).await, Ok(1));
    assert_eq!(fixture.store.session(new.id).await, Ok(None));
    assert_eq!(fixture.store.session(lasting.id).await, Ok(Some(lasting)));
}
