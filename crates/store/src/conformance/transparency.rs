//! The transparency log.

use countersign_domain::challenge::Verdict;
use countersign_domain::fact::{Fact, FactEntry, commitment};
use countersign_domain::secret::Sealed;
use countersign_domain::sid::ChallengeSid;

use super::fixture::Fixture;
use crate::seam::{Answer, FactKey, LogBeginning, LogState, LogStep, StoredEntry};

async fn begin(fixture: &Fixture) -> LogState {
    let beginning =
        LogBeginning { origin: "log.example/tlog".to_owned(), key: Sealed::from_bytes(vec![1; 9]) };
    fixture.store.begin_log(&beginning).await.unwrap()
}

/// The next facts.
async fn facts(fixture: &Fixture) -> Vec<(FactKey, Fact)> {
    fixture.store.facts(1_000).await.unwrap()
}

fn entries(facts: &[(FactKey, Fact)], fixture: &Fixture) -> Vec<FactEntry> {
    facts.iter().map(|(_, fact)| fact.clone().into_entry([7; 32], fixture.now())).collect()
}

fn step(fixture: &Fixture, from: u64, facts: &[(FactKey, Fact)]) -> LogStep {
    LogStep {
        from,
        facts: facts.iter().map(|(key, _)| *key).collect(),
        entries: entries(facts, fixture),
        tiles: vec![(0, from / 256, vec![8; 64])],
        watches: facts.iter().filter_map(|(_, fact)| fact.watch).collect(),
    }
}

/// Makes entries of all facts; returns their kinds.
async fn integrate(fixture: &Fixture) -> Vec<String> {
    let size = fixture.store.log_state().await.unwrap().unwrap().size;
    let facts = facts(fixture).await;
    assert_eq!(fixture.store.add_entries(&step(fixture, size, &facts)).await, Ok(true));
    facts.iter().map(|(_, fact)| fact.kind.to_string()).collect()
}

async fn about(fixture: &Fixture, challenge: ChallengeSid) -> Vec<StoredEntry> {
    fixture.store.log_entries_about(*challenge.as_bytes(), 100).await.unwrap()
}

/// Without a log nothing is noted.
pub async fn a_log_begins_once(fixture: &Fixture) {
    fixture.factor().await;
    assert_eq!(fixture.store.log_state().await, Ok(None));
    assert!(facts(fixture).await.is_empty());
    let state = begin(fixture).await;
    assert_eq!((state.size, state.published, state.checkpoint.clone()), (0, 0, None));
    let other = LogBeginning { origin: "other".to_owned(), key: Sealed::from_bytes(vec![2; 9]) };
    assert_eq!(fixture.store.begin_log(&other).await, Ok(state.clone()));
    assert_eq!(fixture.store.log_state().await, Ok(Some(state)));
    assert_eq!(integrate(fixture).await, ["log.created"]);
}

/// And a command that is refused notes none.
pub async fn a_change_and_its_fact_commit_together(fixture: &Fixture) {
    begin(fixture).await;
    let factor = fixture.factor().await;
    assert_eq!(
        integrate(fixture).await,
        ["log.created", "account.created", "service.created", "entity.created", "factor.created"]
    );
    let challenge = fixture.challenge(&factor).await;
    fixture.answer(&challenge).await;
    let late = Answer::new(challenge.sid, Verdict::Denied, fixture.now());
    fixture.store.answer_challenge(late).await.unwrap();
    assert_eq!(integrate(fixture).await, ["challenge.created", "challenge.approved"]);
    let found = about(fixture, challenge.sid).await;
    assert_eq!(found.len(), 2);
    for entry in &found {
        let (salt, opening) = entry.opening.as_ref().unwrap();
        assert!(entry.entry.contains(&commitment(salt, opening)), "{}", entry.entry);
        assert!(opening.contains(factor.owner.identity.as_str()));
        assert!(entry.entry.contains(&challenge.sid.to_string()));
        assert!(!entry.entry.contains(factor.owner.identity.as_str()));
    }
}

