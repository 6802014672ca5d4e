//! The audit trail of the console.

use std::time::Duration;

use countersign_domain::audit::{AuditEntry, KEPT, MAX_ENTRIES};
use countersign_domain::sid::{AccountSid, AuditSid};

use super::fixture::{Fixture, walks};
use crate::page::PageQuery;
use crate::seam::{Inserted, LogoChange, Opened, Retention, Updated};

/// An entry without what it may lack.
pub fn entry(fixture: &Fixture, account: AccountSid) -> AuditEntry {
    AuditEntry {
        sid: AuditSid::mint(fixture.now(), &fixture.make.entropy),
        account,
        at: fixture.now(),
        actor: "ada".to_owned(),
        event: "service.updated".to_owned(),
        subject: None,
        refusal: None,
        address: None,
    }
}

/// With and without what an entry may lack.
pub async fn an_entry_reads_back_as_it_was_stored(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let plain = entry(fixture, account);
    fixture.pass(1);
    let full = AuditEntry {
        subject: Some("VA1".to_owned()),
        refusal: Some("the role".to_owned()),
        address: Some("192.0.2.7".parse().unwrap()),
        ..entry(fixture, account)
    };
    let entries = vec![plain, full];
    assert_eq!(fixture.store.add_audit_entries(entries.clone(), MAX_ENTRIES).await, Ok(()));
    let page = fixture.store.audit_entries(account, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, entries);
}

/// In either direction, of one account.
pub async fn entries_are_listed_page_by_page(fixture: &Fixture) {
    let (account, other) = (fixture.account().await.sid, fixture.account().await.sid);
    fixture.store.add_audit_entries(vec![entry(fixture, other)], MAX_ENTRIES).await.unwrap();
    let mut sids = Vec::new();
    for _ in 0..4 {
        let new = entry(fixture, account);
        sids.push(new.sid);
        fixture.store.add_audit_entries(vec![new], MAX_ENTRIES).await.unwrap();
        fixture.pass(1);
    }
    walks(&sids, async |query| {
        fixture.store.audit_entries(account, query).await.unwrap().map(|entry| entry.sid)
    })
    .await;
}

/// Of its own account only.
pub async fn the_oldest_entries_beyond_the_bound_are_removed(fixture: &Fixture) {
    let (account, other) = (fixture.account().await.sid, fixture.account().await.sid);
    let theirs = entry(fixture, other);
    fixture.store.add_audit_entries(vec![theirs.clone()], 0).await.unwrap();
    let mut all = Vec::new();
    loop {
        let new = entry(fixture, account);
        all.push(new.clone());
        fixture.store.add_audit_entries(vec![new.clone()], 3).await.unwrap();
        fixture.pass(1);
        if all.len() > 3 && new.causes_trimming() {
            break;
        }
    }
    let page = fixture.store.audit_entries(account, PageQuery::first(100)).await.unwrap();
    assert_eq!(page.items, all[all.len() - 3..], "the newest ones are kept");
    let page = fixture.store.audit_entries(other, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, [theirs]);
}

/// By the cleaner.
pub async fn an_old_entry_is_removed(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let old = entry(fixture, account);
    fixture.pass(1);
    let kept = entry(fixture, account);
    fixture.store.add_audit_entries(vec![old, kept.clone()], MAX_ENTRIES).await.unwrap();
    fixture.pass(KEPT.as_secs() - 1);
    let retention = Retention { challenges: Duration::from_secs(3_600) };
    assert_eq!(fixture.store.clean(fixture.now(), retention, 100).await, Ok(1));
    let page = fixture.store.audit_entries(account, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, [kept]);
}

/// The entry that is stored once however many commands are given for it.
pub async fn an_action_and_its_entry_are_stored_together(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let account = factor.owner.account;
    let mut entries = Vec::new();
    let mut audited = || {
        fixture.pass(1);
        entries.push(entry(fixture, account));
        fixture.store.audited(entries[entries.len() - 1].clone())
    };
    let owner = fixture.store.account(account).await.unwrap().unwrap();
    let service = fixture.make.service(&owner);
    let store = audited();
    assert_eq!(store.create_service(&service).await, Ok(Inserted::Done));
    let keep = LogoChange::Keep;
    assert_eq!(store.update_service(&service, keep, service.updated_at).await, Ok(Updated::Done));
    let challenge = fixture.make.challenge(&factor);
    assert_eq!(
        Fixture { store: audited(), ..fixture.clone() }.open(&challenge, None).await,
        Opened::Done
    );
    assert_eq!(audited().delete_service(service.sid, fixture.now()).await, Ok(true));
    let page = fixture.store.audit_entries(account, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, entries);
    assert!(fixture.challenge_now(&challenge).await.is_some());
}

/// Whatever the reason is.
pub async fn an_action_that_is_not_done_leaves_no_entry(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let account = factor.owner.account;
    let service = fixture.store.service(factor.owner.service).await.unwrap().unwrap();
    let store = fixture.store.audited(entry(fixture, account));
    assert_eq!(store.create_service(&service).await, Ok(Inserted::NotUnique));
    let (keep, was) = (LogoChange::Keep, fixture.later(1));
    assert_eq!(store.update_service(&service, keep, was).await, Ok(Updated::Stale));
    let unknown = fixture.make.factor(&factor.owner);
    let (entity, now) = (factor.owner.entity, fixture.now());
    assert_eq!(store.delete_factor(entity, unknown.sid, now).await, Ok(false));
    let refused = fixture.make.challenge(&unknown);
    let by_person = Fixture { store, ..fixture.clone() };
    assert_eq!(by_person.open(&refused, None).await, Opened::NoFactor);
    let page = fixture.store.audit_entries(account, PageQuery::first(10)).await.unwrap();
    assert_eq!(page.items, []);
}
