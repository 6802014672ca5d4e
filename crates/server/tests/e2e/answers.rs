//! Verdicts and proofs that are refused, and keys that no device may register.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_phone::{DeviceKey, Phone, Verdict, jwt};
use serde_json::json;

use crate::support::{Reply, TestApp};

/// Has the form of a signed answer, without a valid signature.
const ALMOST: &str = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";

async fn answer(app: &TestApp, phone: &Phone, challenge: &str, payload: &str) -> Reply {
    let path = format!("{}/{challenge}", app.challenges_path(phone));
    app.device(phone).post(&path, &[("AuthPayload", payload)]).await
}

/// A device may write metadata until it has answered; an application may always.
#[tokio::test]
async fn a_device_writes_metadata_until_it_has_answered_and_an_application_always() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let write = async |caller: crate::support::Caller, sid: &str, metadata: &str| {
        let path = format!("{}/{sid}", app.challenges_path(&phone));
        caller.post(&path, &[("Metadata", metadata)]).await
    };
    let stands = async |sid: &str| app.read_challenge(&phone, sid).await["metadata"].clone();
    let sid = app.challenge(&phone, "Log in?").await;
    assert_eq!(write(app.device(&phone), &sid, r#"{"seen":"1"}"#).await.status, 200);
    assert_eq!(stands(&sid).await, json!({"seen": "1"}));

    let path = format!("{}/{sid}", app.challenges_path(&phone));
    let asked = phone.challenge(&sid).await.unwrap();
    let payload = phone.signed_answer(&asked, Verdict::Denied).unwrap();
    let wrong = [("AuthPayload", ALMOST), ("Metadata", r#"{"place":"wrong"}"#)];
    assert_eq!(app.device(&phone).post(&path, &wrong).await.refusal(), (403, 60324));
    assert_eq!(stands(&sid).await, json!({"seen": "1"}), "nothing of a refused answer is kept");
    let both = [("AuthPayload", &*payload), ("Metadata", r#"{"place":"home"}"#)];
    let answered = app.device(&phone).post(&path, &both).await.expect(200);
    assert_eq!(
        (&answered["status"], &answered["metadata"]),
        (&json!("denied"), &json!({"place": "home"}))
    );

    let late = write(app.device(&phone), &sid, r#"{"place":"elsewhere"}"#).await;
    assert_eq!(late.refusal(), (403, 60322));
    let again = [("AuthPayload", &*payload), ("Metadata", r#"{"place":"elsewhere"}"#)];
    assert_eq!(app.device(&phone).post(&path, &again).await.refusal(), (403, 60322));
    assert_eq!(stands(&sid).await, json!({"place": "home"}));
    assert_eq!(write(app.api(), &sid, r#"{"case":"7"}"#).await.status, 200);
    assert_eq!(stands(&sid).await, json!({"case": "7"}));

    let expiring = app.challenge(&phone, "Pay?").await;
    app.clock.advance(std::time::Duration::from_secs(5 * 60));
    let late = write(app.device(&phone), &expiring, r#"{"seen":"1"}"#).await;
    assert_eq!(late.refusal(), (403, 60323));
    assert_eq!(write(app.api(), &expiring, r#"{"case":"8"}"#).await.status, 200);
}

#[tokio::test]
async fn an_answer_counts_only_if_every_byte_of_it_is_right() {
    let app = TestApp::start().await;
    let phone = app.enrol_phone("alice-0001").await;
    let (sid, other) =
        (app.challenge(&phone, "Log in?").await, app.challenge(&phone, "Pay?").await);
    let before = app.read_challenge(&phone, &sid).await;
    let asked = phone.challenge(&sid).await.unwrap();
    let fields = asked.fields_to_sign.clone().unwrap();
    let header = json!({"typ": "JWT", "alg": "ES256"});
    let whole = || {
        let mut payload = asked.body.clone();
        payload.retain(|name, _| fields.contains(name));
        payload.insert("status".into(), "approved".into());
        payload
    };
    let mut wrong = Vec::new();
    for name in &fields {
        let mut payload = whole();
        payload.remove(name);
        wrong.push((format!("without {name}"), payload));
        let mut payload = whole();
        payload.insert(name.clone(), "changed".into());
        wrong.push((format!("another {name}"), payload));
    }
    for status in [json!("pending"), json!("expired"), json!("Approved"), json!(true), json!(null)]
    {
        let mut payload = whole();
        payload.insert("status".into(), status.clone());
        wrong.push((format!("status {status}"), payload));
    }
    for (what, payload) in wrong {
        let payload = jwt::signed(phone.key(), &header, &payload.into()).unwrap();
        let reply = answer(&app, &phone, &sid, &payload).await;
        assert_eq!(reply.refusal(), (403, 60324), "{what}");
    }
    let forger = DeviceKey::generate().unwrap();
    let forged = jwt::signed(&forger, &header, &whole().into()).unwrap();
    assert_eq!(answer(&app, &phone, &sid, &forged).await.refusal(), (403, 60324));
    let of_the_other = phone.challenge(&other).await.unwrap();
    let of_the_other = phone.signed_answer(&of_the_other, Verdict::Approved).unwrap();
    assert_eq!(answer(&app, &phone, &sid, &of_the_other).await.refusal(), (403, 60324));

    let unsigned = jwt::signed(phone.key(), &json!({"alg": "none"}), &whole().into()).unwrap();
    let stripped = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    for malformed in [&unsigned, &stripped, "nonsense", "a.b.c", "", "123456", &"x".repeat(32_769)]
    {
        assert_eq!(answer(&app, &phone, &sid, malformed).await.refusal(), (400, 60306));
    }
    assert_eq!(app.read_challenge(&phone, &sid).await, before, "it is unchanged");
    let right = jwt::signed(phone.key(), &header, &whole().into()).unwrap();
    assert_eq!(answer(&app, &phone, &sid, &right).await.expect(200)["status"], "approved");
    assert_eq!(answer(&app, &phone, &sid, &right).await.refusal(), (403, 60322), "only once");
    assert_eq!(answer(&app, &phone, &sid, "nonsense").await.refusal(), (403, 60322));
}

#[tokio::test]
async fn a_device_answers_only_for_its_own_factor() {
    let app = TestApp::start().await;
    // One person, two devices, and a third person's.
    let (mine, yours, theirs) = tokio::join!(
        app.enrol_phone("alice-0001"),
        app.enrol_phone("alice-0001"),
        app.enrol_phone("bob-00001"),
    );
    let sid = app.challenge(&mine, "Log in?").await;
    let asked = mine.challenge(&sid).await.unwrap();
    let path = format!("{}/{sid}", app.challenges_path(&mine));
    let payload = yours.signed_answer(&asked, Verdict::Approved).unwrap();
    let form = [("AuthPayload", payload.as_str())];
    assert_eq!(app.device(&yours).get(&path).await.refusal(), (404, 20404));
    assert_eq!(app.device(&yours).post(&path, &form).await.refusal(), (404, 20404));
    assert_eq!(app.device(&theirs).get(&path).await.refusal(), (403, 20403));
    assert_eq!(app.device(&theirs).post(&path, &form).await.refusal(), (403, 20403));
    // Only the signature counts, not the caller's credentials.
    assert_eq!(app.device(&mine).post(&path, &form).await.refusal(), (403, 60324));
    assert_eq!(app.api().post(&path, &form).await.refusal(), (403, 60324));
    assert_eq!(app.read_challenge(&mine, &sid).await["status"], "pending");
}

#[tokio::test]
async fn a_proof_is_der_in_base64_over_the_factors_own_sid() {
    let app = TestApp::start().await;
    let (phone, other) = (app.enrol_phone("alice-0001").await, app.enrol_phone("alice-0001").await);
    let path = app.factor_path(&phone);
    let sid = phone.factor_sid();
    let raw = STANDARD.encode(phone.key().sign_raw(sid.as_bytes()).unwrap());
    let lower = phone.key().sign_der_base64(sid.to_lowercase().as_bytes()).unwrap();
    let foreign = other.key().sign_der_base64(sid.as_bytes()).unwrap();
    let before = app.api().get(&path).await.body;
    for (payload, refusal) in [
        (raw.as_str(), (403, 60311)),
        (&lower, (403, 60311)),
        (&foreign, (403, 60311)),
        ("MEUCIQ==", (403, 60311)),
        ("AAAA", (403, 60311)),
        ("", (400, 60306)),
        ("123456", (400, 60306)),
        ("not base64!", (400, 60306)),
    ] {
        // Other changes in a request with a wrong proof are refused too.
        let form = [("AuthPayload", payload), ("FriendlyName", "Mallory's")];
        assert_eq!(app.device(&phone).post(&path, &form).await.refusal(), refusal, "{payload}");
    }
    assert_eq!(app.api().get(&path).await.body, before);
}

#[tokio::test]
async fn a_key_that_is_no_point_of_p256_is_refused() {
    let app = TestApp::start().await;
    let good =
        STANDARD.decode(DeviceKey::generate().unwrap().public_key_base64().unwrap()).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut der = good.clone();
        change(&mut der);
        STANDARD.encode(der)
    };
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let bad = [
        changed(&|der| *der.last_mut().unwrap() ^= 1),
        changed(&|der| der[27..].fill(0)),
        changed(&|der| der[27..].fill(0xff)),
        changed(&|der| der[26] = 2),
        changed(&|der| der.truncate(90)),
        changed(&|der| der.push(0)),
        changed(&|der| der[0] = 0x31),
        changed(&|der| der.drain(..26).for_each(drop)),
        STANDARD.encode(p384.public_key().as_ref()),
        String::new(),
        "not base64!".into(),
    ];
    for key in bad {
        let form = [
            ("FriendlyName", "phone"),
            ("FactorType", "push"),
            ("Binding.PublicKey", key.as_str()),
            ("Config.AppId", "a"),
            ("Config.SdkVersion", "1"),
            ("Config.NotificationPlatform", "none"),
        ];
        let factors = format!("{}/Factors", app.entity("alice-0001"));
        let reply = app.api().post(&factors, &form).await;
        assert_eq!(reply.refusal(), (400, 60314), "{key}");
    }
    let entity = app.api().get(&app.entity("alice-0001")).await;
    assert_eq!(entity.refusal(), (404, 20404), "a refused factor makes no entity");
}
