//! Every method of the store on a filled database.

use std::time::Duration;

use countersign_domain::call_queue::QueueLimits;
use countersign_domain::challenge::{Challenge, Verdict};
use countersign_domain::delivery::InitialState;
use countersign_domain::event::CallId;
use countersign_domain::factor::{Factor, FactorChange, FactorType};
use countersign_domain::integration::IntegrationKind;
use countersign_domain::limits::Limits;
use countersign_domain::secret::Sealed;
use countersign_domain::service::Service;
use countersign_domain::service_protection::ServiceProtection;
use countersign_domain::sid::{AccountSid, ChallengeGroupSid, ChallengeSid, EntitySid, FactorSid};
use countersign_domain::summary::{Grain, count};
use countersign_domain::text::{AccountLabel, StringMap};
use countersign_domain::totp::TotpChange;
use countersign_domain::totp_code::CodeVerdict;
use countersign_domain::webhook::{EventType, Webhook};
use countersign_domain::webhook_call::AfterCall;
use countersign_store::conformance::Fixture;
use countersign_store::moving::{Kind, TABLES, Table};
use countersign_store::page::{Cursor, Order, PageQuery, Side};
use countersign_store::seam::{
    Answer, AttemptFilter, CallCursor, CallList, ChallengeFilter, CountedTable, GroupOpened,
    Inserted, LogBeginning, LogStep, LogoChange, Opened, Opening, Recorded, Stretch, SummaryCursor,
    SummaryQuery, SummaryStep, TimelineFilter, TotpUpdate,
};

use crate::clients::tell_the_client;
use crate::console::use_the_console;
use crate::log::whole_scans;
use crate::{clean, explaining, work};

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

/// Counts a challenge, and reads the sums.
async fn count_something(fixture: &Fixture, service: &Service) {
    let (store, now) = (&fixture.store, fixture.now());
    for cursor in SummaryCursor::all() {
        let from = store.summary_cursor(cursor).await.unwrap();
        let begin = ChallengeSid::least(cursor.kind, now - Duration::from_secs(60));
        let end = ChallengeSid::least(cursor.kind, fixture.later(1));
        let found = store.challenges_to_count(begin, end, 10).await.unwrap();
        let challenges: Vec<_> = found.into_iter().filter_map(|(_, found)| found).collect();
        let step =
            SummaryStep { cursor, from, to: begin, counts: count(&challenges, cursor.stage) };
        assert_eq!(store.add_summary(&step).await, Ok(true));
    }
    for (grain, of) in [(Grain::Hour, None), (Grain::Day, Some(service.sid))] {
        let query = SummaryQuery {
            account: service.account,
            grain,
            from: now - Duration::from_secs(3_600),
            service: of,
        };
        store.summaries(query).await.unwrap();
        store.service_summaries(query).await.unwrap();
    }
}

