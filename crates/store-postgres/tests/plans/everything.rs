//! Every method of the store on a filled database.

use countersign_domain::account::Account;
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::InitialState;
use countersign_domain::factor::{Factor, FactorChange, FactorType};
use countersign_domain::integration::IntegrationKind;
use countersign_domain::secret::{Sealed, SecretHash};
use countersign_domain::service::Service;
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, ChallengeSid};
use countersign_domain::text::{AccountLabel, StringMap};
use countersign_domain::totp::TotpChange;
use countersign_domain::totp_code::CodeVerdict;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_store::conformance::Fixture;
use countersign_store::moving::{Kind, TABLES, Table};
use countersign_store::page::PageQuery;
use countersign_store::seam::{
    Answer, ChallengeFilter, CountedTable, Enrolled, GroupOpened, Inserted, LogBeginning, LogStep,
    LogoChange, Opened, Opening, Recorded, TotpUpdate,
};

use crate::calls::make_calls;
use crate::clients::tell_the_client;
use crate::console::use_the_console;
use crate::log::whole_scans;
use crate::outcomes::settle_in_every_way;
use crate::prompts::{ask_for_a_code, ask_too_often, share_a_token};
use crate::search::{count_something, search};
use crate::statements::not_run;
use crate::{clean, explaining, limited, work};

/// Opens a group of two challenges as `like`, reads it, and answers it.
async fn open_and_answer_group(fixture: &Fixture, like: &Opening, factor: &Factor) {
    let store = &fixture.store;
    let mut asked = [fixture.make.challenge(factor), fixture.make.challenge(factor)];
    asked.sort_by_key(|challenge| challenge.sid);
    let sid = ChallengeGroupSid::of_first(asked[0].sid);
    let (request, _) = fixture.make.backchannel(asked[0].clone());
    let [first, second] = asked.map(|challenge| Challenge { group: Some(sid), ..challenge });
    let (one, other) = (first.sid, second.sid);
    let opening = |challenge| Opening { challenge, ..like.clone() };
    let opened = store.open_group(&[opening(first), opening(second)], Some(&request)).await;
    assert_eq!(opened, Ok(GroupOpened::Done));
    let owner = &factor.owner;
    assert!(store.challenge_group(owner.service, &owner.identity, sid).await.unwrap().is_some());
    store.challenge_groups(owner.entity, PageQuery::first(10)).await.unwrap();
    let answer = Answer::new(one, Verdict::Approved, fixture.now());
    let answer = Answer { group: Some(sid), others: vec![other], ..answer };
    assert_eq!(store.answer_challenge(answer).await, Ok(Recorded::Done));
    tell_the_client(fixture, request.id).await;
}

/// The rows of each table of a filled database.
const ROWS: u64 = 5_000;

