//! The security log: a line for everybody who is let in or refused, and for every change; never a secret.

use std::collections::BTreeSet;

use countersign_phone::{DenialReason, Phone, ServerOptions, Verdict, jwt, system_time};
use countersign_verify::security::Event;
use serde_json::{Map, Value};

use crate::sign_in_page;
use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN, client, signal};

/// Another account's SID, which nobody has.
const NOBODY: &str = "AC00000000000000000000000000000002";

/// Events of the command line: shown by their own test.
const BY_COMMANDS: [(&[&str], &str); 13] = [
    (&["accounts", "create", "--name", "shop"], "account.created"),
    (&["accounts", "rotate", ACCOUNT], "token.rotated"),
    (&["accounts", "promote", ACCOUNT], "token.promoted"),
    (&["accounts", "rotate", "--evict", ACCOUNT], "tokens.evicted"),
    (&["accounts", "suspend", ACCOUNT], "account.suspended"),
    (&["accounts", "resume", ACCOUNT], "account.resumed"),
    (&["accounts", "create-key", ACCOUNT], "api_key.created"),
    (&["accounts", "revoke-key", "KEY"], "api_key.revoked"),
    (&["operators", "add", "ada", "--account", ACCOUNT], "operator.created"),
    (&["operators", "role", "ada", "operate"], "operator.changed"),
    (&["operators", "link", "ada"], "operator.link"),
    (&["operators", "revoke", "ada"], "session.ended"),
    (&["operators", "remove", "ada"], "operator.deleted"),
];

/// Events that tests of their own show: `strangers_fill_no_log_and_omitted_lines_are_counted` the first, those of `keys` the last, and
/// `an_operator_is_made_signs_in_with_a_phone_and_is_removed` the others.
const ELSEWHERE: [&str; 8] = [
    "throttle",
    "second_factor.invited",
    "second_factor.asked",
    "second_factor.forgotten",
    "console.action",
    "master_key.rotation_begun",
    "master_key.rotation_finished",
    "master_key.rotation_abandoned",
];

/// The lines of the security log in a log of JSON.
pub fn lines(log: &str) -> Vec<Map<String, Value>> {
    let objects = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    objects.filter(|line: &Map<_, _>| line["target"] == "countersign::security").collect()
}

/// Deletes what is there, as the application.
async fn delete(application: &Application, path: &str) {
    let request = client().delete(format!("{}{path}", application.base));
    let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await;
    assert_eq!(answer.expect("an answer").status().as_u16(), 204, "{path}");
}

/// Makes, changes and deletes a provider credential and a webhook; the SIDs of both.
async fn change_settings(application: &Application, service: &str) -> (String, String) {
    let credential = application.create("/v1/Credentials", &[("Type", "gcm")]).await;
    let credential = credential["sid"].as_str().expect("a SID").to_owned();
    let credential_path = format!("/v1/Credentials/{credential}");
    application.post(&credential_path, &[("FriendlyName", "app")]).await;
    let hook = [
        ("FriendlyName", "hook"),
        ("EventTypes", "*"),
        ("WebhookUrl", "https://a.example/hook?key=webhook-secret"),
    ];
    let webhook = application.create(&format!("{service}/Webhooks"), &hook).await;
    let webhook = webhook["sid"].as_str().expect("a SID").to_owned();
    let webhook_path = format!("{service}/Webhooks/{webhook}");
    application.post(&webhook_path, &[("FriendlyName", "a hook")]).await;
    application.post(service, &[("FriendlyName", "owls")]).await;
    delete(application, &webhook_path).await;
    delete(application, &credential_path).await;
    (credential, webhook)
}

/// Makes, changes and deletes an integration, and gives it another secret; its SID, and both secrets.
async fn integrate(application: &Application, service: &str) -> (String, [String; 2]) {
    let form = [("FriendlyName", "ssh"), ("Kind", "duo")];
    let made = application.create(&format!("{service}/Integrations"), &form).await;
    let text = |body: &Value, name: &str| body[name].as_str().expect(name).to_owned();
    let sid = text(&made, "sid");
    let path = format!("{service}/Integrations/{sid}");
    application.post(&path, &[("PromptLife", "30")]).await;
    let (_, rotated) = application.post(&format!("{path}/Secret"), &[]).await;
    delete(application, &path).await;
    (sid, [text(&made, "secret"), text(&rotated, "secret")])
}

