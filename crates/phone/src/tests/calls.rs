//! Requests: enrolment, list, verdict, deletion.

use aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::fake_api::{self, FakeApi, Reply};
use super::vectors::{self, opened};
use crate::{Authority, ChallengeStatus, Enrolment, Phone, PhoneError, Platform, Server, Verdict};

const FACTOR: &str = "/v2/Services/VA00000000000000000000000000000001/Entities/ff483d1ff591898a9942916050d2ca3f/Factors/YF03a1b2c3d4e5f60718293a4b5c6d7e8f";
const CHALLENGE: &str = "/v2/Services/VA00000000000000000000000000000001/Entities/ff483d1ff591898a9942916050d2ca3f/Challenges/YC03f1e2d3c4b5a69788796a5b4c3d2e1f";
/// Forty seconds after the phone's own time.
const SERVER_DATE: &str = "Tue, 14 Nov 2023 22:14:00 GMT";

fn enrolment(authority: Authority) -> Enrolment {
    Enrolment::new(vectors::SERVICE_SID, vectors::IDENTITY, authority)
}

fn unauthorized() -> Reply {
    Reply::error(401, 20151, "Authentication Failed").with("Date", SERVER_DATE)
}

#[tokio::test]
async fn a_phone_enrols_and_proves_its_key() {
    let replies = [Reply::factor(201, "unverified"), Reply::factor(200, "verified")];
    let api = FakeApi::start(replies).await;
    let server = Server::new(&api.base_url, &vectors::options()).unwrap();
    let enrolment = enrolment(Authority::AccessToken("let: me in".into()));
    let phone = Phone::enrol(&server, &enrolment).await.unwrap();
    assert_eq!(phone.factor_sid(), vectors::FACTOR_SID);
    assert_eq!(phone.account_sid(), vectors::ACCOUNT_SID);
    assert_eq!(phone.credential_sid(), vectors::CREDENTIAL_SID);

    let [create, verify] = api.asked().try_into().ok().unwrap();
    let (folder, _) = FACTOR.rsplit_once('/').unwrap();
    assert_eq!(create.line, format!("POST {folder}"));
    assert_eq!((create.user.as_str(), create.password.as_str()), ("token", "let: me in"));
    assert_eq!(create.form["FactorType"], "push");
    assert_eq!(create.form["FriendlyName"], "Virtual phone");
    assert_eq!(create.form["Binding.Alg"], "ES256");
    assert_eq!(create.form["Config.NotificationPlatform"], "stream");
    assert!(!create.form.contains_key("Config.NotificationToken"));
    let public_key = &create.form["Binding.PublicKey"];
    assert_eq!(public_key, &phone.key().public_key_base64().unwrap());

    assert_eq!(verify.line, format!("POST {FACTOR}"));
    assert_eq!(verify.user, "token");
    let (header, payload) = opened(&verify.password, public_key);
    assert_eq!(header["kid"], vectors::CREDENTIAL_SID);
    assert_eq!(payload["nbf"], vectors::NOW);
    assert_eq!(verify.form.len(), 1, "only AuthPayload is sent");
    let proof = STANDARD.decode(&verify.form["AuthPayload"]).unwrap();
    let sid = vectors::FACTOR_SID.as_bytes();
    vectors::verify(public_key, &ECDSA_P256_SHA256_ASN1, sid, &proof).unwrap();
}

#[tokio::test]
async fn a_401_at_the_enrolment_does_not_correct_the_clock() {
    let api = FakeApi::start([unauthorized()]).await;
    let server = Server::new(&api.base_url, &vectors::options()).unwrap();
    let sid = vectors::ACCOUNT_SID.to_owned();
    let account = Authority::Account { sid, auth_token: "wrong".into() };
    let refused = Phone::enrol(&server, &enrolment(account)).await.unwrap_err();
    assert_eq!(refused.code(), Some(20151));
    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].user.as_str(), asked[0].password.as_str()),
        (vectors::ACCOUNT_SID, "wrong")
    );
}

#[tokio::test]
async fn a_401_corrects_the_clock_and_is_retried_once() {
    let api = FakeApi::start([unauthorized(), Reply::challenge("pending")]).await;
    let phone = vectors::phone(&api.base_url);
    phone.challenge(vectors::CHALLENGE_SID).await.unwrap();
    assert_eq!(phone.clock_offset(), 40);
    let times: Vec<_> = api
        .asked()
        .iter()
        .map(|asked| opened(&asked.password, vectors::PUBLIC_KEY).1["nbf"].as_i64().unwrap())
        .collect();
    assert_eq!(times, [vectors::NOW, vectors::NOW + 40]);
}