/// However many pushes a challenge has.
pub async fn the_first_delivery_of_a_challenge_is_a_fact(fixture: &Fixture) {
    let factor = fixture.factor().await;
    let challenge = fixture.challenge(&factor).await;
    begin(fixture).await;
    for _ in 0..2 {
        let lease = fixture.leased(&challenge).await;
        assert!(fixture.settle(&lease, fixture.delivered()).await);
    }
    assert_eq!(integrate(fixture).await, ["log.created", "challenge.delivered"]);
}

/// Devices, people and settings.
pub async fn changes_and_deletions_are_facts(fixture: &Fixture) {
    let factor = fixture.factor().await;
    begin(fixture).await;
    fixture.totp_factor_of(&fixture.service().await, &factor.owner.identity).await;
    let owner = &factor.owner;
    fixture.store.delete_factor(owner.entity, factor.sid, fixture.now()).await.unwrap();
    fixture.store.delete_entity(owner.service, &owner.identity, fixture.now()).await.unwrap();
    let account = fixture.account().await;
    let mut changed = account.clone();
    changed.updated_at = fixture.later(1);
    changed.suspended_at = Some(fixture.now());
    fixture.store.update_account(&changed, account.updated_at).await.unwrap();
    let kinds = integrate(fixture).await;
    for kind in ["factor.created", "factor.deleted", "entity.deleted", "account.changed"] {
        assert!(kinds.contains(&kind.to_owned()), "{kind}: {kinds:?}");
    }
}

/// After an answer there is no expiry.
pub async fn an_expiry_is_a_fact_unless_an_answer_came(fixture: &Fixture) {
    begin(fixture).await;
    let factor = fixture.factor().await;
    let (left, answered) = (fixture.challenge(&factor).await, fixture.challenge(&factor).await);
    fixture.answer(&answered).await;
    integrate(fixture).await;
    assert_eq!(fixture.store.note_expiries(fixture.now(), 10).await, Ok(0));
    fixture.pass(24 * 60 * 60);
    assert_eq!(fixture.store.note_expiries(fixture.now(), 10).await, Ok(2));
    assert_eq!(fixture.store.note_expiries(fixture.now(), 10).await, Ok(0));
    let noted = facts(fixture).await;
    let expired: Vec<_> = noted.iter().map(|(_, fact)| (fact.subject, fact.at)).collect();
    assert_eq!(expired, [(*left.sid.as_bytes(), Some(left.expires_at))]);
    assert_eq!(integrate(fixture).await, ["challenge.expired"]);
}

