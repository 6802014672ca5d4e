//! Rows of every table, to be moved.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::audit::MAX_ENTRIES;
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::fact::Fact;
use countersign_domain::factor::{Factor, FactorStatus};
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::one_time_right::RightId;
use countersign_domain::protection::PromptLimits;
use countersign_domain::provider_token::ProviderToken;
use countersign_domain::secret::{Sealed, SecretHash};
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::signed_answer::SignedAnswer;
use countersign_domain::summary::{CountedPlatform, Grain, Measure, SummaryKey};
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_store::conformance::Fixture as Rows;
use countersign_store::moving::{Moving as _, TABLES, Value};
use countersign_store::seam::{
    Answer, GroupOpened, LogBeginning, LogStep, Opening, SummaryCursor, SummaryStep,
};
use countersign_store_sqlite::SqliteStore;

use crate::support::console_rows;

/// Opens a group of challenges, one for each device of a person.
async fn open_group(rows: &Rows, devices: &[Factor]) {
    let mut asked: Vec<_> = devices.iter().map(|device| rows.make.challenge(device)).collect();
    asked.sort_by_key(|challenge| challenge.sid);
    let (request, first) = rows.make.backchannel(asked[0].clone());
    let group = first.group;
    let opening = |challenge| Opening {
        challenge: Challenge { group, ..challenge },
        notification: None,
        code: None,
        most_per_factor_hour: 0,
        most_per_factor_day: 0,
        most_per_entity_hour: 0,
        prompts: PromptLimits::OFF,
    };
    let openings: Vec<_> = asked.into_iter().map(opening).collect();
    assert_eq!(rows.store.open_group(&openings, Some(&request)).await, Ok(GroupOpened::Done));
}

/// Counts one challenge of a device.
async fn count_one(rows: &Rows, device: &Factor) {
    let cursor = SummaryCursor::all().next().expect("a stage");
    let from = rows.store.summary_cursor(cursor).await.expect("read");
    let key = SummaryKey {
        account: device.owner.account,
        grain: Grain::Hour,
        begins_at: Grain::Hour.begin(rows.now()),
        service: device.owner.service,
        platform: CountedPlatform::Device(device.address.platform()),
        measure: Measure::Asked,
        bucket: 0,
    };
    let to = rows.make.challenge(device).sid;
    let step = SummaryStep { cursor, from, to, counts: [(key, 1)].into() };
    assert_eq!(rows.store.add_summary(&step).await, Ok(true));
}

/// The rows of a server that knows no operators.
async fn put_an_ended_session(store: &SqliteStore) {
    let table = TABLES.iter().find(|table| table.name == "sessions_ended").expect("a table");
    let row = vec![
        Value::Bytes(vec![1; 16]),
        Value::Bytes(vec![2; 16]),
        Value::Number(4_000_000_000_000_000),
    ];
    store.put_rows(table, vec![row]).await.expect("stored");
}

/// A log with entries, a tile, a watch, and a fact that is none yet.
async fn begin_log(rows: &Rows, factor: &Factor) {
    let store = &rows.store;
    let beginning =
        LogBeginning { origin: "log.example/log".to_owned(), key: Sealed::from_bytes(vec![1; 9]) };
    store.begin_log(&beginning).await.expect("begun");
    rows.challenge(factor).await;
    let facts = store.facts(9).await.expect("facts");
    let entry = |fact: &Fact| fact.clone().into_entry([7; 32], rows.now());
    let step = LogStep {
        from: 0,
        facts: facts.iter().map(|(key, _)| *key).collect(),
        entries: facts.iter().map(|(_, fact)| entry(fact)).collect(),
        tiles: vec![(0, 0, vec![8; 64])],
        watches: facts.iter().filter_map(|(_, fact)| fact.watch).collect(),
    };
    assert_eq!(store.add_entries(&step).await, Ok(true));
    assert_eq!(store.publish_log(1, "note").await, Ok(true));
    store.pause_log().await.expect("paused");
}