/// The value of a column in row `i` of a filled table: unique where it can be, and allowed by the constraints of the table. `day` are the
/// digits of a SID of the day of the test, behind those of its type.
fn value(table: &str, column: &str, kind: Kind, day: &str) -> String {
    match (table, column) {
        ("challenges", "state") => "'approved'".to_owned(),
        ("challenges", "ended_by") => "NULL".to_owned(),
        ("challenges" | "access_tokens", "factor_type") => "'push'".to_owned(),
        ("webhook_calls" | "deliveries", "state") => "'due'".to_owned(),
        ("webhook_calls" | "deliveries", "node")
        | ("webhook_calls", "last_error" | "last_response" | "challenge_sid") => "NULL".to_owned(),
        ("factors" | "totp_factors", "status") => "'verified'".to_owned(),
        ("factors", "platform") => "'stream'".to_owned(),
        ("totp_factors", "alg") => "'sha1'".to_owned(),
        ("accounts", "primary_hash" | "secondary_hash") => "sha256(i::text::bytea)".to_owned(),
        ("credentials", "kind") => "'apn'".to_owned(),
        ("webhooks", "version") => "'v2'".to_owned(),
        ("webhooks", "event_types") => "'*'".to_owned(),
        ("webhooks", "url") => "'https://app.example/hook'".to_owned(),
        ("integrations", "kind") => "'duo'".to_owned(),
        ("integrations", "key") => "'DI' || lpad(i::text, 18, '0')".to_owned(),
        ("integrations", "settings") => "'{\"friendly_name\":\"ssh\"}'".to_owned(),
        ("webhook_calls", "parameters") => "'[]'".to_owned(),
        ("tlog_facts" | "tlog_entries", "kind") => "'account.created'".to_owned(),
        ("tlog_entries", "number") => "10000 + i".to_owned(),
        ("tlog_facts", "detail") => "'{}'".to_owned(),
        ("operators", "role") => "'read'".to_owned(),
        ("console_sessions", "opener") => "'operator'".to_owned(),
        ("console_sessions", "stage") => "'open'".to_owned(),
        ("removals", "kind") => "'entity'".to_owned(),
        ("notifications", "ending" | "reason" | "code") => "NULL".to_owned(),
        ("calls_taken", "status") => "200".to_owned(),
        // Two thirds lie in the partitions of the day of the test, the others in the default partition.
        ("challenges", "sid")
        | ("notifications" | "calls_taken" | "signed_answers", "challenge_sid") => {
            let is_of_push_only = ["notifications", "signed_answers"].contains(&table);
            let other = if is_of_push_only { "03" } else { "02" };
            let random = "substr(gen_random_uuid()::text, 14)";
            format!(
                "(CASE i % 3 WHEN 0 THEN '03{day}' || {random} WHEN 1 THEN '{other}{day}' || {random} \
                 ELSE gen_random_uuid()::text END)::uuid"
            )
        }
        // Far in the future: not due, not expired, not old.
        (_, "deadline" | "wake_at" | "expires_at" | "until") | ("audit_entries", "at") => {
            "4000000000000000 + i".to_owned()
        }
        _ => match kind {
            Kind::Id => "gen_random_uuid()".to_owned(),
            Kind::Bytes => "decode(md5(i::text), 'hex')".to_owned(),
            Kind::Number => "i".to_owned(),
            Kind::Flag => "false".to_owned(),
            Kind::Text => "'text ' || i".to_owned(),
        },
    }
}

/// The statement that fills a table. `removals` stays small: the cleaner empties it.
fn filling(table: &Table, day: &str) -> String {
    let values: Vec<_> =
        table.columns().map(|(column, kind)| value(table.name, column, kind, day)).collect();
    let rows = match table.name {
        "removals" => 1,
        // The log that was begun before, and the keys that were added.
        "tlog_state" | "sealing_keys" => 0,
        _ => ROWS,
    };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM generate_series(1, {rows}) AS i",
        table.name,
        table.names(),
        values.join(", ")
    )
}

/// Begins the log anew behind its rows, and reads and grows it in every way.
async fn use_the_log(fixture: &Fixture, account: AccountSid) {
    let (store, now) = (&fixture.store, fixture.now());
    let beginning =
        LogBeginning { origin: "log.example".to_owned(), key: Sealed::from_bytes(vec![1]) };
    let state = store.begin_log(&beginning).await.unwrap();
    store.log_state().await.unwrap();
    let facts = store.facts(10).await.unwrap();
    let entries = facts.iter().map(|(_, fact)| fact.clone().into_entry([7; 32], now));
    let step = LogStep {
        from: state.size,
        facts: facts.iter().map(|(key, _)| *key).collect(),
        entries: entries.collect(),
        tiles: vec![(0, 0, vec![8; 64])],
        watches: vec![(now, ChallengeSid::least(FactorType::Push, now))],
    };
    store.add_entries(&step).await.unwrap();
    store.note_expiries(now, 10).await.unwrap();
    store.publish_log(1, "note").await.unwrap();
    store.log_tile(0, 1).await.unwrap();
    store.log_entries(1, 10).await.unwrap();
    store.log_entries_of(account, 10, 10).await.unwrap();
    store.log_entries_about([7; 16], 10).await.unwrap();
    store.prune_log(now).await.unwrap();
    store.pause_log().await.unwrap();
}

/// Stores an integration, reads it in every way, changes it and deletes it.
async fn use_integration(fixture: &Fixture, service: &Service) {
    let store = &fixture.store;
    let integration = fixture.make.integration(service);
    let (sid, key, was) = (integration.sid, integration.key, integration.updated_at);
    assert_eq!(store.create_integration(&integration, 9).await, Ok(Inserted::Done));
    store.integration(service.sid, sid).await.unwrap();
    store.integration_by_key(key).await.unwrap();
    store.integrations(service.sid, PageQuery::first(10)).await.unwrap();
    store.integrations_of_kind(IntegrationKind::Duo, 10).await.unwrap();
    store.update_integration(&integration, was).await.unwrap();
    store.delete_integration(service.sid, sid).await.unwrap();
}

