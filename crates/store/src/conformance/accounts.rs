//! Accounts and their API keys.

use std::sync::Arc;

use countersign_domain::account::Account;
use countersign_domain::secret::SecretHash;

use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Inserted, Updated};

/// Including both tokens.
pub async fn an_account_reads_back_as_it_was_stored(fixture: &Fixture) {
    let plain = fixture.account().await;
    assert_eq!(fixture.store.account(plain.sid).await, Ok(Some(plain)));
    let rotating = Account { secondary: Some(fixture.make.auth_token()), ..fixture.make.account() };
    assert_eq!(fixture.store.create_account(&rotating).await, Ok(Inserted::Done));
    assert_eq!(fixture.store.account(rotating.sid).await, Ok(Some(rotating)));
}

/// A second account with the same SID changes nothing.
pub async fn an_account_is_stored_once(fixture: &Fixture) {
    let first = fixture.account().await;
    let second = Account { friendly_name: "another".to_owned(), ..first.clone() };
    assert_eq!(fixture.store.create_account(&second).await, Ok(Inserted::NotUnique));
    assert_eq!(fixture.store.account(first.sid).await, Ok(Some(first)));
    assert_eq!(fixture.store.account(fixture.make.account().sid).await, Ok(None));
}

/// Of concurrent commands one creates it, and none does so later.
pub async fn there_is_one_first_account(fixture: &Fixture) {
    let mut wishes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, account) = (Arc::clone(&fixture.store), fixture.make.account());
        wishes.spawn(async move { store.create_first_account(&account).await.unwrap() });
    }
    let outcomes = wishes.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Inserted::Done).count(), 1);
    let late = fixture.store.create_first_account(&fixture.make.account()).await;
    assert_eq!(late, Ok(Inserted::NotUnique));
    let all = fixture.store.accounts(PageQuery::first(10)).await.unwrap();
    assert_eq!(all.items.len(), 1);
}

/// Of two commands that read the same version, one replaces it.
pub async fn an_account_is_replaced_only_if_nobody_was_faster(fixture: &Fixture) {
    let was = fixture.account().await;
    fixture.pass(1);
    let now = Account {
        friendly_name: "renamed".to_owned(),
        secondary: Some(fixture.make.auth_token()),
        primary: fixture.make.auth_token(),
        suspended_at: Some(fixture.now()),
        updated_at: fixture.now(),
        ..was.clone()
    };
    let store = &fixture.store;
    assert_eq!(store.update_account(&now, was.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.account(was.sid).await, Ok(Some(now.clone())));
    let late = Account { friendly_name: "too late".to_owned(), secondary: None, ..now.clone() };
    assert_eq!(store.update_account(&late, was.updated_at).await, Ok(Updated::Stale));
    assert_eq!(store.account(was.sid).await, Ok(Some(now)));
    let stranger = fixture.make.account();
    let updated = store.update_account(&stranger, stranger.updated_at).await;
    assert_eq!(updated, Ok(Updated::NotFound));
    assert_eq!(store.account(stranger.sid).await, Ok(None));
}

/// In the order of their SIDs.
pub async fn accounts_are_listed_page_by_page(fixture: &Fixture) {
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(fixture.account().await.sid);
        fixture.pass(1);
    }
    walks(&sids, async |page| fixture.store.accounts(page).await.unwrap().map(|a| a.sid)).await;
}

/// It is stored once.
pub async fn an_api_key_needs_its_account(fixture: &Fixture) {
    let store = &fixture.store;
    let orphan = fixture.make.api_key(&fixture.make.account());
    assert_eq!(store.create_api_key(&orphan).await, Ok(Inserted::NoParent));
    assert_eq!(store.api_key(orphan.sid).await, Ok(None));

    let key = fixture.make.api_key(&fixture.account().await);
    assert_eq!(store.create_api_key(&key).await, Ok(Inserted::Done));
    let mut again = key.clone();
    again.hash = SecretHash([0; 32]);
    assert_eq!(store.create_api_key(&again).await, Ok(Inserted::NotUnique));
    assert_eq!(store.api_key(key.sid).await, Ok(Some(key)));
}

/// It is gone at once, and no other key is.
pub async fn a_deleted_api_key_is_gone(fixture: &Fixture) {
    let account = fixture.account().await;
    let (key, other) = (fixture.make.api_key(&account), fixture.make.api_key(&account));
    let store = &fixture.store;
    for key in [&key, &other] {
        assert_eq!(store.create_api_key(key).await, Ok(Inserted::Done));
    }
    assert_eq!(store.delete_api_key(key.sid).await, Ok(true));
    assert_eq!(store.delete_api_key(key.sid).await, Ok(false));
    assert_eq!(store.api_key(key.sid).await, Ok(None));
    let left = store.api_keys(account.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(left.items, [other]);
}

/// Only those of the account; a key deleted in between does not disturb the order.
pub async fn api_keys_are_listed_page_by_page(fixture: &Fixture) {
    let (account, other) = (fixture.account().await, fixture.account().await);
    let store = &fixture.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let (key, foreign) = (fixture.make.api_key(&account), fixture.make.api_key(&other));
        for key in [&key, &foreign] {
            assert_eq!(store.create_api_key(key).await, Ok(Inserted::Done));
        }
        sids.push(key.sid);
        fixture.pass(1);
    }
    let read = async |page| store.api_keys(account.sid, page).await.unwrap().map(|key| key.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_api_key(sid).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}