/// Signs the phone's person in to a client of the OpenID provider, by CIBA and on the page; the SID of the client, and its secrets.
async fn sign_in_to_a_client(
    application: &Application,
    service: &str,
    phone: &Phone,
) -> (String, [String; 3]) {
    let aliases = ("Aliases", "ann=alice-0001");
    let back = "http://127.0.0.1:9/cb";
    let redirect = ("OpenId.RedirectUris", back);
    let ciba = ("OpenId.Ciba", "poll");
    let form = [("FriendlyName", "shop"), ("Kind", "openid"), ciba, redirect, aliases];
    let made = application.create(&format!("{service}/Integrations"), &form).await;
    let text = |body: &Value, name: &str| body[name].as_str().expect(name).to_owned();
    let secret = text(&made, "secret");
    let client = application.with(&text(&made, "key"), &secret);
    let issuer = format!("/openid/{}", phone.service_sid());
    let ask = [("scope", "openid"), ("login_hint", "ann")];
    let (_, asked) = client.post(&format!("{issuer}/bc-authorize"), &ask).await;
    let name = text(&asked, "auth_req_id");
    let pending = phone.challenges(None).await.expect("its challenges").remove(0);
    phone.answer(&pending.sid, Verdict::Approved).await.expect("it is recorded");
    let fetch = [("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", &*name)];
    let (status, tokens) = client.post(&format!("{issuer}/token"), &fetch).await;
    assert_eq!(status, 200, "{tokens}");
    sign_in_page::sign_in(application, phone, &text(&made, "key"), back).await;
    (text(&made, "sid"), [secret, name, text(&tokens, "access_token")])
}