/// Reads and changes an account, with a key and a credential.
async fn use_account(fixture: &Fixture, account: &Account) {
    let store = &fixture.store;
    store.create_first_account(account).await.unwrap();
    store.accounts(PageQuery::first(10)).await.unwrap();
    store.account(account.sid).await.unwrap();
    store.update_account(account, account.updated_at).await.unwrap();
    let key = fixture.make.api_key(account);
    store.create_api_key(&key).await.unwrap();
    store.api_key(key.sid).await.unwrap();
    store.api_keys(account.sid, PageQuery::first(10)).await.unwrap();
    store.delete_api_key(key.sid).await.unwrap();
    let credential = fixture.make.credential(account);
    store.create_credential(&credential).await.unwrap();
    store.credential(credential.sid).await.unwrap();
    store.credentials(account.sid, PageQuery::first(10)).await.unwrap();
    for was in [credential.updated_at, fixture.later(1)] {
        store.update_credential(&credential, was).await.unwrap();
    }
    store.delete_credential(credential.sid).await.unwrap();
}

/// Answers by codes of a shared secret, right and wrong, and changes and deletes it.
async fn use_codes(fixture: &Fixture, service: &Service) {
    let (store, now) = (&fixture.store, fixture.now());
    let totp = fixture.totp_factor_of(service, &fixture.make.identity()).await;
    fixture.totp_stored(&totp).await.unwrap();
    let asked = fixture.code_challenge(&totp).await;
    let wrong = fixture.shown(&totp, CodeVerdict::Wrong);
    let right = fixture.shown(&totp, CodeVerdict::Right(7));
    for code in [wrong, right] {
        store.answer_by_code(asked.sid, code, 9, None, now).await.unwrap().unwrap();
    }
    for code in [CodeVerdict::Wrong, CodeVerdict::Right(8)] {
        let update = TotpUpdate {
            entity: totp.owner.entity,
            sid: totp.sid,
            code: Some(fixture.shown(&totp, code)),
            most_wrong: 9,
            change: TotpChange::default(),
            at: now,
        };
        store.update_totp_factor(&update).await.unwrap();
    }
    store.delete_factor(totp.owner.entity, totp.sid, now).await.unwrap();
}

/// Works on all deliveries, and looks after the database.
async fn look_after(fixture: &Fixture) {
    let (store, now) = (&fixture.store, fixture.now());
    store.next_due().await.unwrap();
    let node = fixture.make.node;
    for lease in store.lease_due(node, now, fixture.later(30), 10).await.unwrap() {
        fixture.settle(&lease, fixture.delivered()).await;
    }
    store.expire(now, 10).await.unwrap();
    store.rescue(now, 10).await.unwrap();
    store.void_leases(node, now, 10).await.unwrap();
    for table in CountedTable::ALL {
        store.count_stored(table, None, 10).await.unwrap();
    }
    store.check().await.unwrap();
    store.is_writable().await.unwrap();
    store.key_check([7; 32]).await.unwrap();
}

/// Reads and changes a person and a device.
async fn use_device(fixture: &Fixture, factor: &Factor) {
    let (store, now) = (&fixture.store, fixture.now());
    let owner = &factor.owner;
    store.entity(owner.service, &owner.identity).await.unwrap();
    store.entities(owner.service, PageQuery::first(10)).await.unwrap();
    fixture.stored(factor).await.unwrap();
    store.factor_by_key(factor.key_sid).await.unwrap();
    store.factors(owner.entity, PageQuery::first(10)).await.unwrap();
    store.not_streamed(&[(owner.entity, factor.sid)]).await.unwrap();
    let change = FactorChange { verified: true, ..FactorChange::default() };
    store.update_factor(owner.entity, factor.sid, &change, now).await.unwrap();
    store.lease_parked(factor.sid, fixture.make.node, now, fixture.later(30), 10).await.unwrap();
    let label = AccountLabel::parse("Ann Smith").ok();
    store.label_entity(owner.service, &owner.identity, label.as_ref(), now).await.unwrap();
}

