//! Every method of the store for the console.

use countersign_domain::audit::{AuditEntry, MAX_ENTRIES};
use countersign_domain::operator::{Operator, OperatorChange, OperatorName, PasswordHash};
use countersign_domain::role::Role;
use countersign_domain::secret::SecretHash;
use countersign_domain::session::{Opener, SessionId, SessionRecord, SessionStage};
use countersign_domain::sid::{AccountSid, AuditSid, ChallengeGroupSid, OperatorSid};
use countersign_store::conformance::Fixture;
use countersign_store::page::PageQuery;
use countersign_store::seam::Inserted;

/// Runs every method of the store for the console of an account.
pub(crate) async fn use_the_console(fixture: &Fixture, account: AccountSid) {
    let (store, now) = (&fixture.store, fixture.now());
    let operator = Operator {
        sid: OperatorSid::mint(now, &fixture.make.entropy),
        account,
        name: OperatorName::parse("ada").unwrap(),
        role: Role::Read,
        password: None,
        created_at: now,
        updated_at: now,
    };
    assert_eq!(store.create_operator(&operator, 9).await, Ok(Inserted::Done));
    assert!(store.operator(operator.sid).await.unwrap().is_some());
    store.operator_named(&operator.name).await.unwrap();
    store.operators(account, PageQuery::first(10)).await.unwrap();
    let hash = SecretHash([9; 32]);
    store.put_operator_link(operator.sid, hash, fixture.later(60)).await.unwrap();
    assert!(store.take_operator_link(hash, now).await.unwrap().is_some());
    let session = SessionRecord {
        id: SessionId([9; 16]),
        account,
        opener: Opener::Operator(operator.sid),
        stage: SessionStage::Half { prompt: None },
        opened_at: now,
        seen_at: now,
        expires_at: fixture.later(60),
        address: None,
    };
    store.open_session(&session, 9).await.unwrap();
    store.session(session.id).await.unwrap().unwrap();
    store.sessions(account, 10).await.unwrap();
    store.see_session(session.id, now).await.unwrap();
    let prompt = ChallengeGroupSid::of_first(fixture.make.challenge(&fixture.factor().await).sid);
    assert_eq!(store.prompt_session(session.id, prompt).await, Ok(true));
    assert_eq!(store.complete_session(session.id, prompt, now).await, Ok(true));
    assert_eq!(store.end_session(account, session.id).await, Ok(true));
    store.end_sessions_of(operator.sid).await.unwrap();
    let entry = |sid| AuditEntry {
        sid,
        account,
        at: now,
        actor: "ada".to_owned(),
        event: "sign_in".to_owned(),
        subject: None,
        refusal: None,
        address: None,
    };
    let sids = std::iter::repeat_with(|| AuditSid::mint(now, &fixture.make.entropy));
    let trims = sids.map(entry).find(AuditEntry::causes_trimming).unwrap();
    store.add_audit_entries(vec![trims], MAX_ENTRIES).await.unwrap();
    store.audit_entries(account, PageQuery::first(10)).await.unwrap();
    for change in [
        OperatorChange::Role(Role::Admin),
        OperatorChange::Password(PasswordHash("$argon2id$owl".to_owned())),
    ] {
        assert_eq!(store.change_operator(operator.sid, &change, now).await, Ok(true));
    }
    assert_eq!(store.delete_operator(operator.sid).await, Ok(true));
}
