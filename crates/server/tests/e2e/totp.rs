//! TOTP factors: an authenticator app instead of a device.

use std::time::Duration;

use countersign_domain::secret::Secret;
use countersign_domain::totp::{TotpAlg, TotpConfig};
use countersign_domain::totp_code::code_now;
use countersign_domain::world::Clock as _;

use crate::support::{Reply, TestApp};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The current code of a factor with default settings and this code length.
pub(crate) fn code(app: &TestApp, code_length: u8) -> String {
    let config = TotpConfig { alg: TotpAlg::Sha1, time_step: 30, skew: 1, code_length };
    let code = code_now(&Secret::new(SECRET), config, app.clock.now()).expect("Base32");
    code.expose().to_owned()
}

/// A code that is wrong for each of the next time steps.
fn wrong(app: &TestApp) -> String {
    let number: u32 = code(app, 6).parse().expect("digits");
    format!("{:06}", (number + 1) % 1_000_000)
}

async fn create(app: &TestApp, more: &[(&str, &str)]) -> Reply {
    let form = [&[("FriendlyName", "Ann's app"), ("FactorType", "totp")], more].concat();
    app.api().post(&format!("{}/Factors", app.entity("alice-0001")), &form).await
}

/// The path and the SID of a verified factor whose current code is spent.
pub(crate) async fn verified(app: &TestApp, length: u8) -> (String, String) {
    let digits = length.to_string();
    let more = [("Binding.Secret", SECRET), ("Config.CodeLength", digits.as_str())];
    let sid = create(app, &more).await.text("sid");
    let path = format!("{}/Factors/{sid}", app.entity("alice-0001"));
    let shown = app.api().post(&path, &[("AuthPayload", &code(app, length))]).await;
    assert_eq!(shown.expect(200)["status"], "verified");
    (path, sid)
}

pub(crate) async fn challenge(app: &TestApp, factor: &str, code: Option<&str>) -> Reply {
    let mut form = vec![("FactorSid", factor)];
    form.extend(code.map(|code| ("AuthPayload", code)));
    app.api().post(&format!("{}/Challenges", app.entity("alice-0001")), &form).await
}

pub(crate) async fn answer(app: &TestApp, challenge: &str, code: &str) -> Reply {
    let path = format!("{}/Challenges/{challenge}", app.entity("alice-0001"));
    app.api().post(&path, &[("AuthPayload", code)]).await
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let app = TestApp::start().await;
    let made = create(&app, &[]).await.expect(201);
    let sid = made["sid"].as_str().expect("a SID");
    assert!(sid.starts_with("YF02"), "{sid}");
    let secret = made["binding"]["secret"].as_str().expect("a secret");
    assert_eq!(secret.len(), 32);
    let uri = format!(
        "otpauth://totp/owlbank:Ann%27s%20app?secret={secret}&issuer=owlbank&algorithm=SHA1&digits=6&period=30"
    );
    assert_eq!(made["binding"]["uri"], uri);
    let config = serde_json::json!({"alg": "sha1", "skew": 1, "code_length": 6, "time_step": 30});
    assert_eq!((&made["config"], &made["factor_type"]), (&config, &"totp".into()));
    let given = create(&app, &[("Binding.Secret", SECRET)]).await.expect(201);
    assert_eq!(given["binding"]["secret"], SECRET);
    let list = format!("{}/Factors", app.entity("alice-0001"));
    let phone = app.enrol_phone("alice-0001").await;
    let all = app.api().get(&list).await.expect(200);
    let sids: Vec<_> =
        all["factors"].as_array().expect("a list").iter().map(|it| &it["sid"]).collect();
    assert_eq!(sids.len(), 3);
    assert!(sids.contains(&&phone.factor_sid().into()));
    assert!(!all.to_string().contains(secret) && !all.to_string().contains(SECRET));
    let one = app.api().get(&format!("{list}/{sid}")).await.expect(200);
    assert!(one.get("binding").is_none() && !one.to_string().contains(secret));
    assert_eq!(app.api().delete(&format!("{list}/{sid}")).await.status, 204);
    assert_eq!(app.api().get(&format!("{list}/{sid}")).await.refusal(), (404, 20404));
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let app = TestApp::start().await;
    for (name, value, code) in [
        ("Binding.Secret", "1", 60314),
        ("Binding.Secret", "ABC", 60314),
        ("Config.Alg", "md5", 60306),
        ("Config.TimeStep", "19", 60306),
        ("Config.TimeStep", "61", 60306),
        ("Config.Skew", "3", 60306),
        ("Config.CodeLength", "2", 60306),
        ("Config.CodeLength", "9", 60306),
    ] {
        let reply = create(&app, &[(name, value)]).await;
        assert_eq!(reply.refusal(), (400, code), "{name}={value}");
        assert_eq!(reply.body["details"]["parameter"], name);
    }
    let (path, sid) = verified(&app, 6).await;
    let changed = app.api().post(&path, &[("Config.Skew", "2"), ("FriendlyName", "Bo")]).await;
    let changed = changed.expect(200);
    assert_eq!((&changed["config"]["skew"], &changed["friendly_name"]), (&2.into(), &"Bo".into()));
    assert_eq!(app.api().post(&path, &[("AuthPayload", "12a456")]).await.refusal(), (400, 60306));
    assert_eq!(challenge(&app, &sid, Some("x")).await.refusal(), (400, 60306));
}

