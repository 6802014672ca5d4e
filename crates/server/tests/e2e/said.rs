//! Refusals name the missing resource or the limit, and values are returned as they were given.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn an_unknown_factor_is_named_by_the_refusal() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let unknown = format!("YF03{}", "7".repeat(30));
    let form = [("FactorSid", &*unknown), ("Details.Message", "Log in?")];
    let reply = app.api().post(&app.challenges_path(&phone), &form).await;
    assert_eq!(reply.refusal(), (404, 20404));
    let factor = format!("/Services/{}/Entities/alice-0001/Factors/{unknown}", app.service);
    assert_eq!(reply.body["message"], format!("The requested resource {factor} was not found"));
}

#[tokio::test]
async fn a_limit_of_factors_says_which_and_how_many() {
    let settings = ["limits.push_factors_per_entity=1", "limits.totp_factors_per_entity=2"];
    let app = TestApp::start_with(&settings).await;
    app.enrol_phone("alice-0001").await;
    let factors = format!("{}/Factors", app.entity("alice-0001"));
    let totp = [("FactorType", "totp"), ("FriendlyName", "codes")];
    for _ in 0..2 {
        app.api().post(&factors, &totp).await.expect(201);
    }
    let refused = app.api().post(&factors, &totp).await;
    assert_eq!(refused.refusal(), (400, 60315));
    let sentence = "Reached max limit of 2 TOTP Factors associated per Entity";
    assert_eq!(refused.body["message"], sentence);
}

#[tokio::test]
async fn members_come_back_in_the_order_in_which_they_came() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let text = r#"{"zone":"eu","amount":"40","Bank":"harbour","1":"one"}"#;
    let form = [
        ("FactorSid", phone.factor_sid()),
        ("Details.Message", "Log in?"),
        ("HiddenDetails", text),
    ];
    let challenge = app.api().post(&app.challenges_path(&phone), &form).await.text("sid");
    let path = format!("{}/{challenge}", app.challenges_path(&phone));
    app.api().post(&path, &[("Metadata", text)]).await.expect(200);
    let raw = app.api().request(reqwest::Method::GET, &path).send().await.unwrap();
    let raw = raw.text().await.unwrap();
    for member in ["hidden_details", "metadata"] {
        assert!(raw.contains(&format!("\"{member}\":{text}")), "{member} in {raw}");
    }
}

#[tokio::test]
async fn a_date_without_a_zone_is_utc() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let form = [
        ("FactorSid", phone.factor_sid()),
        ("Details.Message", "Log in?"),
        ("ExpirationDate", "2026-01-01T12:30:00"),
    ];
    let made = app.api().post(&app.challenges_path(&phone), &form).await.expect(201);
    assert_eq!(made["expiration_date"], json!("2026-01-01T12:30:00Z"));
}

#[tokio::test]
async fn a_page_beyond_the_first_needs_its_token() {
    let app = TestApp::start().await;
    for path in ["/v2/Services", "/v1/Credentials"] {
        app.api().get(&format!("{path}?Page=0")).await.expect(200);
        for query in ["Page=1", "Page=7&PageSize=1", "Page=1&PageToken="] {
            let reply = app.api().get(&format!("{path}?{query}")).await;
            assert_eq!(reply.refusal(), (400, 20001), "{query}");
            assert_eq!(reply.body["message"], "PageToken is required for paging");
        }
    }
}
