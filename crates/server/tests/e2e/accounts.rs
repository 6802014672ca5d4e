//! Accounts, their tokens and API keys, also where another process changes them.

use std::time::Duration;

use countersign_domain::account::{Account, ApiKey};
use countersign_store::PageQuery;
use countersign_store::seam::{Inserted, Updated};
use countersign_verify::{Keys, Verify};

use crate::support::{Caller, TestApp, master_key};

/// After this time a server knows the changes of other processes.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

async fn status(caller: &Caller) -> u16 {
    let reply = caller.get("/v2/Services").await;
    if reply.status == 401 {
        assert_eq!(reply.refusal(), (401, 20003));
    }
    reply.status
}

async fn account(verify: &Verify) -> Account {
    verify.list_accounts(PageQuery::first(1)).await.expect("it reads").items.remove(0)
}

#[tokio::test]
async fn an_api_key_is_its_account_until_it_is_revoked() {
    let app = TestApp::start().await;
    let verify = &app.server().verify;
    let sid = app.account.parse().unwrap();
    let (key, secret) = verify.create_api_key(sid, "backend").await.unwrap();
    let caller = app.api().with(&key.sid.to_string(), secret.expose());
    let services = caller.get("/v2/Services").await.expect(200);
    assert_eq!(services["services"][0]["account_sid"], *app.account);
    assert_eq!(status(&caller.with(&caller.user, &app.token)).await, 401, "its own secret only");
    assert_eq!(status(&caller.with(&app.account, secret.expose())).await, 401);
    let phone = app.enrol_phone("alice-0001").await;
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    assert_eq!(caller.post(&app.challenges_path(&phone), &form).await.status, 201);
    verify.delete_api_key(key.sid).await.unwrap();
    assert_eq!(status(&caller).await, 401, "known here, so at once");
    assert_eq!(status(&app.api()).await, 200);
}

#[tokio::test]
async fn a_key_revoked_by_another_process_works_for_ten_seconds_at_most() {
    let app = TestApp::start().await;
    let other = app.other_process().await;
    let (key, secret) =
        other.create_api_key(app.account.parse().unwrap(), "backend").await.unwrap();
    let caller = app.api().with(&key.sid.to_string(), secret.expose());
    assert_eq!(status(&caller).await, 200, "a new one is known at once");
    other.delete_api_key(key.sid).await.unwrap();
    assert_eq!(status(&caller).await, 200, "from memory");
    app.clock.advance(KNOWN_WITHIN - Duration::from_micros(1));
    assert_eq!(status(&caller).await, 200);
    app.clock.advance(Duration::from_micros(1));
    assert_eq!(status(&caller).await, 401);
}

#[tokio::test]
async fn tokens_are_rotated_and_promoted_without_a_gap() {
    let app = TestApp::start().await;
    let verify = &app.server().verify;
    let sid = app.account.parse().unwrap();
    let with = |token: &str| app.api().with(&app.account, token);
    assert!(verify.promote_token(sid).await.is_err(), "there is nothing to promote");

    let second = verify.rotate_token(sid).await.unwrap();
    assert_eq!((status(&app.api()).await, status(&with(second.expose())).await), (200, 200));
    let signs = async || {
        let token = verify.primary_token(&account(verify).await).await.unwrap();
        token.expose().to_owned()
    };
    assert_eq!(signs().await, app.token);
    verify.promote_token(sid).await.unwrap();
    assert_eq!(signs().await, second.expose());
    assert_eq!((status(&app.api()).await, status(&with(second.expose())).await), (200, 200));

    let third = verify.rotate_token(sid).await.unwrap();
    assert_eq!(status(&app.api()).await, 401, "the oldest is gone");
    assert_eq!(status(&with(second.expose())).await, 200);
    assert_eq!(status(&with(third.expose())).await, 200);
}