/// Runs every method of the store for one service.
async fn use_everything(fixture: &Fixture) {
    let (store, now) = (&fixture.store, fixture.now());
    let first = || PageQuery::first(10);
    let account = fixture.account().await;
    use_account(fixture, &account).await;
    let service = fixture.make.service(&account);
    store.create_service(&service).await.unwrap();
    store.service_logo(service.sid).await.unwrap();
    store.service(service.sid).await.unwrap();
    store.services(account.sid, PageQuery::first(10)).await.unwrap();
    store.update_service(&service, LogoChange::Keep, service.updated_at).await.unwrap();
    let webhook = Webhook {
        event_types: vec![
            EventType::All,
            EventType::ChallengeExpired,
            EventType::NotificationFailed,
        ],
        ..fixture.make.webhook(&service)
    };
    assert_eq!(store.create_webhook(&webhook, 9).await, Ok(Inserted::Done));
    store.webhook(service.sid, webhook.sid).await.unwrap();
    store.webhooks(service.sid, PageQuery::first(10)).await.unwrap();
    store.update_webhook(&webhook, webhook.updated_at).await.unwrap();
    use_integration(fixture, &service).await;
    let token = fixture.make.access_token(&service, &fixture.make.identity());
    store.create_access_token(&token).await.unwrap();
    store.access_token(service.sid, token.sid).await.unwrap();
    let holder = fixture.make.factor(&fixture.make.entity(&service, &token.identity).owner);
    assert!(matches!(fixture.enrol(&holder, Some(token.sid)).await, Enrolled::Done(_)));
    let typed = fixture.make.access_token(&service, &fixture.make.identity());
    store.create_invitation(&typed, SecretHash([7; 32])).await.unwrap();
    store.access_token_by_code(SecretHash([7; 32])).await.unwrap();

    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let owner = factor.owner.clone();
    use_device(fixture, &factor).await;
    work(fixture, &factor).await;
    ask_for_a_code(fixture, &factor).await;
    ask_too_often(fixture, &service).await;
    settle_in_every_way(fixture, &fixture.factor_of(&service, &fixture.make.identity()).await)
        .await;
    share_a_token(fixture).await;
    fixture.entity(&service, &fixture.make.identity()).await;
    let challenge = fixture.make.challenge(&factor);
    let opening = limited(challenge.clone());
    assert_eq!(store.open_challenge(&opening).await, Ok(Opened::Done));
    open_and_answer_group(fixture, &opening, &factor).await;
    fixture.parked(&challenge).await;
    store.lease_parked(factor.sid, fixture.make.node, now, fixture.later(30), 10).await.unwrap();
    store.challenges(owner.entity, ChallengeFilter::default(), now, first()).await.unwrap();
    store
        .update_challenge(challenge.sid, &StringMap::parse("{}").unwrap(), false, now)
        .await
        .unwrap();
    store.count_wrong_answer(challenge.sid).await.unwrap();
    store.challenge_of_account(account.sid, challenge.sid).await.unwrap();
    search(fixture, account.sid, challenge.sid).await;
    let new = fixture.make.notification(&challenge, 300, InitialState::Due);
    store.challenge_of_notification(account.sid, new.delivery.notification, 10).await.unwrap();

    use_codes(fixture, &service).await;
    look_after(fixture).await;
    use_the_console(fixture, account.sid).await;
    use_the_log(fixture, account.sid).await;
    count_something(fixture, &service).await;
    store.delete_webhook(service.sid, webhook.sid).await.unwrap();
    store.delete_factor(owner.entity, factor.sid, now).await.unwrap();
    store.delete_entity(service.sid, &owner.identity, now).await.unwrap();
    store.delete_service(service.sid, now).await.unwrap();
    make_calls(fixture).await;
    clean(fixture).await;
}

/// On the filled database, after every method has run on an empty one, so that the cached plans are those of empty tables.
#[tokio::test(flavor = "multi_thread")]
async fn every_statement_finds_its_rows_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let (server, fixture) = explaining(folder.path()).await;
    clean(&fixture).await;
    use_everything(&fixture).await;
    let sid = fixture.make.challenge(&fixture.factor().await).sid.to_string();
    let day = format!("{}-{}", &sid[4..10], &sid[10..14]);
    for table in &TABLES {
        server.psql("postgres", &filling(table, &day));
    }
    // A bundle of the log is so old that it may be pruned.
    server.psql("postgres", "UPDATE tlog_state SET size = 20000, published = 300, pruned = 0");
    server.psql("postgres", "VACUUM ANALYZE");
    let log = folder.path().join("log");
    let since = std::fs::metadata(&log).unwrap().len();
    use_everything(&fixture).await;
    assert_eq!(whole_scans(&log, since), Vec::<String>::new());
    assert_eq!(not_run(&log, since), Vec::<String>::new());
}
