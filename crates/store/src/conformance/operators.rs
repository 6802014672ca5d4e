//! Operators and the links that sign them in.

use std::net::Ipv4Addr;
use std::sync::Arc;

use countersign_domain::account::Account;
use countersign_domain::operator::{Operator, OperatorChange, OperatorName, PasswordHash};
use countersign_domain::role::Role;
use countersign_domain::secret::SecretHash;
use countersign_domain::session::{Opener, SessionId, SessionRecord, SessionStage};
use countersign_domain::sid::{AccountSid, OperatorSid};

use super::fixture::{Fixture, walks};
use crate::seam::Inserted;

fn operator(fixture: &Fixture, account: AccountSid, name: &str) -> Operator {
    Operator {
        sid: OperatorSid::mint(fixture.now(), &fixture.make.entropy),
        account,
        name: OperatorName::parse(name).unwrap(),
        role: Role::Operate,
        password: None,
        created_at: fixture.now(),
        updated_at: fixture.now(),
    }
}

async fn stored(fixture: &Fixture, account: AccountSid, name: &str) -> Operator {
    let new = operator(fixture, account, name);
    assert_eq!(fixture.store.create_operator(&new, 100).await, Ok(Inserted::Done));
    new
}

async fn open(fixture: &Fixture, operator: &Operator, byte: u8) -> SessionId {
    let session = SessionRecord {
        id: SessionId([byte; 16]),
        account: operator.account,
        opener: Opener::Operator(operator.sid),
        stage: SessionStage::Open,
        opened_at: fixture.now(),
        seen_at: fixture.now(),
        expires_at: fixture.later(60),
        address: Some(Ipv4Addr::LOCALHOST.into()),
    };
    fixture.store.open_session(&session, 5).await.unwrap();
    session.id
}

/// By its SID and by its name, with and without a password.
pub async fn an_operator_reads_back_as_it_was_stored(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let (store, hash) = (&fixture.store, PasswordHash("$argon2id$owl".to_owned()));
    for (name, role, password) in
        [("ada", Role::Admin, None), ("bob@example.com", Role::Read, Some(hash))]
    {
        let new = Operator { role, password, ..operator(fixture, account, name) };
        assert_eq!(store.operator(new.sid).await, Ok(None));
        assert_eq!(store.operator_named(&new.name).await, Ok(None));
        assert_eq!(store.create_operator(&new, 100).await, Ok(Inserted::Done));
        assert_eq!(store.operator(new.sid).await, Ok(Some(new.clone())));
        assert_eq!(store.operator_named(&new.name).await, Ok(Some(new)));
    }
}

/// Its account must exist and may have only so many, and its name is that of no other account's operator.
pub async fn an_operator_needs_a_place_and_a_name(fixture: &Fixture) {
    let Account { sid: account, .. } = fixture.account().await;
    let (store, other) = (&fixture.store, fixture.account().await.sid);
    let homeless = operator(fixture, fixture.make.account().sid, "ada");
    assert_eq!(store.create_operator(&homeless, 2).await, Ok(Inserted::NoParent));
    stored(fixture, account, "ada").await;
    let same = operator(fixture, other, "ada");
    assert_eq!(store.create_operator(&same, 2).await, Ok(Inserted::NotUnique));
    stored(fixture, account, "bob").await;
    let third = operator(fixture, account, "eve");
    assert_eq!(store.create_operator(&third, 2).await, Ok(Inserted::TooMany));
    assert_eq!(
        store.create_operator(&operator(fixture, other, "eve"), 2).await,
        Ok(Inserted::Done)
    );
}

/// In either direction, of one account.
pub async fn operators_are_listed_page_by_page(fixture: &Fixture) {
    let (account, other) = (fixture.account().await.sid, fixture.account().await.sid);
    stored(fixture, other, "zoe").await;
    let mut sids = Vec::new();
    for name in ["eve", "ada", "bob", "dan"] {
        sids.push(stored(fixture, account, name).await.sid);
        fixture.pass(1);
    }
    walks(&sids, async |query| {
        let page = fixture.store.operators(account, query).await.unwrap();
        page.map(|operator| operator.sid)
    })
    .await;
}

