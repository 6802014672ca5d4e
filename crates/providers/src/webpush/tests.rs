use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{UnparsedPublicKey, agree};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use countersign_domain::address::Platform;
use countersign_domain::outcome::Outcome;
use countersign_domain::prospect::Push;
use serde_json::Value;

use super::*;
use crate::fixtures::{self, CannedResponse, NOON, Server, World, result};

const GONE: Outcome = Outcome::Gone { since: None };
const OURS: Outcome = Outcome::Refused { breaks_credential: false };

/// A browser with its private key.
struct Browser {
    key: PrivateKey,
    auth: [u8; 16],
}

impl Browser {
    fn new() -> Self {
        Self { key: PrivateKey::generate(&ECDH_P256).unwrap(), auth: [9; 16] }
    }

    fn push(&self, endpoint: &str) -> Push {
        let point = self.key.compute_public_key().unwrap();
        let subscription = json!({
            "endpoint": endpoint,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(point.as_ref()),
                "auth": URL_SAFE_NO_PAD.encode(self.auth),
            },
        });
        fixtures::push(Platform::WebPush, &subscription.to_string())
    }

    /// Decrypts a body as RFC 8291 requires.
    fn read(&self, body: &[u8]) -> Value {
        let mac = |key: &[u8], text: &[u8]| sign(&Key::new(HMAC_SHA256, key), text);
        let (salt, sender) = (&body[..16], &body[21..86]);
        let own = self.key.compute_public_key().unwrap();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
        let shared = agree(&self.key, theirs, (), |shared| Ok(mac(&self.auth, shared))).unwrap();
        let info = [b"WebPush: info\0".as_slice(), own.as_ref(), sender, &[1]].concat();
        let key = mac(salt, mac(shared.as_ref(), &info).as_ref());
        let content = mac(key.as_ref(), b"Content-Encoding: aes128gcm\0\x01");
        let nonce = mac(key.as_ref(), b"Content-Encoding: nonce\0\x01");
        let opening = UnboundKey::new(&AES_128_GCM, &content.as_ref()[..16]).unwrap();
        let nonce = Nonce::try_assume_unique_for_key(&nonce.as_ref()[..12]).unwrap();
        let mut sealed = body[86..].to_vec();
        let text = LessSafeKey::new(opening).open_in_place(nonce, Aad::empty(), &mut sealed);
        let (last, text) = text.unwrap().split_last().unwrap();
        assert_eq!(*last, 2);
        serde_json::from_slice(text).unwrap()
    }
}

async fn world(
    responses: impl IntoIterator<Item = CannedResponse>,
) -> (Server, World, Push, Browser) {
    let server = Server::start(responses).await;
    let world = World::new(server.outgoing(), fixtures::p8_credential());
    let browser = Browser::new();
    let push = browser.push(server.url.join("send/s3cr3t").unwrap().as_str());
    (server, world, push, browser)
}

