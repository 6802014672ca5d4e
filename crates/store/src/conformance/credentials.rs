//! Push credentials.

use countersign_domain::credential::{Credential, CredentialType};
use countersign_domain::secret::Sealed;

use super::fixture::{Fixture, walks, walks_past_a_deleted_one};
use crate::seam::{Inserted, Updated};

/// With each optional value set and not set.
pub async fn a_credential_reads_back_as_it_was_stored(fixture: &Fixture) {
    let account = fixture.account().await;
    let store = &fixture.store;
    let fcm = fixture.make.credential(&account);
    let apn = Credential {
        kind: CredentialType::Apn,
        friendly_name: None,
        sandbox: true,
        key_id: Some("ABC123DEFG".to_owned()),
        team_id: Some("DEF123GHIJ".to_owned()),
        topic: Some("com.example.owlbank".to_owned()),
        ..fixture.make.credential(&account)
    };
    for credential in [fcm, apn] {
        assert_eq!(store.create_credential(&credential).await, Ok(Inserted::Done));
        assert_eq!(store.create_credential(&credential).await, Ok(Inserted::NotUnique));
        assert_eq!(store.credential(credential.sid).await, Ok(Some(credential)));
    }
}

/// Without it nothing is stored.
pub async fn a_credential_needs_its_account(fixture: &Fixture) {
    let orphan = fixture.make.credential(&fixture.make.account());
    assert_eq!(fixture.store.create_credential(&orphan).await, Ok(Inserted::NoParent));
    assert_eq!(fixture.store.credential(orphan.sid).await, Ok(None));
}

/// Of two commands that read the same version, one replaces it.
pub async fn a_credential_is_replaced_only_if_nobody_was_faster(fixture: &Fixture) {
    let was = fixture.make.credential(&fixture.account().await);
    let store = &fixture.store;
    assert_eq!(store.create_credential(&was).await, Ok(Inserted::Done));
    fixture.pass(1);
    let now = Credential {
        friendly_name: Some("renamed".to_owned()),
        sandbox: true,
        topic: Some("com.example.other".to_owned()),
        secrets: Sealed::from_bytes(vec![1, 2, 3]),
        updated_at: fixture.now(),
        ..was.clone()
    };
    assert_eq!(store.update_credential(&now, was.updated_at).await, Ok(Updated::Done));
    assert_eq!(store.update_credential(&was, was.updated_at).await, Ok(Updated::Stale));
    assert_eq!(store.credential(was.sid).await, Ok(Some(now.clone())));
    assert_eq!(store.delete_credential(was.sid).await, Ok(true));
    assert_eq!(store.delete_credential(was.sid).await, Ok(false));
    assert_eq!(store.update_credential(&was, now.updated_at).await, Ok(Updated::NotFound));
    assert_eq!(store.credential(was.sid).await, Ok(None));
}

/// Only those of the account; a credential deleted in between does not disturb the order.
pub async fn credentials_are_listed_page_by_page(fixture: &Fixture) {
    let (account, other) = (fixture.account().await, fixture.account().await);
    let store = &fixture.store;
    let mut sids = Vec::new();
    for _ in 0..5 {
        let credential = fixture.make.credential(&account);
        for credential in [&credential, &fixture.make.credential(&other)] {
            assert_eq!(store.create_credential(credential).await, Ok(Inserted::Done));
        }
        sids.push(credential.sid);
        fixture.pass(1);
    }
    let read = async |page| store.credentials(account.sid, page).await.unwrap().map(|c| c.sid);
    walks(&sids, read).await;
    let delete = async |sid| assert_eq!(store.delete_credential(sid).await, Ok(true));
    walks_past_a_deleted_one(&sids, read, delete).await;
}
