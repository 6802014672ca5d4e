//! The door for RADIUS clients, by a client of its own over real UDP.

mod client;

use std::time::Duration;

use client::{ACCEPT, CHALLENGE, Gateway, REJECT, kind};
use countersign_phone::{Authority, Challenge, ChallengeStatus, Enrolment, Phone, Verdict};
use countersign_testkit::NatsServer;

use crate::support::TestApp;
use crate::totp;

const ANN: &str = "alice-0001";
const OPEN: &str = "radius.address=127.0.0.1:0";
const DENIED: (u8, &str) = (REJECT, "Access denied");

async fn start() -> TestApp {
    TestApp::start_with(&[OPEN, "limits.push_challenges_in_a_row=0"]).await
}

/// Waits until a phone has a prompt, which is its only one.
async fn prompt_of(phone: &Phone) -> Challenge {
    let pending =
        async || phone.challenges(Some(ChallengeStatus::Pending)).await.expect("its challenges");
    while pending().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut prompts = pending().await;
    assert_eq!(prompts.len(), 1, "one prompt");
    prompts.remove(0)
}

async fn prompts(phone: &Phone) -> usize {
    phone.challenges(None).await.expect("its challenges").len()
}

#[tokio::test]
async fn a_request_waits_for_the_person_and_its_repetitions_ask_nobody() {
    let app = start().await;
    let mut gateway = Gateway::of(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let place = [(kind::CALLING, &b"192.0.2.7"[..]), (kind::NAS, b"vpn1")];
    let request = gateway.request_with("ann", "s3cret", &place);
    gateway.send(&request).await;
    let prompt = prompt_of(&phone).await;
    assert_eq!(prompt.message, "Log in to Owl VPN?");
    let fields: Vec<_> =
        prompt.fields.iter().map(|field| (field.label.as_str(), field.value.as_str())).collect();
    assert_eq!(fields, [("User", "ann"), ("Address", "192.0.2.7"), ("Gateway", "vpn1")]);
    gateway.send(&request).await;
    gateway.send(&request).await;
    phone.answer(&prompt.sid, Verdict::Approved).await.unwrap();
    let answer = gateway.receive(&request).await;
    assert_eq!((answer.code, answer.message.as_str()), (ACCEPT, ""));
    assert_eq!(gateway.ask(&request).await, answer, "from memory, byte for byte");
    assert_eq!(prompts(&phone).await, 1);
}

#[tokio::test]
async fn a_denial_and_a_prompt_without_an_answer_reject() {
    let app = start().await;
    let mut gateway = Gateway::of(&app, &[("PromptLife", "30")]).await;
    let phone = app.enrol_phone(ANN).await;
    let request = gateway.request("ann", "s3cret");
    gateway.send(&request).await;
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Denied).await.unwrap();
    let answer = gateway.receive(&request).await;
    assert_eq!((answer.code, answer.message.as_str()), DENIED);

    let request = gateway.request("ann", "s3cret");
    gateway.send(&request).await;
    prompt_of(&phone).await;
    app.clock.advance(Duration::from_secs(31));
    let answer = gateway.receive(&request).await;
    assert_eq!((answer.code, answer.message.as_str()), (REJECT, "Nobody answered in time"));
}

#[tokio::test]
async fn the_same_login_at_another_gateway_or_node_has_the_same_prompt() {
    let nats = NatsServer::start("");
    let bus = format!("bus.nats={}", nats.url());
    let app = TestApp::start_with(&[OPEN, "limits.push_challenges_in_a_row=0", &bus]).await;
    let other = app.other_node().await;
    let mut first = Gateway::of(&app, &[]).await;
    let mut second = first.beside(other.radius_address.unwrap()).await;
    let phone = app.enrol_phone(ANN).await;
    let place = |address| [(kind::CALLING, address)];
    let one = first.request_with("ann", "s3cret", &place(&b"192.0.2.7"[..]));
    first.send(&one).await;
    let prompt = prompt_of(&phone).await;
    let two = second.request_with("ann", "s3cret", &place(&b"192.0.2.7"[..]));
    second.send(&two).await;
    // At the same node, so that its prompt shows that the login before it is under way.
    let three = second.request_with("ann", "s3cret", &place(&b"203.0.113.9"[..]));
    second.send(&three).await;
    let pending = async || phone.challenges(Some(ChallengeStatus::Pending)).await.unwrap();
    while pending().await.len() < 2 {
        tokio::task::yield_now().await;
    }
    phone.answer(&prompt.sid, Verdict::Approved).await.unwrap();
    assert_eq!(first.receive(&one).await.code, ACCEPT);
    assert_eq!(second.receive(&two).await.code, ACCEPT);
    let elsewhere = prompt_of(&phone).await;
    assert_eq!(elsewhere.fields[1].value, "203.0.113.9", "a login from elsewhere is another one");
    phone.answer(&elsewhere.sid, Verdict::Denied).await.unwrap();
    assert_eq!(second.receive(&three).await.code, REJECT);
    other.stop().await;
}