#[tokio::test]
async fn tokens_rotated_by_another_process_are_known_after_ten_seconds() {
    let app = TestApp::start().await;
    let other = app.other_process().await;
    assert_eq!(status(&app.api()).await, 200);
    let second = other.rotate_token(app.account.parse().unwrap()).await.unwrap();
    let caller = app.api().with(&app.account, second.expose());
    assert_eq!(status(&caller).await, 401, "not known yet");
    app.clock.advance(KNOWN_WITHIN);
    assert_eq!(status(&caller).await, 200);
    let (account, token) = other.create_account("new").await.unwrap();
    let newcomer = app.api().with(&account.sid.to_string(), token.expose());
    assert_eq!(status(&newcomer).await, 200, "a new account is known at once");
    assert_eq!(newcomer.get("/v2/Services").await.expect(200)["services"], serde_json::json!([]));
}

#[tokio::test]
async fn a_service_changed_by_another_process_is_known_after_ten_seconds() {
    let app = TestApp::start().await;
    let other = app.other_process().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (account, service) = (app.account.parse().unwrap(), app.service.parse().unwrap());
    let dated = async |message| {
        let challenge = app.challenge(&phone, message).await;
        app.read_challenge(&phone, &challenge).await["details"].get("date").is_some()
    };
    assert!(!dated("before").await);
    let edit = |settings: &mut countersign_domain::service::ServiceSettings| {
        settings.push.include_date = true;
        Ok::<_, countersign_verify::VerifyError>(())
    };
    other.update_service(account, service, edit).await.unwrap();
    app.clock.advance(KNOWN_WITHIN);
    assert!(dated("after").await);
    other.delete_service(account, service).await.unwrap();
    app.clock.advance(KNOWN_WITHIN);
    let path = format!("/v2/Services/{}", app.service);
    assert_eq!(app.api().get(&path).await.refusal(), (404, 20404));
}

#[tokio::test]
async fn a_challenge_answered_through_another_process_reads_so_here_at_once() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let sid = app.challenge(&phone, "Log in?").await;
    let other = app.other_process().await;
    let asked = phone.challenge(&sid).await.unwrap();
    let payload = phone.signed_answer(&asked, countersign_phone::Verdict::Approved).unwrap();
    let caller = countersign_verify::Caller::Application(app.account.parse().unwrap());
    let update = countersign_verify::answers::ChallengeUpdate {
        auth_payload: Some(payload),
        metadata: None,
        from: None,
    };
    let identity = countersign_domain::text::Identity::parse("alice-0001").unwrap();
    let (service, challenge) = (app.service.parse().unwrap(), sid.parse().unwrap());
    other.update_challenge(&caller, service, &identity, challenge, update).await.unwrap();
    assert_eq!(app.read_challenge(&phone, &sid).await["status"], "approved");
    let path = format!("{}/{sid}/Notifications", app.challenges_path(&phone));
    assert_eq!(app.api().post(&path, &[]).await.refusal(), (403, 60322));
}

#[tokio::test]
async fn a_hash_copied_from_another_row_authenticates_no_caller() {
    let app = TestApp::start().await;
    let (verify, store) = (&app.server().verify, app.store().await);
    let (thief, token) = verify.create_account("thief").await.unwrap();
    let mut victim = verify.account(app.account.parse().unwrap()).await.unwrap();
    let was = victim.updated_at;
    victim.primary.hash = thief.primary.hash;
    victim.secondary = Some(thief.primary.clone());
    victim.updated_at = was + Duration::from_secs(1);
    assert_eq!(store.update_account(&victim, was).await, Ok(Updated::Done));
    app.clock.advance(KNOWN_WITHIN);
    let victims = |token: &str| app.api().with(&app.account, token);
    assert_eq!(status(&victims(token.expose())).await, 401, "neither the hash nor the sealed text");
    assert_eq!(status(&victims(&app.token)).await, 200, "the sealed row holds its own token");

    let (key, secret) = verify.create_api_key(thief.sid, "thief's").await.unwrap();
    let caller = app.api().with(&key.sid.to_string(), secret.expose());
    assert_eq!(status(&caller).await, 200);
    let other = verify.create_api_key(victim.sid, "victim's").await.unwrap().0;
    for copy in [ApiKey { hash: key.hash, ..other.clone() }, ApiKey { account: victim.sid, ..key }]
    {
        store.delete_api_key(copy.sid).await.unwrap();
        assert_eq!(store.create_api_key(&copy).await, Ok(Inserted::Done));
        app.clock.advance(KNOWN_WITHIN);
        let caller = app.api().with(&copy.sid.to_string(), secret.expose());
        assert_eq!(status(&caller).await, 401, "{copy:?}");
    }
}