/// Rows of every kind, in every state.
pub(super) async fn furnish(store: SqliteStore) {
    put_an_ended_session(&store).await;
    let rows = Rows::new(Arc::new(store) as _);
    let (make, store) = (rows.make.clone(), Arc::clone(&rows.store));
    let account = rows.account().await;
    store.create_api_key(&make.api_key(&account)).await.expect("stored");
    store.create_credential(&make.credential(&account)).await.expect("stored");
    let console = console_rows(&account, rows.now());
    store.open_session(&console.session, 9).await.expect("stored");
    store.create_operator(&console.operator, 9).await.expect("stored");
    let (hash, until) = (SecretHash([7; 32]), rows.now() + Duration::from_secs(60));
    store.put_operator_link(console.operator.sid, hash, until).await.expect("stored");
    store.add_audit_entries(vec![console.entry], MAX_ENTRIES).await.expect("stored");
    let token = ProviderToken {
        key: [8; 16],
        version: 1,
        token: Sealed::from_bytes(vec![9; 300]),
        signed_at: rows.now(),
        forced_at: None,
    };
    store.renew_provider_token(&token).await.expect("stored");
    let key = make.signing_key(JwsAlgorithm::Es256);
    store.add_signing_key(&key).await.expect("stored");
    store.use_right(RightId([1; 16]), rows.now()).await.expect("stored");
    let service = make.service(&account);
    store.create_service(&service).await.expect("stored");
    let event_types = vec![EventType::ChallengeApproved, EventType::ChallengeExpired];
    let webhook = Webhook { event_types, ..make.webhook(&service) };
    store.create_webhook(&webhook, 0).await.expect("stored");
    store
        .create_webhook(&Webhook { enabled: false, ..make.webhook(&service) }, 0)
        .await
        .expect("stored");
    store.create_integration(&make.integration(&service), 0).await.expect("stored");
    let identity = make.identity();
    for _ in 0..2 {
        store.create_access_token(&make.access_token(&service, &identity)).await.expect("stored");
        let (typed, code) = (make.access_token(&service, &identity), SecretHash([9; 32]));
        store.create_invitation(&typed, code).await.expect("stored");
    }
    let factor = rows.factor_of(&service, &identity).await;
    let unverified = Factor { status: FactorStatus::Unverified, ..make.factor(&factor.owner) };
    rows.enrol(&unverified, None).await;
    let coder = rows.totp_factor_of(&service, &identity).await;
    rows.totp_factor_in(FactorStatus::Unverified).await;
    rows.code_challenge(&coder).await;

    let challenge = rows.challenge(&factor).await;
    for _ in 0..2 {
        rows.leased(&challenge).await;
        rows.due(&challenge).await;
        rows.parked(&challenge).await;
    }
    let lease = rows.leased(&challenge).await;
    assert!(rows.settle(&lease, DeliveryEvent::Written).await);
    let answered = rows.challenge(&factor).await;
    let lease = rows.leased(&answered).await;
    assert!(rows.settle(&lease, rows.delivered()).await);
    let signed = Some(SignedAnswer { jws: "a.b.c".to_owned(), key: factor.key });
    let answer = Answer::new(answered.sid, Verdict::Approved, rows.now());
    store.answer_challenge(Answer { signed, ..answer }).await.expect("recorded");
    for call in rows.lease_calls().await {
        let taken = AfterCall::Taken { status: 200 };
        assert_eq!(store.settle_call(&call, taken, "".into(), rows.now()).await, Ok(true));
    }
    open_group(&rows, &[factor.clone(), rows.factor_of(&service, &identity).await]).await;
    begin_log(&rows, &factor).await;
    let reported = rows.challenge(&factor).await.sid;
    let pauses_until = Some(rows.now() + Duration::from_secs(60));
    store
        .answer_challenge(Answer::report(reported, pauses_until, rows.now()))
        .await
        .expect("recorded");
    count_one(&rows, &factor).await;
    let gone = rows.factor().await.owner;
    store.delete_entity(gone.service, &gone.identity, rows.now()).await.expect("deleted");
}