/// Searches the challenges up to `challenge` by each kind of filter, and people and devices.
async fn search(fixture: &Fixture, account: AccountSid, challenge: ChallengeSid) {
    let (store, now) = (&fixture.store, fixture.now());
    let from = ChallengeSid::least(FactorType::Push, now - Duration::from_secs(60));
    let attempt = AttemptFilter { platform: Some("apn".into()), ..AttemptFilter::default() };
    for attempt in [AttemptFilter::default(), attempt] {
        let filter = TimelineFilter { attempt, ..TimelineFilter::default() };
        for order in [Order::Ascending, Order::Descending] {
            let stretch = Stretch { from, to: challenge.next(), order, rows: 100, most: 10 };
            store.timeline(account, &filter, stretch, now).await.unwrap();
        }
    }
    let range = EntitySid::range_of_prefix("YE0").unwrap();
    store.entities_by_identity(account, "a", 10).await.unwrap();
    store.entities_by_sid(account, range, 10).await.unwrap();
    store.factors_by_name(account, "a", 10).await.unwrap();
    store.factors_by_sid(account, FactorSid::range_of_prefix("YF0").unwrap(), 10).await.unwrap();
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
        (_, "deadline" | "wake_at" | "expires_at") | ("audit_entries", "at") => {
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
        // The log that was begun before.
        "tlog_state" => 0,
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

/// Runs every method of the store for one service.
async fn use_everything(fixture: &Fixture) {
    let (store, now) = (&fixture.store, fixture.now());
    let first = || PageQuery::first(10);
    let account = fixture.account().await;
    store.create_first_account(&account).await.unwrap();
    store.account(account.sid).await.unwrap();
    store.update_account(&account, account.updated_at).await.unwrap();
    let key = fixture.make.api_key(&account);
    store.create_api_key(&key).await.unwrap();
    store.api_key(key.sid).await.unwrap();
    store.api_keys(account.sid, PageQuery::first(10)).await.unwrap();
    store.delete_api_key(key.sid).await.unwrap();
    let credential = fixture.make.credential(&account);
    store.create_credential(&credential).await.unwrap();
    store.credential(credential.sid).await.unwrap();
    store.credentials(account.sid, PageQuery::first(10)).await.unwrap();
    store.update_credential(&credential, credential.updated_at).await.unwrap();
    store.delete_credential(credential.sid).await.unwrap();

    let service = fixture.make.service(&account);
    store.create_service(&service).await.unwrap();
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

    let factor = fixture.factor_of(&service, &fixture.make.identity()).await;
    let owner = factor.owner.clone();
    store.entity(service.sid, &owner.identity).await.unwrap();
    store.entities(service.sid, PageQuery::first(10)).await.unwrap();
    fixture.stored(&factor).await.unwrap();
    store.factor_by_key(factor.key_sid).await.unwrap();
    store.factors(owner.entity, PageQuery::first(10)).await.unwrap();
    store.not_streamed(&[(owner.entity, factor.sid)]).await.unwrap();
    let change = FactorChange { verified: true, ..FactorChange::default() };
    store.update_factor(owner.entity, factor.sid, &change, now).await.unwrap();
    store.lease_parked(factor.sid, fixture.make.node, now, fixture.later(30), 10).await.unwrap();

    work(fixture, &factor).await;
    let challenge = fixture.make.challenge(&factor);
    let opening = Opening {
        challenge: challenge.clone(),
        notification: None,
        code: None,
        most_per_factor_hour: 100,
        most_per_factor_day: 100,
        most_per_entity_hour: 100,
        prompts: ServiceProtection::default().prompts(&Limits {
            push_challenges_in_a_row: 100,
            pending_push_challenges_per_factor: 100,
            ..Limits::default()
        }),
    };
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

    let totp = fixture.totp_factor_of(&service, &fixture.make.identity()).await;
    fixture.totp_stored(&totp).await.unwrap();
    let asked = fixture.code_challenge(&totp).await;
    let wrong = fixture.shown(&totp, CodeVerdict::Wrong);
    let right = fixture.shown(&totp, CodeVerdict::Right(7));
    for code in [wrong, right] {
        store.answer_by_code(asked.sid, code, 9, None, now).await.unwrap().unwrap();
    }
    let update = TotpUpdate {
        entity: totp.owner.entity,
        sid: totp.sid,
        code: Some(fixture.shown(&totp, CodeVerdict::Right(8))),
        most_wrong: 9,
        change: TotpChange::default(),
        at: now,
    };
    store.update_totp_factor(&update).await.unwrap();

    let leases = fixture.lease_calls().await;
    for (at, lease) in leases.iter().enumerate() {
        let after = match at % 3 {
            0 => AfterCall::Taken { status: 204 },
            1 => AfterCall::Retry { at: fixture.later(5) },
            _ => AfterCall::Failed,
        };
        store.settle_call(lease, after, "status 500".into(), now).await.unwrap();
        store.resend_call(webhook.sid, lease.id, now).await.unwrap();
        for list in [CallList::Failing, CallList::GivenUp] {
            store.resend_calls(webhook.sid, list, None, now, 10).await.unwrap();
        }
    }
    store.next_call(now).await.unwrap();
    store.void_calls(fixture.make.node, now, 10).await.unwrap();
    store.call_counts(webhook.sid).await.unwrap();
    store.webhook_states(account.sid, 10).await.unwrap();
    for list in [CallList::Failing, CallList::GivenUp] {
        for side in [Side::After, Side::Before] {
            let sid = CallCursor { wake_at: now, id: CallId([7; 16]) };
            store.list_calls(webhook.sid, list, Some(Cursor { sid, side }), 10).await.unwrap();
        }
    }
    store.calls_about(webhook.sid, factor.sid, Some(challenge.sid), 10).await.unwrap();
    store.taken_calls(challenge.sid, 10).await.unwrap();

    store.next_due().await.unwrap();
    let node = fixture.make.node;
    for lease in store.lease_due(node, now, fixture.later(30), 10).await.unwrap() {
        fixture.settle(&lease, fixture.delivered()).await;
    }
    store.expire(now, 10).await.unwrap();
    store.rescue(now, 10).await.unwrap();
    store.void_leases(node, now, 10).await.unwrap();
    use_the_console(fixture, account.sid).await;
    use_the_log(fixture, account.sid).await;
    count_something(fixture, &service).await;
    let label = AccountLabel::parse("Ann Smith").ok();
    store.label_entity(service.sid, &owner.identity, label.as_ref(), now).await.unwrap();
    for table in CountedTable::ALL {
        store.count_stored(table, None, 10).await.unwrap();
    }
    store.check().await.unwrap();
    store.is_writable().await.unwrap();
    store.key_check([7; 32]).await.unwrap();
    store.delete_webhook(service.sid, webhook.sid).await.unwrap();
    store.delete_factor(totp.owner.entity, totp.sid, now).await.unwrap();
    store.delete_factor(owner.entity, factor.sid, now).await.unwrap();
    store.delete_entity(service.sid, &owner.identity, now).await.unwrap();
    store.delete_service(service.sid, now).await.unwrap();
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
    server.psql("postgres", "VACUUM ANALYZE");
    let log = folder.path().join("log");
    let since = std::fs::metadata(&log).unwrap().len();
    use_everything(&fixture).await;
    assert_eq!(whole_scans(&log, since), Vec::<String>::new());

    // These two read all waiting calls, by design.
    let since = std::fs::metadata(&log).unwrap().len();
    let limits = QueueLimits::default();
    fixture.store.trim_calls(limits, fixture.now()).await.unwrap();
    fixture.store.failing_webhooks().await.unwrap();
    assert_eq!(whole_scans(&log, since), Vec::<String>::new());
}