#[tokio::test]
async fn a_second_401_is_final() {
    let api = FakeApi::start([unauthorized(), unauthorized()]).await;
    let phone = vectors::phone(&api.base_url);
    let refused = phone.challenge(vectors::CHALLENGE_SID).await.unwrap_err();
    assert!(matches!(&refused, PhoneError::Api(error) if error.status == 401), "{refused}");
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn all_pages_are_listed_by_their_tokens() {
    let page = |sid: &str, next: Option<&str>| {
        let mut challenge = vectors::challenge();
        challenge.insert("sid".into(), sid.into());
        let meta = json!({"key": "challenges", "page": 0, "page_size": 20, "next_page_url": next});
        Reply::json(200, json!({"challenges": [challenge], "meta": meta}))
    };
    // Another host: only the token of the URL is used.
    let next = "https://verify.example.com/v2/elsewhere?PageSize=1&Page=1&PageToken=DNYC7";
    let api = FakeApi::start([page("YC1", Some(next)), page("YC2", None)]).await;
    let phone = vectors::phone(&api.base_url);
    let listed = phone.challenges(Some(ChallengeStatus::Pending)).await.unwrap();
    let sids: Vec<_> = listed.iter().map(|challenge| challenge.sid.as_str()).collect();
    assert_eq!(sids, ["YC1", "YC2"]);

    let [first, second] = api.asked().try_into().ok().unwrap();
    assert_eq!(first.line, second.line);
    assert_eq!(first.headers["accept"], "application/x-www-form-urlencoded");
    assert_eq!(first.query["FactorSid"], vectors::FACTOR_SID);
    assert_eq!(first.query["Status"], "pending");
    assert_eq!(first.query["Order"], "asc");
    assert!(!first.query.contains_key("PageToken"));
    assert_eq!(second.query["PageToken"], "DNYC7");
}

#[tokio::test]
async fn answering_reads_sends_and_reads_again() {
    let replies =
        [Reply::challenge("pending"), Reply::challenge("denied"), Reply::challenge("denied")];
    let api = FakeApi::start(replies).await;
    let phone = vectors::phone(&api.base_url);
    let answered = phone.answer(vectors::CHALLENGE_SID, Verdict::Denied).await.unwrap();
    assert_eq!(answered.status, ChallengeStatus::Denied);

    let asked = api.asked();
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let (get, post) = (format!("GET {CHALLENGE}"), format!("POST {CHALLENGE}"));
    assert_eq!(lines, [&get, &post, &get]);
    let (header, payload) = opened(&asked[1].form["AuthPayload"], vectors::PUBLIC_KEY);
    assert_eq!(header, json!({"typ": "JWT", "alg": "ES256"}));
    let (_, mut documented) = opened(vectors::ANSWER_JWT, vectors::PUBLIC_KEY);
    documented["status"] = "denied".into();
    assert_eq!(payload, documented);
}

#[tokio::test]
async fn a_verdict_without_effect_is_an_error() {
    let replies = [Reply::challenge("pending"), Reply::empty(200), Reply::challenge("expired")];
    let api = FakeApi::start(replies).await;
    let phone = vectors::phone(&api.base_url);
    let answered = phone.answer(vectors::CHALLENGE_SID, Verdict::Approved).await;
    assert!(matches!(answered, Err(PhoneError::NotUpdated(ChallengeStatus::Expired))));
}

#[tokio::test]
async fn a_challenge_that_cannot_be_answered_causes_no_request() {
    let mut foreign = fake_api::challenge("pending");
    foreign.insert("factor_sid".into(), "YF2".into());
    let unsignable = Reply::json(200, fake_api::challenge("pending"));
    let replies = [Reply::challenge("approved"), unsignable, Reply::json(200, foreign)];
    let api = FakeApi::start(replies).await;
    let phone = vectors::phone(&api.base_url);

    let answer = || phone.answer(vectors::CHALLENGE_SID, Verdict::Approved);
    let answered = answer().await;
    assert!(matches!(answered, Err(PhoneError::NotPending(ChallengeStatus::Approved))));
    assert!(matches!(answer().await, Err(PhoneError::NotSignable)));
    assert!(matches!(answer().await, Err(PhoneError::WrongFactor(sid)) if sid == "YF2"));
    assert!(api.asked().iter().all(|asked| asked.line.starts_with("GET")));
}

#[tokio::test]
async fn a_new_push_token_is_sent_with_the_parameters_of_the_sdks() {
    let api = FakeApi::start([Reply::factor(200, "verified")]).await;
    let phone = vectors::phone(&api.base_url);
    phone.update_push_token(&Platform::Apn("ab12".into())).await.unwrap();
    let asked = api.asked();
    assert_eq!(asked[0].line, format!("POST {FACTOR}"));
    let form = &asked[0].form;
    assert_eq!(form["FriendlyName"], "Ann's phone");
    assert_eq!(form["Config.AppId"], "com.example.myapp");
    assert_eq!(form["Config.NotificationPlatform"], "apn");
    assert_eq!(form["Config.NotificationToken"], "ab12");
    assert!(form.contains_key("Config.SdkVersion"));
}

#[tokio::test]
async fn a_missing_factor_counts_as_deleted() {
    let not_found = Reply::error(404, 20404, "The requested resource was not found");
    let forbidden = Reply::error(403, 20403, "Forbidden");
    let replies = [Reply::empty(204), not_found, unauthorized(), unauthorized(), forbidden];
    let api = FakeApi::start(replies).await;
    let phone = vectors::phone(&api.base_url);
    for _ in 0..3 {
        phone.delete().await.unwrap();
    }
    assert_eq!(phone.delete().await.unwrap_err().code(), Some(20403));
    let asked = api.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked.iter().all(|asked| asked.line == format!("DELETE {FACTOR}")));
}