#[tokio::test]
async fn an_api_key_of_an_older_release_still_works() {
    let app = TestApp::start().await;
    let (verify, store) = (&app.server().verify, app.store().await);
    let (key, secret) = verify.create_api_key(app.account.parse().unwrap(), "old").await.unwrap();
    let unbound = Keys::derive(&master_key()).hash(secret.expose());
    assert_ne!(unbound, key.hash);
    store.delete_api_key(key.sid).await.unwrap();
    let old = ApiKey { hash: unbound, ..key };
    assert_eq!(store.create_api_key(&old).await, Ok(Inserted::Done));
    let caller = app.api().with(&old.sid.to_string(), secret.expose());
    assert_eq!(status(&caller).await, 200);
    assert_eq!(status(&caller.with(&caller.user, "another")).await, 401);
}

#[tokio::test]
async fn a_leaked_token_is_evicted_in_one_step() {
    let app = TestApp::start().await;
    let verify = &app.server().verify;
    let sid = app.account.parse().unwrap();
    let with = |token: &str| app.api().with(&app.account, token);
    let second = verify.rotate_token(sid).await.unwrap();
    assert_eq!((status(&app.api()).await, status(&with(second.expose())).await), (200, 200));
    let only = verify.evict_tokens(sid).await.unwrap();
    assert_eq!((status(&app.api()).await, status(&with(second.expose())).await), (401, 401));
    assert_eq!(status(&with(only.expose())).await, 200);
    let is = account(verify).await;
    let signs = verify.primary_token(&is).await.unwrap();
    assert_eq!(signs.expose(), only.expose(), "it signs webhooks");
    assert!(is.secondary.is_none());
}

/// The token, keys and devices of a suspended account are refused; within ten seconds also by a node that missed the
/// announcement.
#[tokio::test]
async fn a_suspended_account_is_refused_until_it_is_resumed() {
    let app = TestApp::start().await;
    let other = app.other_process().await;
    let verify = &app.server().verify;
    let sid = app.account.parse().unwrap();
    let (key, secret) = verify.create_api_key(sid, "backend").await.unwrap();
    let phone = app.enrol_phone("alice-0001").await;
    let token = app.access_token("bob-00001").await;
    let stranger = app.stranger().await;
    let services = "/v2/Services";
    let callers = [
        (app.api(), services.to_owned(), 200),
        (app.api().with(&key.sid.to_string(), secret.expose()), services.to_owned(), 200),
        (app.device(&phone), app.factor_path(&phone), 200),
        (app.api().with("token", &token), services.to_owned(), 403),
    ];
    let all = async |suspended: bool| {
        for (caller, path, status) in &callers {
            let reply = caller.get(path).await;
            if suspended {
                assert_eq!(reply.refusal(), (401, 20005), "{}", caller.user);
            } else {
                assert_eq!(reply.status, *status, "{}", caller.user);
            }
        }
    };
    all(false).await;
    verify.suspend_account(sid).await.unwrap();
    all(true).await;
    let wrong = app.api().with(&app.account, "wrong").get(services).await;
    assert_eq!(wrong.refusal(), (401, 20003), "only the owner of a token learns of it");
    assert_eq!(status(&stranger).await, 200);
    verify.resume_account(sid).await.unwrap();
    all(false).await;

    other.suspend_account(sid).await.unwrap();
    app.clock.advance(KNOWN_WITHIN);
    all(true).await;
    other.resume_account(sid).await.unwrap();
    app.clock.advance(KNOWN_WITHIN);
    all(false).await;
}