#[tokio::test]
async fn a_request_has_every_header_and_only_the_browser_reads_it() {
    let (server, world, push, browser) = world([CannedResponse::new(201, "")]).await;
    assert_eq!(result(&world.send(&push).await), (Outcome::Accepted, Some(201), None));
    let asked = server.requests().remove(0);
    assert_eq!(asked.path, "/send/s3cr3t");
    for (name, value) in [
        ("ttl", "150"),
        ("urgency", "high"),
        ("topic", "ZuJn9P17UtXA1ciQSQhyIeuYO4EQ0YDA"),
        ("content-encoding", "aes128gcm"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    let authorization = asked.header("authorization");
    let (token, _) =
        authorization.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).unwrap();
    let (_, claims) = fixtures::read_jwt(token);
    assert_eq!(claims["aud"], server.url.origin().ascii_serialization());
    assert_eq!(claims["sub"], "mailto:operator@countersign.invalid");
    assert_eq!(
        browser.read(&asked.body),
        json!({
            "type": "verify_push_challenge",
            "notification_sid": push.notification,
            "challenge_sid": "YC03050505050505050505050505050505",
            "factor_sid": "YF03060606060606060606060606060606",
            "message": "Login to Owl Bank?",
            "expires_at": push.expires_at.to_millis_string(),
        })
    );
}

#[tokio::test]
async fn a_push_tells_what_to_ask_the_person_for() {
    for (manner, told) in fixtures::asking_prompts() {
        let (server, world, push, browser) = world([CannedResponse::new(201, "")]).await;
        let is_quiet = manner.quiet;
        world.send(&Push { manner, ..push }).await;
        let asked = server.requests().remove(0);
        let read = browser.read(&asked.body);
        for (name, value) in told {
            assert_eq!(read[name], value, "{name}");
        }
        assert_eq!(asked.header("urgency"), if is_quiet { "low" } else { "high" });
    }
}

#[tokio::test]
async fn the_ttl_is_zero_only_for_ttl_0() {
    let (server, world, push, _) = world([CannedResponse::new(201, "")]).await;
    world.clock.set(push.expires_at - Duration::from_millis(1));
    world.send(&push).await;
    world.send(&Push { once: true, ..push }).await;
    let asked = server.requests();
    assert_eq!([asked[0].header("ttl"), asked[1].header("ttl")], ["1", "0"]);
    assert_ne!(asked[0].body, asked[1].body, "each push has its own salt and key");
}

#[tokio::test]
async fn a_private_address_is_not_called() {
    let (server, _, _, browser) = world([CannedResponse::new(201, "")]).await;
    let outgoing = Outgoing { allow: Vec::new(), ..server.outgoing() };
    let world = World::new(outgoing, fixtures::p8_credential());
    let port = server.url.port().unwrap();
    for endpoint in [
        format!("https://localhost:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("https://2130706433:{port}/x"),
        format!("https://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://localhost:{port}/x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let attempt = world.send(&browser.push(&endpoint)).await;
        assert_eq!(result(&attempt), (OURS, None, Some(52_001)), "{endpoint}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn only_apple_requires_a_contact() {
    let (server, _, push, browser) =
        world([CannedResponse::new(201, ""), CannedResponse::new(201, "")]).await;
    let placeholder = VapidSubject::parse("mailto:you@example.com").unwrap();
    for (vapid_subject, said) in [
        (VapidSubject::Missing, "outgoing.vapid_subject is not set"),
        (placeholder, "outgoing.vapid_subject is mailto:you@example.com"),
    ] {
        let outgoing = Outgoing { vapid_subject, ..server.outgoing() };
        let world = World::new(outgoing, fixtures::p8_credential());
        let attempt = world.send(&browser.push("https://web.push.apple.com/QAb")).await;
        assert_eq!(result(&attempt), (OURS, None, Some(52_004)));
        let reason = attempt.provider_reason.unwrap();
        assert!(reason.contains(said) && reason.starts_with("not sent: "), "{reason}");
        assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
    }
    // With a contact the push is sent, which fails here without a network.
    let vapid_subject = VapidSubject::parse("mailto:ops@owlbank.com").unwrap();
    let name_servers = vec!["127.0.0.1:9".parse().unwrap()];
    let outgoing = Outgoing { vapid_subject, name_servers, ..server.outgoing() };
    let world = World::new(outgoing, fixtures::p8_credential());
    let attempt = world.send(&browser.push("https://web.push.apple.com/QAb")).await;
    let reason = attempt.provider_reason.unwrap();
    assert!(!reason.starts_with("not sent: "), "{reason}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = CannedResponse::new(307, "").with("location", "https://localhost:1/");
    let (server, world, push, _) = world([elsewhere]).await;
    assert_eq!(result(&world.send(&push).await), (OURS, Some(307), Some(52_001)));
    assert_eq!(server.requests().len(), 1);
}

/// A push service that rejects the key for an hour must not lose every subscription.
#[tokio::test]
async fn a_subscription_is_forgotten_only_if_the_push_service_does_not_know_it() {
    let (server, world, push, _) = world([CannedResponse::new(201, "")]).await;
    assert_eq!(world.send(&push).await.outcome, Outcome::Accepted);
    for status in [401, 403] {
        server.respond_with([CannedResponse::reason(status, "BadJwtToken")]);
        for _ in 0..3 {
            let attempt = world.send(&push).await;
            assert_eq!(result(&attempt), (OURS, Some(status), Some(52_000)));
            assert_eq!(attempt.provider_reason.as_deref(), Some("BadJwtToken"));
        }
    }
    for status in [404, 410] {
        server.respond_with([CannedResponse::new(status, "")]);
        assert_eq!(result(&world.send(&push).await), (GONE, Some(status), Some(52_001)));
    }
}

#[tokio::test]
async fn each_push_service_has_its_own_circuit() {
    let (server, world, push, browser) = world([CannedResponse::new(500, "")]).await;
    let other = Server::start([CannedResponse::new(201, "")]).await;
    for _ in 0..12 {
        world.send(&push).await;
        world.clock.advance(Duration::from_millis(150));
    }
    assert_eq!(server.requests().len(), 10, "the circuit is open");
    // The other server has an unknown certificate, so the call fails; but it was made.
    let attempt = world.send(&browser.push(other.url.as_str())).await;
    assert!(attempt.provider_reason.unwrap().starts_with("no connection"));
}

#[tokio::test]
async fn without_a_key_or_a_subscription_no_push_is_sent() {
    let (server, world, push, _) = world([CannedResponse::new(201, "")]).await;
    let garbled = fixtures::push(Platform::WebPush, "{}");
    assert_eq!(result(&world.send(&garbled).await), (OURS, None, Some(52_001)));
    *world.source.vapid.lock().unwrap() = None;
    assert_eq!(result(&world.send(&push).await), (OURS, None, Some(52_004)));
    let private_key = countersign_domain::secret::Secret::new("no key");
    let vapid = OpenedVapid { updated_at: NOON, private_key };
    *world.source.vapid.lock().unwrap() = Some(Arc::new(vapid));
    assert_eq!(result(&world.send(&push).await), (OURS, None, Some(52_004)));
    assert!(server.requests().is_empty());
}