#[tokio::test]
async fn wrong_codes_exhaust_the_verification() {
    let app = TestApp::start().await;
    let sid = create(&app, &[("Binding.Secret", SECRET)]).await.text("sid");
    let path = format!("{}/Factors/{sid}", app.entity("alice-0001"));
    assert_eq!(challenge(&app, &sid, None).await.refusal(), (403, 60318));
    let show = async |code: &str| app.api().post(&path, &[("AuthPayload", code)]).await;
    for _ in 0..4 {
        assert_eq!(show(&wrong(&app)).await.refusal(), (403, 60311));
    }
    assert_eq!(show(&code(&app, 6)).await.expect(200)["status"], "verified");
    for _ in 0..5 {
        assert_eq!(
            show(&wrong(&app)).await.refusal(),
            (403, 60311),
            "the count starts again at zero"
        );
    }
    app.clock.advance(Duration::from_secs(30));
    assert_eq!(show(&code(&app, 6)).await.refusal(), (429, 60310), "a right one comes too late");
}

#[tokio::test]
async fn a_code_approves_a_challenge_once() {
    let app = TestApp::start().await;
    let (_, factor) = verified(&app, 6).await;
    let spent = code(&app, 6);
    assert_eq!(challenge(&app, &factor, Some(&spent)).await.refusal(), (403, 60324), "a replay");
    app.clock.advance(Duration::from_secs(30));
    let first = challenge(&app, &factor, Some(&code(&app, 6))).await.expect(201);
    assert_eq!((&first["status"], &first["factor_type"]), (&"approved".into(), &"totp".into()));
    assert!(first["sid"].as_str().is_some_and(|sid| sid.starts_with("YC02")));
    assert!(first["details"].is_null());
    app.clock.advance(Duration::from_secs(60));
    let late = code(&app, 6);
    let one = challenge(&app, &factor, None).await.text("sid");
    let other = challenge(&app, &factor, None).await.text("sid");
    app.clock.advance(Duration::from_secs(30));
    let (a, b) = tokio::join!(answer(&app, &one, &late), answer(&app, &other, &late));
    let mut both = [a.status, b.status];
    both.sort_unstable();
    assert_eq!(both, [200, 403], "within the skew, and of racing answers one wins");
    let open = challenge(&app, &factor, None).await.text("sid");
    let path = format!("{}/Challenges/{open}/Notifications", app.entity("alice-0001"));
    assert_eq!(app.api().post(&path, &[]).await.refusal(), (400, 60306), "codes get no push");
}

#[tokio::test]
async fn wrong_codes_exhaust_a_challenge() {
    let app = TestApp::start().await;
    let (_, factor) = verified(&app, 6).await;
    app.clock.advance(Duration::from_secs(30));
    let sid = challenge(&app, &factor, None).await.text("sid");
    for _ in 0..5 {
        assert_eq!(answer(&app, &sid, &wrong(&app)).await.refusal(), (403, 60324));
    }
    assert_eq!(answer(&app, &sid, &code(&app, 6)).await.refusal(), (429, 60308));
}

