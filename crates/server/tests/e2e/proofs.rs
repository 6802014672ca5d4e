//! The proof of an answer: what the device signed, and the key.

use countersign_domain::signed_answer::ProofDocument;
use countersign_phone::{DenialReason, Phone, Verdict};
use serde_json::Value;

use crate::support::{Reply, TestApp};

async fn proof(app: &TestApp, phone: &Phone, sid: &str) -> Reply {
    app.api().get(&format!("{}/{sid}/Proof", app.challenges_path(phone))).await
}

fn reason(reply: &Reply) -> &str {
    reply.body["details"]["reason"].as_str().unwrap_or_else(|| panic!("a reason: {}", reply.body))
}

#[tokio::test]
async fn an_answer_is_proved_by_what_its_device_signed() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    for (verdict, word) in [(Verdict::Approved, "approved"), (Verdict::Denied, "denied")] {
        let sid = app.challenge(&phone, "Log in?").await;
        let before = proof(&app, &phone, &sid).await;
        assert_eq!(before.refusal(), (404, 20404));
        assert!(reason(&before).contains("has no answer"));
        phone.answer(&sid, verdict).await.unwrap();
        let shown = proof(&app, &phone, &sid).await.expect(200);
        let proof = ProofDocument::parse(&shown.to_string()).unwrap();
        let signed = proof.check().unwrap().signed;
        assert_eq!(signed["status"], word);
        assert_eq!(signed["details"]["message"], "Log in?");
        let challenge = app.read_challenge(&phone, &sid).await;
        for (name, member) in [("sid", "challenge_sid"), ("identity", "identity")] {
            assert_eq!(challenge[name], shown[member]);
        }
        assert_eq!(challenge["date_responded"], shown["date_responded"]);
    }
}

#[tokio::test]
async fn only_the_application_of_the_challenge_sees_its_proof() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let sid = app.challenge(&phone, "Log in?").await;
    phone.deny(&sid, DenialReason::NotMe).await.unwrap();
    let path = format!("{}/{sid}/Proof", app.challenges_path(&phone));
    assert_eq!(app.device(&phone).get(&path).await.refusal(), (403, 20403));
    assert_eq!(app.stranger().await.get(&path).await.refusal(), (404, 20404));
    let shown = app.api().get(&path).await.expect(200);
    let signed = ProofDocument::parse(&shown.to_string()).unwrap().check().unwrap().signed;
    assert_eq!(signed["reason"], "not_me");
}

/// The device signs the code, which only the person may tell the application.
#[tokio::test]
async fn a_code_is_not_told_by_a_proof_before_it_is_confirmed() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let path = app.challenges_path(&phone);
    let form =
        [("FactorSid", phone.factor_sid()), ("Details.Message", "Log in?"), ("Presence", "code")];
    let sid = app.api().post(&path, &form).await.expect(201)["sid"].as_str().unwrap().to_owned();
    let asked = phone.challenge(&sid).await.unwrap();
    phone.send_answer(&asked, Verdict::Approved).await.unwrap();
    let before = proof(&app, &phone, &sid).await;
    assert_eq!(before.refusal(), (404, 20404));
    assert!(reason(&before).contains("code was confirmed"));

    let shown = app.device(&phone).get(&format!("{path}/{sid}")).await.expect(200);
    let fields = shown["details"]["fields"].as_array().unwrap();
    let code = fields.last().unwrap()["value"].as_str().unwrap();
    app.api().post(&format!("{path}/{sid}/Presence"), &[("Code", code)]).await.expect(200);
    let shown = proof(&app, &phone, &sid).await.expect(200);
    let signed = ProofDocument::parse(&shown.to_string()).unwrap().check().unwrap().signed;
    assert_eq!(
        signed["details"]["fields"]
            .as_array()
            .and_then(|all| all.last())
            .map(|field| &field["value"]),
        Some(&Value::from(code))
    );
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_be_kept_is_refused() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let sid = app.challenge(&phone, "Log in?").await;
    let payload = format!("{}.e30.AA", "A".repeat(16 * 1024));
    let path = format!("{}/{sid}", app.challenges_path(&phone));
    let refused = app.device(&phone).post(&path, &[("AuthPayload", &payload)]).await;
    assert_eq!(refused.refusal().0, 403);
    assert!(reason(&refused).contains("16 KiB"));
}
