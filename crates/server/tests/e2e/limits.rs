//! Each limit is a setting with a refusal of its own, with `Retry-After` where waiting helps; 0 is no limit.

use std::time::Duration;

use countersign_domain::world::Clock as _;
use countersign_phone::{Authority, Enrolment, Phone, PhoneError, Verdict, jwt};

use crate::support::{Caller, TestApp};

/// The number of requests that succeed before the refusal, which must have this code.
async fn until_refused(
    most: usize,
    mut call: impl AsyncFnMut() -> (u16, Option<i64>),
) -> (usize, Option<i64>) {
    for taken in 0..most {
        if let (_, Some(code)) = call().await {
            return (taken, Some(code));
        }
    }
    (most, None)
}

async fn ask(app: &TestApp, phone: &Phone) -> (u16, Option<i64>) {
    let form = [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?")];
    let reply = app.api().post(&app.challenges_path(phone), &form).await;
    (reply.status, reply.body["code"].as_i64())
}

async fn push(app: &TestApp, phone: &Phone, challenge: &str) -> (u16, Option<i64>) {
    let path = format!("{}/{challenge}/Notifications", app.challenges_path(phone));
    let reply = app.api().post(&path, &[]).await;
    (reply.status, reply.body["code"].as_i64())
}

#[tokio::test]
async fn notifications_of_a_challenge_are_limited_by_setting() {
    for (limit, expected) in [(1, (1, Some(60309))), (5, (5, Some(60309))), (0, (12, None))] {
        let setting = format!("limits.notifications_per_challenge={limit}");
        let app = TestApp::start_with(&[&setting]).await;
        let phone = app.enrol_phone("alice-0001").await;
        let challenge = app.challenge(&phone, "Log in?").await;
        assert_eq!(
            until_refused(12, async || push(&app, &phone, &challenge).await).await,
            expected
        );
        let all = app.notifications(&phone, &challenge).await.len();
        assert_eq!(all, expected.0 + 1, "the automatic one is not counted");
        let another = app.challenge(&phone, "And this?").await;
        assert_eq!(push(&app, &phone, &another).await.0, 201, "each challenge has its own");
    }
}

#[tokio::test]
async fn challenges_are_limited_by_factor_and_entity_in_a_rolling_window() {
    let hour = Duration::from_secs(60 * 60);
    for (setting, window, whole_entity) in [
        ("limits.challenges_per_factor_per_hour=3", hour, false),
        ("limits.challenges_per_factor_per_day=3", 24 * hour, false),
        ("limits.challenges_per_entity_per_hour=3", hour, true),
    ] {
        let app = TestApp::start_with(&[setting]).await;
        let phone = app.enrol_phone("alice-0001").await;
        let other = app.enrol_phone("alice-0001").await;
        let neighbour = app.enrol_phone("bob-00001").await;
        assert_eq!(ask(&app, &phone).await.0, 201);
        app.clock.advance(window / 2);
        assert_eq!(until_refused(9, async || ask(&app, &phone).await).await, (2, Some(60312)));
        let refused = (429, Some(60312));
        let of_other = if whole_entity { refused } else { (201, None) };
        assert_eq!(ask(&app, &other).await, of_other, "{setting}");
        assert_eq!(ask(&app, &neighbour).await, (201, None), "{setting}");
        app.clock.advance(window / 2 - Duration::from_millis(1));
        assert_eq!(ask(&app, &phone).await, refused, "{setting}: the first still counts");
        app.clock.advance(Duration::from_millis(2));
        assert_eq!(ask(&app, &phone).await.0, 201, "{setting}: it does not any more");
    }
    let settings = ["limits.challenges_per_factor_per_hour=0", "limits.push_challenges_in_a_row=0"];
    let app = TestApp::start_with(&settings).await;
    let phone = app.enrol_phone("alice-0001").await;
    // More at once than the default allows.
    let all = futures_util::future::join_all((0..125).map(|_| ask(&app, &phone))).await;
    assert_eq!(all.iter().find(|asked| **asked != (201, None)), None);
}

async fn enrol(app: &TestApp, identity: &str) -> Result<Phone, i64> {
    let authority = Authority::Account { sid: app.account.clone(), auth_token: app.token.clone() };
    let enrolment = Enrolment::new(&app.service, identity, authority);
    let phone = Phone::enrol(&app.phone_server(), &enrolment).await;
    phone.map_err(|error| error.code().expect("the API refuses"))
}

#[tokio::test]
async fn factors_of_an_entity_are_limited_at_a_time_and_in_a_day() {
    let settings = ["limits.push_factors_per_entity=2", "limits.factors_per_entity_per_day=4"];
    let app = TestApp::start_with(&settings).await;
    let first = enrol(&app, "alice-0001").await.unwrap();
    enrol(&app, "alice-0001").await.unwrap();
    assert_eq!(enrol(&app, "alice-0001").await.unwrap_err(), 60315);
    first.delete().await.unwrap();
    let third = enrol(&app, "alice-0001").await.expect("a place is free");
    third.delete().await.unwrap();
    enrol(&app, "alice-0001").await.expect("the fourth today").delete().await.unwrap();
    assert_eq!(enrol(&app, "alice-0001").await.unwrap_err(), 60326);
    enrol(&app, "bob-00001").await.expect("others are not concerned");
    app.clock.advance(Duration::from_secs(24 * 60 * 60));
    enrol(&app, "alice-0001").await.expect("another day");
}

#[tokio::test]
async fn webhooks_of_a_service_are_limited_and_the_refusal_names_the_limit() {
    let app = TestApp::start_with(&["limits.webhooks_per_service=2"]).await;
    let webhooks = format!("/v2/Services/{}/Webhooks", app.service);
    let url = ("WebhookUrl", "https://owlbank.example.com/hook");
    let form = [("FriendlyName", "hook"), ("EventTypes", "*"), url];
    let first = app.api().post(&webhooks, &form).await.expect(201);
    app.api().post(&webhooks, &form).await.expect(201);
    let refused = app.api().post(&webhooks, &form).await;
    assert_eq!((refused.status, refused.body["code"].as_i64()), (400, Some(60306)));
    assert_eq!(refused.body["details"]["reason"], "limits.webhooks_per_service is 2");
    let of_first = format!("{webhooks}/{}", first["sid"].as_str().unwrap());
    app.api().post(&of_first, &[("FriendlyName", "renamed")]).await.expect(200);
    assert_eq!(app.api().delete(&of_first).await.status, 204);
    app.api().post(&webhooks, &form).await.expect(201);
}

#[tokio::test]
async fn integrations_of_a_service_are_limited_and_the_refusal_names_the_limit() {
    let app = TestApp::start_with(&["limits.integrations_per_service=1"]).await;
    let integrations = format!("/v2/Services/{}/Integrations", app.service);
    let form = [("FriendlyName", "ssh"), ("Kind", "duo")];
    let first = app.api().post(&integrations, &form).await.text("sid");
    let refused = app.api().post(&integrations, &form).await;
    assert_eq!(refused.refusal(), (400, 60306));
    assert_eq!(refused.body["details"]["reason"], "limits.integrations_per_service is 1");
    assert_eq!(app.api().delete(&format!("{integrations}/{first}")).await.status, 204);
    app.api().post(&integrations, &form).await.expect(201);
}

#[tokio::test]
async fn entities_and_requests_of_an_account_are_limited_by_the_second() {
    let app = TestApp::start_with(&["limits.entities_per_account_per_second=2"]).await;
    let entities = format!("/v2/Services/{}/Entities", app.service);
    let make = async |identity: &str| {
        let reply = app.api().post(&entities, &[("Identity", identity)]).await;
        (reply.status, reply.body["code"].as_i64())
    };
    assert_eq!((make("person-01").await.0, make("person-02").await.0), (201, 201));
    assert_eq!(make("person-03").await, (429, Some(60328)));
    assert_eq!(enrol(&app, "person-04").await.unwrap_err(), 60328, "those of enrolments count");
    enrol(&app, "person-01").await.expect("one that is there is none more");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(make("person-03").await.0, 201);

    let app = TestApp::start_with(&["limits.requests_per_account_per_second=5"]).await;
    app.clock.advance(Duration::from_secs(1));
    let stranger = app.stranger().await;
    let read = async || {
        let reply = app.api().get("/v2/Services").await;
        (reply.status, reply.body["code"].as_i64())
    };
    assert_eq!(until_refused(9, read).await, (5, Some(20429)));
    assert_eq!(app.api().get("/v2/Services").await.header("retry-after"), "1");
    assert_eq!(stranger.get("/v2/Services").await.status, 200, "another account's are its own");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.api().get("/v2/Services").await.status, 200);
}