/// Answers a challenge of the phone with a signature that is not the phone's; the challenge's SID.
async fn forge_an_answer(application: &Application, phone: &Phone) -> String {
    let path = application.challenge(phone, &[("Details.Message", "Log in?")]).await;
    let device =
        jwt::Device { credential_sid: phone.credential_sid(), account_sid: phone.account_sid() };
    let token = jwt::device_jwt(phone.key(), device, system_time(), None).expect("a token");
    let forged = [("AuthPayload", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA")];
    let (status, body) = application.with("token", &token).post(&path, &forged).await;
    assert_eq!(status, 403, "{body}");
    path.rsplit('/').next().expect("a SID").to_owned()
}

/// The person reports a challenge, and the application ends the pause that follows; the challenge's SID.
async fn report_and_resume(application: &Application, phone: &Phone) -> String {
    let path = application.challenge(phone, &[("Details.Message", "Log in?")]).await;
    let challenge = path.rsplit('/').next().expect("a SID").to_owned();
    phone.deny(&challenge, DenialReason::NotMe).await.expect("it is recorded");
    let entity = path.split("/Challenges").next().expect("the path of the entity");
    application.post(&format!("{entity}/Protection"), &[("Paused", "false")]).await;
    challenge
}

/// Fails to connect a stream: the device's clock is two hours behind, which the phone corrects after the refusal.
async fn connect_with_a_wrong_clock(stage: &Stage, phone: &Phone) {
    let file = stage.path("phone.json");
    phone.save(&file).expect("saved");
    let local_time = Some(std::sync::Arc::new(|| system_time() - 7_200) as _);
    let late =
        Phone::load(&file, &ServerOptions { local_time, ..Default::default() }).expect("a phone");
    late.connect().await.expect("after one refusal");
    assert_eq!(late.clock_offset(), 7_200);
}

#[tokio::test]
async fn every_event_leaves_a_line_with_account_address_and_outcome() {
    let stage = Stage::with_account();
    let file = stage.write("c.toml", "");
    let running = stage.serve(&["--config", &file, "--set", "log.format=json"]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    let service = format!("/v2/Services/{}", phone.service_sid());
    application.with(ACCOUNT, "a-wrong-token").get("/v2/Services").await;
    application.with("a-secret-in-the-wrong-field", "x").get("/v2/Services").await;
    application.with("token", "x.y.z").get("/v2/Services").await;
    assert_eq!(application.with(ACCOUNT, "a-wrong-token").visit_console().await, 401);
    assert!(application.visit_console().await < 400);
    let nobody = application.with(NOBODY, "a-wrong-token");
    while nobody.visit_console().await != 429 {}
    let (credential, webhook) = change_settings(&application, &service).await;
    let (integration, integration_secrets) = integrate(&application, &service).await;
    let (client, client_secrets) = sign_in_to_a_client(&application, &service, &phone).await;
    connect_with_a_wrong_clock(&stage, &phone).await;
    let challenge = forge_an_answer(&application, &phone).await;
    let reported = report_and_resume(&application, &phone).await;
    phone.delete().await.expect("it is removed");
    let (_, entity) = application.get(&format!("{service}/Entities/alice-0001")).await;
    let entity = entity["sid"].as_str().expect("a SID");
    delete(&application, &format!("{service}/Entities/alice-0001")).await;
    delete(&application, &service).await;
    for (settings, outcome) in [("", "success"), ("[nonsense", "failure")] {
        stage.write("c.toml", settings);
        signal(running.id(), "HUP");
        running.says(&format!("settings.reloaded: {outcome}")).await;
    }
    let log = running.stop().await.stderr;

    let secrets = ["a-wrong-token", "wrong-field", TOKEN, "webhook-secret", "x.y.z"];
    let drawn = integration_secrets.iter().chain(&client_secrets).map(String::as_str);
    for secret in secrets.into_iter().chain(drawn) {
        let found: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{secret}: {found:#?}");
    }
    let lines = lines(&log);
    let (factor, key, service) = (phone.factor_sid(), phone.credential_sid(), phone.service_sid());
    for (event, outcome, via, subject) in [
        ("account.created", "success", "command", Some("first")),
        ("service.created", "success", "http", Some(service)),
        ("factor.created", "success", "http", Some(factor)),
        ("factor.verified", "success", "http", Some(factor)),
        ("credentials", "failure", "http", Some(ACCOUNT)),
        ("credentials", "failure", "http", None),
        ("credentials", "failure", "stream", Some(key)),
        ("sign_in", "failure", "http", Some(ACCOUNT)),
        ("sign_in", "success", "http", Some(ACCOUNT)),
        ("sign_out", "success", "http", Some(ACCOUNT)),
        ("sign_in_throttle", "failure", "http", Some(NOBODY)),
        ("credential.created", "success", "http", Some(&credential)),
        ("credential.updated", "success", "http", Some(&credential)),
        ("credential.deleted", "success", "http", Some(&credential)),
        ("webhook.created", "success", "http", Some(&webhook)),
        ("webhook.updated", "success", "http", Some(&webhook)),
        ("webhook.deleted", "success", "http", Some(&webhook)),
        ("integration.created", "success", "http", Some(&integration)),
        ("integration.updated", "success", "http", Some(&integration)),
        ("integration.rotated", "success", "http", Some(&integration)),
        ("integration.deleted", "success", "http", Some(&integration)),
        ("openid.tokens", "success", "http", Some(&client)),
        ("sign_in_page", "success", "http", Some(&client)),
        ("sign_in_page", "failure", "http", Some(&client)),
        ("signing_key.created", "success", "http", Some("RS256-1")),
        ("challenge.answer", "failure", "http", Some(&challenge)),
        ("challenge.reported", "success", "http", Some(&reported)),
        ("entity.paused", "success", "http", Some(entity)),
        ("entity.resumed", "success", "http", Some(entity)),
        ("factor.deleted", "success", "http", Some(factor)),
        ("entity.deleted", "success", "http", Some(entity)),
        ("service.updated", "success", "http", Some(service)),
        ("service.deleted", "success", "http", Some(service)),
        ("settings.reloaded", "success", "command", Some("SIGHUP")),
        ("settings.reloaded", "failure", "command", Some("SIGHUP")),
    ] {
        let expected = (Some(event), Some(outcome), Some(via), subject);
        let line = lines.iter().find(|line| {
            let text = |name: &str| line.get(name).and_then(Value::as_str);
            (text("event"), text("outcome"), text("via"), text("subject")) == expected
        });
        let line = line.unwrap_or_else(|| panic!("{expected:?}: {lines:#?}"));
        let address = (via != "command").then_some("127.0.0.1");
        assert_eq!(line.get("address").and_then(Value::as_str), address, "{line:?}");
        let level = if outcome == "success" { "INFO" } else { "WARN" };
        assert_eq!(line["level"], level, "{line:?}");
        let account = match subject {
            None => None,
            Some(NOBODY) => Some(NOBODY),
            Some(key_sid) if key_sid == key => None,
            Some("RS256-1") => None,
            _ if via == "command" => None,
            Some(_) => Some(ACCOUNT),
        };
        assert_eq!(line.get("account").and_then(Value::as_str), account, "{line:?}");
    }
    let shown = lines.iter().filter_map(|line| line["event"].as_str());
    let shown: BTreeSet<_> =
        shown.chain(BY_COMMANDS.map(|(_, event)| event)).chain(ELSEWHERE).collect();
    let all: BTreeSet<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
    assert_eq!(shown, all, "a new event needs a row above");
}

/// A RADIUS request of the user `ann` with a Message-Authenticator under the secret `testing123`.
const RADIUS_REQUEST: &[u8] =
    b"\x01\x36\x00\x3d\xdf\x04\x33\x41\x24\x84\x45\x6a\xa3\x59\x83\xc6\x3f\x9e\xfc\x0d\
    \x01\x05\x61\x6e\x6e\x02\x12\xaf\xf2\x1f\xd1\x49\x3b\xdd\x77\x50\xbe\x42\xb7\x72\xe9\x7c\xde\
    \x50\x12\xa0\x05\xfc\x08\xb0\xe1\xed\x98\x40\x16\xa3\x35\xa0\xf5\x9e\x3e";

/// Starts a server with a RADIUS listener and sends it a request of an unknown client, then one under a wrong secret.
pub async fn refuse_radius_clients(stage: &Stage, format: &str) -> Running {
    let log = format!("log.format={format}");
    let running = stage.serve(&["--set", &log, "--set", "radius.address=127.0.0.1:0"]).await;
    running.says("the RADIUS listener is open").await;
    let said = running.stderr();
    let line = said.lines().find(|line| line.contains("the RADIUS listener is open"));
    let port = line.expect("a line").split("127.0.0.1:").nth(1).expect("an address");
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    socket.connect(format!("127.0.0.1:{port}")).await.expect("an address");
    socket.send(RADIUS_REQUEST).await.expect("it is sent");
    running.says("no integration has this address").await;
    let application = Application::of(&running);
    let service = application.create("/v2/Services", &[("FriendlyName", "owls")]).await;
    let path = format!("/v2/Services/{}/Integrations", service["sid"].as_str().expect("a SID"));
    let form = [("FriendlyName", "vpn"), ("Kind", "radius"), ("Networks", "127.0.0.1")];
    application.create(&path, &form).await;
    socket.send(RADIUS_REQUEST).await.expect("it is sent");
    running.says("its Message-Authenticator is wrong").await;
    running
}

#[tokio::test]
async fn a_radius_client_that_is_unknown_or_has_a_wrong_secret_leaves_a_line() {
    let stage = Stage::with_account();
    let log = refuse_radius_clients(&stage, "json").await.stop().await.stderr;
    let lines: Vec<_> =
        lines(&log).into_iter().filter(|line| line["event"] == "credentials").collect();
    assert_eq!(lines.len(), 2, "{log}");
    for (line, reason) in
        lines.iter().zip(["no integration has this address", "the secrets differ"])
    {
        assert_eq!((&line["outcome"], &line["via"]), (&"failure".into(), &"radius".into()));
        assert_eq!((&line["address"], &line["level"]), (&"127.0.0.1".into(), &"WARN".into()));
        assert!(line["reason"].as_str().is_some_and(|text| text.contains(reason)), "{line:?}");
    }
}

#[tokio::test]
async fn every_command_that_changes_who_is_let_in_leaves_a_line() {
    let stage = Stage::with_account();
    let running = stage.spawn(&["serve", "--listen", "127.0.0.1:0"]);
    running.says("is ready").await;
    let mut key = String::new();
    for (arguments, event) in BY_COMMANDS {
        let arguments: Vec<_> =
            arguments.iter().map(|word| if *word == "KEY" { key.as_str() } else { word }).collect();
        let done = stage.run(&arguments);
        assert_eq!(done.code, Some(0), "{done:?}");
        let line = done.stderr.lines().find(|line| line.contains(&format!("event=\"{event}\"")));
        let line = line.unwrap_or_else(|| panic!("{event}: {done:?}"));
        assert!(line.contains("countersign::security") && line.contains("via=\"command\""));
        for shown in done.stdout.lines().filter_map(|line| line.split_once('=')) {
            if shown.0.ends_with("token") || shown.0.ends_with("secret") {
                assert!(!done.stderr.contains(shown.1), "no secret: {done:?}");
            }
        }
        if let Some(sid) = done.stdout.lines().find_map(|line| line.strip_prefix("api_key_sid=")) {
            key = sid.to_owned();
        }
    }
}