/// Two nodes that read the same facts make entries of them once.
pub async fn facts_become_entries_once(fixture: &Fixture) {
    begin(fixture).await;
    fixture.account().await;
    let facts = facts(fixture).await;
    let step = step(fixture, 0, &facts);
    let (one, other) =
        tokio::join!(fixture.store.add_entries(&step), fixture.store.add_entries(&step));
    assert_ne!(one, other, "one of them");
    assert!(self::facts(fixture).await.is_empty());
    let stored = fixture.store.log_entries(0, 10).await.unwrap();
    assert_eq!(stored.iter().map(|entry| entry.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(fixture.store.log_entries(1, 10).await.unwrap(), stored[1..]);
    assert_eq!(fixture.store.log_tile(0, 0).await, Ok(Some(vec![8; 64])));
    assert_eq!(fixture.store.log_tile(1, 0).await, Ok(None));
}

/// Never a smaller one, and none of entries that are not there.
pub async fn a_checkpoint_is_replaced_by_a_larger_one(fixture: &Fixture) {
    begin(fixture).await;
    fixture.account().await;
    integrate(fixture).await;
    let publish = async |size, text| fixture.store.publish_log(size, text).await.unwrap();
    assert!(publish(1, "one").await && publish(2, "two").await);
    assert!(!publish(1, "one").await && !publish(2, "again").await && !publish(3, "three").await);
    let state = fixture.store.log_state().await.unwrap().unwrap();
    assert_eq!((state.published, state.checkpoint.as_deref()), (2, Some("two")));
}

/// The entries stay as they are.
pub async fn what_is_about_a_deleted_person_is_erased(fixture: &Fixture) {
    begin(fixture).await;
    let (gone, kept) = (fixture.factor().await, fixture.factor().await);
    let challenges = [fixture.challenge(&gone).await, fixture.challenge(&kept).await];
    integrate(fixture).await;
    let before = fixture.store.log_entries(0, 100).await.unwrap();
    let owner = &gone.owner;
    fixture.store.delete_entity(owner.service, &owner.identity, fixture.now()).await.unwrap();
    let retention = crate::seam::Retention { challenges: std::time::Duration::from_secs(60) };
    while fixture.store.clean(fixture.now(), retention, 500).await.unwrap() > 0 {}
    integrate(fixture).await;
    let after = fixture.store.log_entries(0, 100).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.entry, after.entry);
    }
    let openings = async |challenge: ChallengeSid| {
        about(fixture, challenge).await.iter().any(|entry| entry.opening.is_some())
    };
    assert!(!openings(challenges[0].sid).await && openings(challenges[1].sid).await);
    let name = gone.owner.identity.as_str();
    let names = |entry: &StoredEntry| entry.opening.as_ref().is_some_and(|it| it.1.contains(name));
    assert!(!after.iter().any(names), "later facts about the person included");
}

/// Of all accounts, each sees its own.
pub async fn an_account_reads_its_own_entries(fixture: &Fixture) {
    begin(fixture).await;
    let (one, other) = (fixture.service().await, fixture.service().await);
    integrate(fixture).await;
    for service in [one, other] {
        let found = fixture.store.log_entries_of(service.account, 1_000, 10).await.unwrap();
        assert_eq!(found.len(), 2, "the account and its service");
        assert!(found[0].number > found[1].number && found[0].entry.contains("service.created"));
        let older = fixture.store.log_entries_of(service.account, found[0].number, 10).await;
        assert_eq!(older.unwrap(), found[1..]);
    }
}

/// A bundle at a time, and only what is in the checkpoint.
pub async fn old_entries_are_pruned_by_the_bundle(fixture: &Fixture) {
    begin(fixture).await;
    let facts = facts(fixture).await;
    let one = entries(&facts, fixture).remove(0);
    let many = LogStep { entries: vec![one; 300], ..step(fixture, 0, &facts) };
    assert_eq!(fixture.store.add_entries(&many).await, Ok(true));
    let prune = async |before| fixture.store.prune_log(before).await.unwrap();
    assert_eq!(prune(fixture.later(1)).await, 0, "not in a checkpoint");
    assert!(fixture.store.publish_log(300, "note").await.unwrap());
    assert_eq!(prune(fixture.now() - std::time::Duration::from_secs(1)).await, 0, "too young");
    assert_eq!(prune(fixture.later(1)).await, 256);
    assert_eq!(prune(fixture.later(1)).await, 0, "no full bundle is left");
    assert_eq!(fixture.store.log_state().await.unwrap().unwrap().pruned, 256);
    assert_eq!(fixture.store.log_entries(0, 1_000).await.unwrap().len(), 44);
    assert!(fixture.store.log_tile(0, 0).await.unwrap().is_some());
}

/// And notes that again, when it goes on.
pub async fn a_paused_log_notes_nothing(fixture: &Fixture) {
    begin(fixture).await;
    fixture.store.pause_log().await.unwrap();
    fixture.store.pause_log().await.unwrap();
    fixture.factor().await;
    begin(fixture).await;
    begin(fixture).await;
    assert_eq!(integrate(fixture).await, ["log.created", "log.ended", "log.changed"]);
}
