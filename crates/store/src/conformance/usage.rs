//! The storage used by accounts, for their quotas.

use std::collections::{HashMap, HashSet};

use countersign_domain::challenge::Field;
use countersign_domain::service::Service;
use countersign_domain::sid::AccountSid;
use countersign_domain::text::{AccountLabel, StringMap};
use countersign_domain::usage::Usage;

use super::fixture::Fixture;
use crate::seam::{CountedTable, Inserted, LogoChange, Opened, Updated};

/// Counts everything, that many rows at a time.
async fn count(fixture: &Fixture, most: usize) -> HashMap<AccountSid, Usage> {
    let mut all: HashMap<_, Usage> = HashMap::new();
    let mut passed = HashSet::new();
    for table in CountedTable::ALL {
        let mut after = None;
        loop {
            let rows = fixture.store.count_stored(table, after, most).await.unwrap();
            assert!(rows.len() <= most);
            let Some(last) = rows.last() else { break };
            after = Some(last.key);
            for row in rows {
                assert!(passed.insert(row.key[1]), "a row is read twice");
                assert!(row.made_at <= fixture.now());
                *all.entry(row.account).or_default() += row.usage;
            }
        }
    }
    all
}

/// Entities, factors of both types, and challenges with all their texts, for each account.
pub async fn usage_is_counted_by_account(fixture: &Fixture) {
    let service = fixture.service().await;
    let identity = fixture.make.identity();
    let factor = fixture.factor_of(&service, &identity).await;
    let totp = fixture.totp_factor_of(&service, &identity).await;
    let mut challenge = fixture.make.challenge(&factor);
    challenge.details.fields = vec![
        Field { label: "Amount".to_owned(), value: "40 €".to_owned() },
        Field { label: "To".to_owned(), value: "Ann".to_owned() },
    ];
    challenge.hidden_details = Some(StringMap::parse(r#"{"ip":"192.0.2.1","no":"7"}"#).unwrap());
    challenge.metadata = Some(StringMap::parse(r#"{"order":"8"}"#).unwrap());
    assert_eq!(fixture.open(&challenge, None).await, Opened::Done);
    let other = fixture.factor().await;
    let counted = count(fixture, 1_000).await;
    let expected = Usage::ENTITY
        + Usage::of_factor(&factor)
        + Usage::of_totp_factor(&totp)
        + Usage::of_challenge(&challenge);
    assert_eq!(counted.get(&service.account), Some(&expected));
    let others = Usage::ENTITY + Usage::of_factor(&other);
    assert_eq!(counted.get(&other.owner.account), Some(&others));
    assert_eq!(counted.len(), 2);

    assert_eq!(fixture.store.delete_entity(service.sid, &identity, fixture.now()).await, Ok(true));
    let counted = count(fixture, 1_000).await;
    assert_eq!(counted[&service.account].entities, 0, "other rows count until they are cleaned");
}

/// A service itself is not counted.
pub async fn logos_and_labels_count_with_their_bytes(fixture: &Fixture) {
    let was = fixture.service().await;
    let entity = fixture.make.entity(&was, &fixture.make.identity());
    let store = &fixture.store;
    assert_eq!(store.create_entity(&entity).await, Ok(Inserted::Done));
    assert_eq!(count(fixture, 1_000).await[&was.account], Usage::ENTITY);
    let label = AccountLabel::parse("Ann Söhne").ok();
    let identity = &entity.owner.identity;
    let labelled = store.label_entity(was.sid, identity, label.as_ref(), fixture.now()).await;
    assert_eq!(labelled, Ok(true));
    fixture.pass(1);
    let now = Service { updated_at: fixture.now(), ..was.clone() };
    let logo = LogoChange::Replace(Some(vec![1; 5_000]));
    assert_eq!(store.update_service(&now, logo, was.updated_at).await, Ok(Updated::Done));
    let expected = Usage { bytes: Usage::ENTITY.bytes + 10 + 5_000, ..Usage::ENTITY };
    assert_eq!(count(fixture, 1).await[&was.account], expected);
    assert_eq!(Usage::of_label(label.as_ref()).bytes, 10);
}

/// For every number of rows at a time.
pub async fn a_count_reads_every_row_once(fixture: &Fixture) {
    let service = fixture.service().await;
    for _ in 0..5 {
        let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
        for _ in 0..2 {
            fixture.challenge(&factor).await;
        }
    }
    let empty = fixture.make.entity(&fixture.service().await, &fixture.make.identity());
    assert_eq!(fixture.store.create_entity(&empty).await, Ok(Inserted::Done));
    let whole = count(fixture, 1_000).await;
    assert_eq!(whole[&service.account].entities, 5);
    assert_eq!(whole[&empty.owner.account], Usage::ENTITY);
    for most in [1, 2, 3] {
        assert_eq!(count(fixture, most).await, whole, "{most} at a time");
    }
}