#[tokio::test]
async fn in_the_challenge_mode_the_client_asks_again_by_a_state() {
    let app = start().await;
    let mut gateway = Gateway::of(&app, &[("Radius.Mode", "challenge")]).await;
    let phone = app.enrol_phone(ANN).await;
    app.enrol_phone("bob-000001").await;
    let request = gateway.request("ann", "s3cret");
    let asked = gateway.ask(&request).await;
    assert_eq!(asked.code, CHALLENGE);
    assert!(asked.message.starts_with("Approve on your phone"), "{asked:?}");
    let state = asked.state.expect("a state");
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    let request = gateway.request_with("ann", "", &[(kind::STATE, &state)]);
    assert_eq!(gateway.ask(&request).await.code, ACCEPT);

    let mut forged = state.clone();
    forged[3] ^= 1;
    let request = gateway.request_with("ann", "", &[(kind::STATE, &forged)]);
    let refused = gateway.ask(&request).await;
    assert_eq!((refused.code, refused.message.as_str()), DENIED, "the state belongs to no login");
    let request = gateway.request_with("bob", "", &[(kind::STATE, &state)]);
    assert_eq!(gateway.ask(&request).await.code, REJECT, "a state of somebody else");
    app.clock.advance(Duration::from_secs(121));
    let request = gateway.request_with("ann", "", &[(kind::STATE, &state)]);
    assert_eq!(gateway.ask(&request).await.code, REJECT, "an old state");
    assert_eq!(prompts(&phone).await, 1);
}

#[tokio::test]
async fn a_number_is_shown_where_it_can_be() {
    let app = start().await;
    let number = ("Presence", "number");
    let mut gateway = Gateway::of(&app, &[("Radius.Mode", "challenge"), number]).await;
    let authority = Authority::AccessToken(app.access_token(ANN).await);
    let enrolment = Enrolment::new(&app.service, ANN, authority);
    let enrolment = Enrolment { takes_numbers: true, ..enrolment };
    let phone = Phone::enrol(&app.phone_server(), &enrolment).await.expect("a phone");
    let request = gateway.request("ann", "s3cret");
    let asked = gateway.ask(&request).await;
    let shown: String = asked.message.chars().filter(char::is_ascii_digit).collect();
    assert!(asked.code == CHALLENGE && shown.len() == 2, "{asked:?}");
    phone.approve_with(&prompt_of(&phone).await.sid, &shown).await.unwrap();
    let again = gateway.request_with("ann", "", &[(kind::STATE, &asked.state.unwrap())]);
    assert_eq!(gateway.ask(&again).await.code, ACCEPT);

    let path = format!("/v2/Services/{}/Integrations", app.service);
    let list = app.api().get(&path).await.expect(200);
    let path = format!("{path}/{}", list["integrations"][0]["sid"].as_str().unwrap());
    app.api().post(&path, &[("Radius.Mode", "wait")]).await.expect(200);
    let request = gateway.request("ann", "s3cret");
    let refused = gateway.ask(&request).await;
    assert_eq!((refused.code, refused.message.as_str()), (REJECT, "No device can be asked"));
    assert_eq!(prompts(&phone).await, 1);
}

#[tokio::test]
async fn a_code_in_place_of_a_password_counts_once() {
    let app = start().await;
    let mut gateway = Gateway::of(&app, &[]).await;
    totp::verified(&app, 6).await;
    app.clock.advance(Duration::from_secs(30));
    let code = totp::code(&app, 6);
    let request = gateway.request("ann", &code);
    assert_eq!(gateway.ask(&request).await.code, ACCEPT);
    let request = gateway.request("ann", &code);
    let refused = gateway.ask(&request).await;
    assert_eq!((refused.code, refused.message.as_str()), (REJECT, "Wrong code"), "it is spent");
    let request = gateway.request("ann", "s3cret");
    let refused = gateway.ask(&request).await;
    assert_eq!((refused.code, refused.message.as_str()), (REJECT, "No device can be asked"));
}

#[tokio::test]
async fn unknown_clients_get_no_answer_and_prompt_nobody() {
    let app = start().await;
    let mut gateway = Gateway::of(&app, &[]).await;
    let phone = app.enrol_phone(ANN).await;
    let to = app.server().radius_address.unwrap();
    let mut guesser = Gateway::new(to, "another secret").await;
    for packet in [
        guesser.request("ann", "s3cret"),
        guesser.packet(12, &[]),
        gateway.bare(1, &[(kind::USER, b"ann"), (kind::PASSWORD, b"s3cret")]),
        gateway.bare(12, &[]),
        gateway.packet(4, &[(kind::USER, b"ann")]),
        b"\x01\x01\x00\x04".to_vec(),
        vec![1; 4_096],
        vec![],
    ] {
        guesser.send(&packet).await;
    }
    let alive = gateway.packet(12, &[]);
    assert_eq!(gateway.ask(&alive).await.code, ACCEPT, "Status-Server");
    assert!(guesser.has_nothing());
    assert_eq!(prompts(&phone).await, 0);

    for (user, attributes) in [
        ("nobody", vec![(kind::PASSWORD, &b"x"[..])]),
        ("ann", vec![(kind::CHAP, &[7; 17][..])]),
        ("", vec![(kind::PASSWORD, &b"x"[..])]),
    ] {
        let all = [&[(kind::USER, user.as_bytes())][..], &attributes].concat();
        let request = gateway.packet(1, &all);
        assert_eq!(gateway.ask(&request).await.code, REJECT, "{user}");
    }
    assert_eq!(prompts(&phone).await, 0);
}

#[tokio::test]
async fn a_client_without_a_message_authenticator_is_answered_only_if_its_integration_says_so() {
    let app = start().await;
    let optional = ("Radius.MessageAuthenticator", "optional");
    let mut gateway = Gateway::of(&app, &[optional]).await;
    let phone = app.enrol_phone(ANN).await;
    let request = gateway.bare(1, &[(kind::USER, b"ann"), (kind::PASSWORD, b"s3cret")]);
    gateway.send(&request).await;
    phone.answer(&prompt_of(&phone).await.sid, Verdict::Approved).await.unwrap();
    assert_eq!(gateway.receive(&request).await.code, ACCEPT);
}