/// The role alone changes nothing else; the password ends the sessions and the link.
pub async fn an_operator_is_changed(fixture: &Fixture) {
    let (store, account) = (&fixture.store, fixture.account().await.sid);
    let ada = stored(fixture, account, "ada").await;
    let bob = stored(fixture, account, "bob").await;
    let (hers, his) = (open(fixture, &ada, 1).await, open(fixture, &bob, 2).await);
    let link = SecretHash([5; 32]);
    assert_eq!(store.put_operator_link(ada.sid, link, fixture.later(60)).await, Ok(true));
    fixture.pass(1);
    let at = fixture.now();
    let role = OperatorChange::Role(Role::Read);
    assert_eq!(store.change_operator(ada.sid, &role, at).await, Ok(true));
    let ada = Operator { role: Role::Read, updated_at: at, ..ada };
    assert_eq!(store.operator(ada.sid).await, Ok(Some(ada.clone())));
    assert!(store.session(hers).await.unwrap().is_some());
    let hash = PasswordHash("$argon2id$owl".to_owned());
    let password = OperatorChange::Password(hash.clone());
    assert_eq!(store.change_operator(ada.sid, &password, at).await, Ok(true));
    let ada = Operator { password: Some(hash), ..ada };
    assert_eq!(store.operator(ada.sid).await, Ok(Some(ada.clone())));
    assert_eq!(store.session(hers).await, Ok(None));
    assert_eq!(store.take_operator_link(link, at).await, Ok(None));
    assert!(store.session(his).await.unwrap().is_some());
    let nobody = operator(fixture, account, "nobody");
    assert_eq!(store.change_operator(nobody.sid, &role, at).await, Ok(false));
}

/// With its sessions and its link. Its name is free then.
pub async fn an_operator_is_removed(fixture: &Fixture) {
    let (store, account) = (&fixture.store, fixture.account().await.sid);
    let ada = stored(fixture, account, "ada").await;
    let session = open(fixture, &ada, 1).await;
    let link = SecretHash([5; 32]);
    assert_eq!(store.put_operator_link(ada.sid, link, fixture.later(60)).await, Ok(true));
    assert_eq!(store.delete_operator(ada.sid).await, Ok(true));
    assert_eq!(store.delete_operator(ada.sid).await, Ok(false));
    assert_eq!(store.operator(ada.sid).await, Ok(None));
    assert_eq!(store.session(session).await, Ok(None));
    assert_eq!(store.take_operator_link(link, fixture.now()).await, Ok(None));
    assert_eq!(store.put_operator_link(ada.sid, link, fixture.later(60)).await, Ok(false));
    stored(fixture, account, "ada").await;
}

/// Only the newest one, before it expires, and of concurrent calls for one.
pub async fn a_link_signs_in_once(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let ada = stored(fixture, account, "ada").await;
    let [old, new, late] = [1, 2, 3].map(|byte| SecretHash([byte; 32]));
    let put = async |hash| fixture.store.put_operator_link(ada.sid, hash, fixture.later(60)).await;
    assert_eq!((put(old).await, put(new).await), (Ok(true), Ok(true)));
    assert_eq!(fixture.store.take_operator_link(old, fixture.now()).await, Ok(None));
    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, now) = (Arc::clone(&fixture.store), fixture.now());
        visits.spawn(async move { store.take_operator_link(new, now).await.unwrap() });
    }
    let taken: Vec<_> = visits.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, std::slice::from_ref(&ada));
    assert_eq!(put(late).await, Ok(true));
    let expired = fixture.store.take_operator_link(late, fixture.later(60)).await;
    assert_eq!(expired, Ok(None));
}
