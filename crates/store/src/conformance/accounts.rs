//! Accounts and their API keys.

use std::sync::Arc;

use countersign_domain::account::Account;
use countersign_domain::secret::SecretHash;

use super::stage::{Stage, walks, walks_past_a_deleted_one};
use crate::page::PageQuery;
use crate::seam::{Inserted, Updated};

/// Both tokens included.
pub async fn an_account_reads_back_as_it_was_stored(stage: &Stage) {
    let plain = stage.account().await;
    assert_eq!(stage.store.account(plain.sid).await, Ok(Some(plain)));
    let rotating = Account { secondary: Some(stage.make.auth_token()), ..stage.make.account() };
    assert_eq!(stage.store.create_account(&rotating).await, Ok(Inserted::Done));
    assert_eq!(stage.store.account(rotating.sid).await, Ok(Some(rotating)));
}

/// The second with the same SID changes nothing.
pub async fn an_account_is_stored_once(stage: &Stage) {
    let first = stage.account().await;
    let second = Account { friendly_name: "another".to_owned(), ..first.clone() };
    assert_eq!(stage.store.create_account(&second).await, Ok(Inserted::NotUnique));
    assert_eq!(stage.store.account(first.sid).await, Ok(Some(first)));
    assert_eq!(stage.store.account(stage.make.account().sid).await, Ok(None));
}

/// However many want to make it at once, and none after another.
pub async fn there_is_one_first_account(stage: &Stage) {
    let mut wishes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, account) = (Arc::clone(&stage.store), stage.make.account());
        wishes.spawn(async move { store.create_first_account(&account).await.unwrap() });
    }
    let outcomes = wishes.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Inserted::Done).count(), 1);
    let late = stage.store.create_first_account(&stage.make.account()).await;
    assert_eq!(late, Ok(Inserted::NotUnique));
    let all = stage.store.accounts(PageQuery::first(10)).await.unwrap();
    assert_eq!(all.items.len(), 1);
}

/// Two who read the same do not both replace it.
pub async fn an_account_is_replaced_only_if_nobody_was_faster(stage: &Stage) {
    let was = stage.account().await;
    stage.pass(1);
    let now = Account {
        friendly_name: "renamed".to_owned(),
        secondary: Some(stage.make.auth_token()),
        primary: stage.make.auth_token(),
        suspended_at: Some(stage.now()),
        updated_at: stage.now(),
        ..was.clone()
    };
    let store = &stage.store;
    assert_eq!(store.update_account(&now, was.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.account(was.sid).await, Ok(Some(now.clone())));
    let late = Account { friendly_name: "too late".to_owned(), secondary: None, ..now.clone() };
    assert_eq!(store.update_account(&late, was.updated_at).await, Ok(Updated::Stale));
    assert_eq!(store.account(was.sid).await, Ok(Some(now)));
    let stranger = stage.make.account();
    let updated = store.update_account(&stranger, stranger.updated_at).await;
    assert_eq!(updated, Ok(Updated::Gone));
    assert_eq!(store.account(stranger.sid).await, Ok(None));
}

/// In order of their SIDs.
pub async fn accounts_are_listed_page_by_page(stage: &Stage) {
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(stage.account().await.sid);
        stage.pass(1);
    }
    walks(&sids, async |page| stage.store.accounts(page).await.unwrap().map(|a| a.sid)).await;
}

/// And is stored once.
pub async fn an_api_key_needs_its_account(stage: &Stage) {
    let store = &stage.store;
    let orphan = stage.make.api_key(&stage.make.account());
    assert_eq!(store.create_api_key(&orphan).await, Ok(Inserted::NoParent));
    assert_eq!(store.api_key(orphan.sid).await, Ok(None));

    let key = stage.make.api_key(&stage.account().await);
    assert_eq!(store.create_api_key(&key).await, Ok(Inserted::Done));
    let mut again = key.clone();
    again.hash = SecretHash([0; 32]);
    assert_eq!(store.create_api_key(&again).await, Ok(Inserted::NotUnique));
    assert_eq!(store.api_key(key.sid).await, Ok(Some(key)));
}

/// At once, and only that one.
pub async fn a_deleted_api_key_is_gone(stage: &Stage) {
    let account = stage.account().await;
    let (key, other) = (stage.make.api_key(&account), stage.make.api_key(&account));
    let store = &stage.store;
    for key in [&key, &other] {
        assert_eq!(store.create_api_key(key).await, Ok(Inserted::Done));
    }
    assert_eq!(store.delete_api_key(key.sid).await, Ok(true));
    assert_eq!(store.delete_api_key(key.sid).await, Ok(false));
    assert_eq!(store.api_key(key.sid).await, Ok(None));
    let left = store.api_keys(account.sid, PageQuery::first(10)).await.unwrap();
    assert_eq!(left.items, [other]);
}

/// Each account's for itself, and past one that is deleted meanwhile.
pub async fn api_keys_are_listed_page_by_page(stage: &Stage) {
    let (account, other) = (stage.account().await, stage.account().await);
    let store = &stage.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let (key, foreign) = (stage.make.api_key(&account), stage.make.api_key(&other));
        for key in [&key, &foreign] {
            assert_eq!(store.create_api_key(key).await, Ok(Inserted::Done));
        }
        sids.push(key.sid);
        stage.pass(1);
    }
    let read = async |page| store.api_keys(account.sid, page).await.unwrap().map(|key| key.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_api_key(sid).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}