#[tokio::test]
async fn guessing_by_making_challenges_is_bounded() {
    for (length, most) in [(4, 10), (6, 50)] {
        let app = TestApp::start().await;
        let (_, factor) = verified(&app, length).await;
        let guess = code(&app, length);
        for _ in 0..most {
            assert_eq!(challenge(&app, &factor, Some(&guess)).await.refusal(), (403, 60324));
        }
        app.clock.advance(Duration::from_secs(30));
        let right = code(&app, length);
        assert_eq!(challenge(&app, &factor, Some(&right)).await.refusal(), (429, 60312));
    }
}

#[tokio::test]
async fn a_factor_has_a_hundred_challenges_in_a_day() {
    let app = TestApp::start().await;
    let (_, factor) = verified(&app, 6).await;
    for _ in 0..2 {
        for _ in 0..50 {
            assert_eq!(challenge(&app, &factor, None).await.status, 201);
        }
        assert_eq!(challenge(&app, &factor, None).await.refusal(), (429, 60312));
        app.clock.advance(Duration::from_secs(60 * 60 + 1));
    }
    assert_eq!(challenge(&app, &factor, None).await.refusal(), (429, 60312));
    app.clock.advance(Duration::from_secs(22 * 60 * 60));
    assert_eq!(challenge(&app, &factor, None).await.status, 201, "the first are a day old");
}

#[tokio::test]
async fn factors_of_an_entity_are_limited() {
    let app = TestApp::start_with(&["limits.totp_factors_per_entity=2"]).await;
    assert_eq!(create(&app, &[]).await.status, 201);
    assert_eq!(create(&app, &[]).await.status, 201);
    assert_eq!(create(&app, &[]).await.refusal(), (400, 60315));
    app.enrol_phone("alice-0001").await;

    let app = TestApp::start_with(&["limits.factors_per_entity_per_day=2"]).await;
    app.enrol_phone("alice-0001").await;
    assert_eq!(create(&app, &[]).await.status, 201);
    assert_eq!(create(&app, &[]).await.refusal(), (429, 60326), "of either type");
}

/// A person who presses the button twice, or whose code another page has used, is not an attacker: spent codes are not counted.
#[tokio::test]
async fn a_spent_code_is_refused_and_not_counted() {
    let app = TestApp::start().await;
    let (path, sid) = verified(&app, 6).await;
    let spent = code(&app, 6);
    let asked = challenge(&app, &sid, None).await.text("sid");
    for _ in 0..9 {
        assert_eq!(answer(&app, &asked, &spent).await.refusal(), (403, 60324));
        let shown = app.api().post(&path, &[("AuthPayload", &spent)]).await;
        assert_eq!(shown.refusal(), (403, 60311));
    }
    app.clock.advance(Duration::from_secs(30));
    assert_eq!(answer(&app, &asked, &code(&app, 6)).await.expect(200)["status"], "approved");
}

#[tokio::test]
async fn wrong_codes_of_a_factor_are_counted_over_all_its_challenges() {
    let app = TestApp::start_with(&["limits.wrong_codes_in_a_row_per_totp_factor=6"]).await;
    let (path, sid) = verified(&app, 6).await;
    app.clock.advance(Duration::from_secs(60));
    let guess = async || {
        let asked = challenge(&app, &sid, None).await.text("sid");
        answer(&app, &asked, &wrong(&app)).await
    };
    for _ in 0..2 {
        assert_eq!(guess().await.refusal(), (403, 60324));
        assert_eq!(challenge(&app, &sid, Some(&wrong(&app))).await.refusal(), (403, 60324));
        let shown = app.api().post(&path, &[("AuthPayload", &wrong(&app))]).await;
        assert_eq!(shown.refusal(), (403, 60311));
    }
    let right = code(&app, 6);
    assert_eq!(guess().await.refusal(), (429, 60308));
    assert_eq!(challenge(&app, &sid, Some(&right)).await.refusal(), (429, 60308));
    let shown = app.api().post(&path, &[("AuthPayload", &right)]).await;
    assert_eq!(shown.refusal(), (429, 60310));

    app.api().post(&path, &[("FriendlyName", "Ann's app again")]).await.expect(200);
    let approved = challenge(&app, &sid, Some(&right)).await.expect(201);
    assert_eq!(approved["status"], "approved", "the application has acted");
}