/// A client at another address of this machine.
fn at(address: &str) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let address = address.parse().expect("an address");
    builder.local_address(Some(address)).build().expect("a client")
}

#[tokio::test]
async fn an_address_whose_credentials_fail_too_often_waits_and_no_other_does() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=5"]).await;
    let phone = app.enrol_phone("alice-0001").await;
    let token = app.access_token("bob-00001").await;
    let newcomer = app.stranger().await;
    let wrong = app.api().with(&app.account, "wrong");
    let guess = async || {
        let reply = wrong.get("/v2/Services").await;
        (reply.status, reply.body["code"].as_i64().filter(|code| *code != 20003))
    };
    assert_eq!(until_refused(9, guess).await, (5, Some(20429)));
    app.clock.advance(Duration::from_secs(20));
    let refused = wrong.get("/v2/Services").await;
    assert_eq!((refused.refusal(), refused.header("retry-after")), ((429, 20429), "40"));
    let reason = refused.body["details"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("this address"), "{refused:?}");

    assert_eq!(newcomer.get("/v2/Services").await.refusal(), (429, 20429), "never seen from here");
    let key = app.api().with("SK00000000000000000000000000000000", "x").get("/v2/Services").await;
    assert_eq!(key.refusal(), (429, 20429));
    let elsewhere = Caller { client: at("127.0.0.2"), ..newcomer.clone() };
    assert_eq!(elsewhere.get("/v2/Services").await.status, 200, "another address");
    assert_eq!(app.api().get("/v2/Services").await.status, 200, "these worked from here");
    assert_eq!(app.device(&phone).get(&app.factor_path(&phone)).await.status, 200, "these too");
    let enrolling = app.api().with("token", &token).get("/v2/Services").await;
    assert_eq!(enrolling.refusal(), (403, 20403), "an access token is judged without a read");

    app.clock.advance(Duration::from_secs(40));
    assert_eq!(newcomer.get("/v2/Services").await.status, 200);
    assert_eq!(guess().await.0, 401);
}

#[tokio::test]
async fn access_tokens_that_are_spent_or_for_another_entity_count_as_failed() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=3"]).await;
    let token = app.access_token("alice-0001").await;
    let enrol = async |identity: &str| {
        let enrolment =
            Enrolment::new(&app.service, identity, Authority::AccessToken(token.clone()));
        let phone = Phone::enrol(&app.phone_server(), &enrolment).await;
        phone.map(drop).map_err(|error| error.code().expect("the API refuses"))
    };
    assert_eq!(enrol("bob-00001").await, Err(60313), "it is for another entity");
    assert_eq!(enrol("alice-0001").await, Ok(()));
    assert_eq!(enrol("alice-0001").await, Err(60313), "it is spent");
    let newcomer = app.stranger().await;
    assert_eq!(newcomer.get("/v2/Services").await.status, 200, "two have failed");
    assert_eq!(enrol("alice-0001").await, Err(60313));
    assert_eq!(app.stranger().await.get("/v2/Services").await.refusal(), (429, 20429));
    assert_eq!(app.api().get("/v2/Services").await.status, 200, "it worked from here");
}

#[tokio::test]
async fn setting_the_time_of_day_ends_no_wait() {
    let app = TestApp::start_with(&["limits.failed_credentials_per_address_per_minute=1"]).await;
    let wrong = app.api().with(&app.account, "wrong");
    assert_eq!(wrong.get("/v2/Services").await.refusal(), (401, 20003));
    for hours in [2, 0] {
        app.clock.step_wall(app.clock.now() + Duration::from_secs(hours * 3_600));
        assert_eq!(wrong.get("/v2/Services").await.refusal(), (429, 20429));
    }
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(wrong.get("/v2/Services").await.refusal(), (401, 20003));
}

#[tokio::test]
async fn wrong_answers_exhaust_a_challenge_only_where_that_is_set() {
    for (limit, expected) in [(2, (2, Some(60308))), (0, (9, None))] {
        let setting = format!("limits.wrong_answers_per_push_challenge={limit}");
        let app = TestApp::start_with(&[&setting]).await;
        let phone = app.enrol_phone("alice-0001").await;
        let sid = app.challenge(&phone, "Log in?").await;
        let header = serde_json::json!({"typ": "JWT", "alg": "ES256"});
        let wrong = jwt::signed(phone.key(), &header, &serde_json::json!({})).unwrap();
        let path = format!("{}/{sid}", app.challenges_path(&phone));
        let answer = async || {
            let reply = app.device(&phone).post(&path, &[("AuthPayload", &wrong)]).await;
            let code = reply.body["code"].as_i64();
            (reply.status, code.filter(|code| *code != 60324))
        };
        assert_eq!(until_refused(9, answer).await, expected, "a limit of {limit}");
        let right = phone.answer(&sid, Verdict::Approved).await;
        if limit == 0 {
            right.expect("nothing was used up");
        } else {
            assert!(matches!(right, Err(PhoneError::Api(_))), "it is exhausted: {right:?}");
        }
    }
}

#[tokio::test]
async fn services_and_push_credentials_of_an_account_are_limited_by_setting() {
    let settings = ["limits.services_per_account=3", "limits.credentials_per_account=2"];
    let app = TestApp::start_with(&settings).await;
    let make = async |path: &str, form: &[(&str, &str)]| {
        let reply = app.api().post(path, form).await;
        let reason = reply.body["details"]["reason"].as_str().unwrap_or_default().to_owned();
        (reply.status, reply.body["code"].as_i64(), reason)
    };
    let service = async || make("/v2/Services", &[("FriendlyName", "one")]).await;
    let all = futures_util::future::join_all((0..9).map(|_| service())).await;
    let made = all.iter().filter(|reply| reply.0 == 201).count();
    assert_eq!(made, 2, "there was one before: {all:?}");
    let refused = (400, Some(60200), "limits.services_per_account is 3".to_owned());
    assert_eq!(service().await, refused);
    let credential = async || make("/v1/Credentials", &[("Type", "gcm")]).await;
    assert_eq!((credential().await.0, credential().await.0), (201, 201));
    let refused = (400, Some(60300), "limits.credentials_per_account is 2".to_owned());
    assert_eq!(credential().await, refused);

    let stranger = app.stranger().await;
    assert_eq!(stranger.post("/v2/Services", &[("FriendlyName", "other")]).await.status, 201);
    let path = format!("/v2/Services/{}", app.service);
    assert_eq!(app.api().delete(&path).await.status, 204);
    assert_eq!(service().await.0, 201, "a place is free");
}
