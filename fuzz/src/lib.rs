//! Untrusted input, given to the code that reads it. Each function is a fuzz target; it panics if a rule is broken.
//!
//! A test of the server (`crates/server/tests/fuzz.rs`) runs every target on its seeds.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_api::fuzzing as api;
use countersign_bus::fuzzing as bus;
use countersign_domain::address::{Address, Platform};
use countersign_domain::challenge::Field;
use countersign_domain::device_token::DeviceToken;
use countersign_domain::key::DeviceKey;
use countersign_domain::outcome::Outcome;
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid};
use countersign_domain::time::Instant;
use countersign_domain::webhook::WebhookUrl;
use countersign_doors::fuzzing as doors;
use countersign_providers::fuzzing as providers;
use countersign_server::config::HttpSection;
use countersign_server::listener::{Proxies, fuzzing as listener};
use countersign_verify::fuzzing as verify;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads bytes, and says whether the parser took them.
pub type Target = fn(&[u8]) -> bool;

/// All targets, with the names of their folders in `seeds/`.
pub const TARGETS: [(&str, Target); 21] = [
    ("access_token", access_token),
    ("bus_message", bus_message),
    ("device_key", device_key),
    ("device_token", device_token),
    ("duo_request", duo_request),
    ("field", field),
    ("form", form),
    ("forward_auth", forward_auth),
    ("forwarded", forwarded),
    ("guard_address", guard_address),
    ("keycloak_request", keycloak_request),
    ("openid_request", openid_request),
    ("page_token", page_token),
    ("provider_reply", provider_reply),
    ("proxy_header", proxy_header),
    ("radius_packet", radius_packet),
    ("sid", sid),
    ("stream_frame", stream_frame),
    ("subscription", subscription),
    ("universal_prompt", universal_prompt),
    ("webhook_url", webhook_url),
];

/// An access token that this server has not sealed opens nothing.
pub fn access_token(data: &[u8]) -> bool {
    let Some(opens) = text(data).and_then(verify::access_token) else { return false };
    assert!(!opens);
    true
}

/// A message between nodes that is decoded is encoded to bytes that are decoded as itself.
pub fn bus_message(data: &[u8]) -> bool {
    let Some(is_itself) = bus::message(data) else { return false };
    assert!(is_itself);
    true
}

/// A device's public key is kept in one form.
pub fn device_key(data: &[u8]) -> bool {
    let Some(Ok(key)) = text(data).map(DeviceKey::read) else { return false };
    assert!(DeviceKey::parse(&key.to_text()).is_ok_and(|again| again == key));
    true
}

/// A token that the key has not signed is refused.
pub fn device_token(data: &[u8]) -> bool {
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";
    let Some(Ok(token)) = text(data).map(DeviceToken::parse) else { return false };
    let key = DeviceKey::parse(KEY).expect("a key");
    let account = "AC00000000000000000000000000000001".parse().expect("a SID");
    let now = Instant::from_seconds(1_700_000_000);
    assert!(token.check(&key, account, now).is_err());
    let _ = token.check_nonce("0123456789abcdef0123456789abcdef");
    true
}

/// The parts of a request to the Duo door: a body, the value of `Authorization`, and the name of a login. The signed form of
/// parameters stands for itself, and nothing but the server makes the name of a login.
pub fn duo_request(data: &[u8]) -> bool {
    for signed in [doors::duo_form(data), doors::duo_json(data)].into_iter().flatten() {
        assert_eq!(doors::duo_form(signed.as_bytes()), Some(signed));
    }
    let is_authorization = doors::is_duo_authorization(data);
    let name = text(data).and_then(|name| doors::duo_transaction(name, "secret"));
    assert_eq!(name, None);
    is_authorization || doors::duo_json(data).is_some_and(|signed| !signed.is_empty())
}

/// A field of a challenge, as JSON, has bounded texts, and is read from what it is stored as.
pub fn field(data: &[u8]) -> bool {
    let Some(Ok(field)) = text(data).map(Field::parse) else { return false };
    assert!(field.label.chars().count() <= 36 && field.value.chars().count() <= 128);
    let stored = serde_json::to_string(&field).expect("two texts");
    assert!(Field::parse(&stored).is_ok_and(|again| again == field), "{stored}");
    true
}

/// A form has a bounded number of parameters.
pub fn form(data: &[u8]) -> bool {
    let is_form = api::is_form(data);
    let pairs = data.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).count();
    assert!(pairs <= 256 || !is_form);
    is_form
}

/// A client cannot choose its address by what it writes before the part that a trusted proxy appends.
pub fn forwarded(data: &[u8]) -> bool {
    const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 9);
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let trusted_proxies = vec!["10.0.0.0/8".to_owned()];
    let http = HttpSection { trusted_proxies, ..HttpSection::default() };
    let proxies = Proxies::of(&http).expect("networks");
    let client = |name: &HeaderName, line: &[u8]| {
        let line = HeaderValue::from_bytes(line).ok()?;
        let headers = HeaderMap::from_iter([(name.clone(), line)]);
        Some(listener::client(&proxies, PEER, &headers).ip())
    };
    let appended = [
        (HeaderName::from_static("forwarded"), ", for=192.0.2.1"),
        (HeaderName::from_static("x-forwarded-for"), ", 192.0.2.1"),
    ];
    let mut is_named = false;
    for (name, appended) in appended {
        is_named |= client(&name, data).is_some_and(|client| client != PEER.ip());
        let found = client(&name, &[data, appended.as_bytes()].concat());
        assert!(found.is_none_or(|found| found == CLIENT), "{name}: {found:?}");
    }
    is_named
}

/// The parts of a request of Keycloak: a body, and the value of `Authorization`. Nothing is both.
pub fn keycloak_request(data: &[u8]) -> bool {
    let (is_bearer, is_question) =
        (doors::is_keycloak_authorization(data), doors::is_keycloak_question(data));
    assert!(!(is_bearer && is_question));
    is_bearer || is_question
}

/// The parts of a request to the OpenID provider: a form, and the value of `Authorization`. A form that asks a person says `openid`.
pub fn openid_request(data: &[u8]) -> bool {
    let is_request = doors::is_ciba_request(data) || doors::is_authorize_request(data);
    let has_scope = data.windows(5).any(|bytes| bytes == b"scope") || data.contains(&b'%');
    assert!(has_scope || !is_request);
    is_request || doors::is_client_authorization(data)
}

/// A JWT of a client of Universal Prompt, or its claims. Nothing is a JWT under two secrets.
pub fn universal_prompt(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    let is_jwt = doors::is_universal_prompt_jwt(text, "s3cret-of-the-seeds-with-forty-characters");
    assert!(!(is_jwt && doors::is_universal_prompt_jwt(text, "another")));
    is_jwt || doors::is_universal_prompt_claims(data)
}

/// The guard lets no URL reach a private address by its spelling. An entry of the operator's list is printed in a form that is read as
/// itself.
pub fn guard_address(data: &[u8]) -> bool {
    let Some(text) = text(data) else { return false };
    if let Some(printed) = providers::allowed(text) {
        assert_eq!(providers::allowed(&printed), Some(printed));
    }
    let Some(address) = providers::public_address(text) else { return false };
    let is_ours = match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    let address = address.to_canonical();
    assert!(!is_ours && !address.is_loopback() && !address.is_multicast(), "{address}");
    true
}

/// No description of a request by a web server, two texts in two lines, sends a browser back to another site.
pub fn forward_auth(data: &[u8]) -> bool {
    let Some((url, uri)) = text(data).and_then(|text| text.split_once('\n')) else { return false };
    let Some(leads_back) = doors::forward_auth(url, uri) else { return false };
    assert!(leads_back);
    true
}

/// A page token that is read is printed in one form.
pub fn page_token(data: &[u8]) -> bool {
    const LIST: &str = "/v2/Services/VA1/Entities/ff483d1ff591/Challenges?";
    let printed = text(data).and_then(|token| api::page_token(token, LIST));
    let Some(printed) = printed else { return false };
    assert_eq!(api::page_token(&printed, LIST).as_deref(), Some(&*printed));
    true
}

/// A status, a line break and a body, as a push service responds: only a success is one, and the words for the record are bounded.
pub fn provider_reply(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Some(Ok(status)) = text(&data[..end]).map(str::parse::<u16>) else { return false };
    let body = data.get(end + 1..).unwrap_or_default();
    let attempts = providers::attempts(status, body);
    for attempt in &attempts {
        assert!(attempt.outcome != Outcome::Accepted || (200..300).contains(&status));
        let reason = attempt.provider_reason.as_deref().unwrap_or_default();
        assert!(reason.len() <= 4 * 1_024 && !reason.contains(char::is_control), "{reason:?}");
    }
    attempts.iter().any(|attempt| attempt.provider_reason.is_some())
}

/// A PROXY header has a bounded length.
pub fn proxy_header(data: &[u8]) -> bool {
    const LONGEST: usize = 16 + 4_096;
    let Some((source, rest)) = listener::proxy_header(data) else { return false };
    assert!(data.len() - rest <= LONGEST, "{source:?}");
    source.is_some()
}

/// A datagram that is a RADIUS request has a response that is a packet.
pub fn radius_packet(data: &[u8]) -> bool {
    let Some(is_answered) = doors::radius_packet(data, "testing123") else { return false };
    assert!(is_answered);
    true
}

/// A SID is printed as it was read, its digits in small letters.
pub fn sid(data: &[u8]) -> bool {
    fn same<T: std::str::FromStr + std::fmt::Display>(text: &str) -> bool {
        let Ok(sid) = text.parse::<T>() else { return false };
        assert_eq!(sid.to_string(), text[..2].to_owned() + &text[2..].to_lowercase());
        true
    }
    let Some(text) = text(data) else { return false };
    same::<AccountSid>(text) || same::<ChallengeSid>(text) || same::<FactorSid>(text)
}

/// A frame of a device is a bounded JSON object.
pub fn stream_frame(data: &[u8]) -> bool {
    let Some(text) = text(data).filter(|text| api::is_frame(text)) else { return false };
    assert!(text.len() <= 4 * 1024 && text.trim_ascii_start().starts_with('{'));
    true
}

/// A Web Push subscription has a bounded length.
pub fn subscription(data: &[u8]) -> bool {
    let is_one = |text: &&str| Address::new(Platform::WebPush, Some(text), true).is_ok();
    let Some(text) = text(data).filter(is_one) else { return false };
    assert!(text.chars().count() <= 2_048);
    true
}

/// A webhook's URL is kept in a form that is read as itself: what is shown, signed and called is one text.
pub fn webhook_url(data: &[u8]) -> bool {
    let Some(Ok(url)) = text(data).map(WebhookUrl::parse) else { return false };
    let again = WebhookUrl::parse(url.as_str()).expect("the normal form is a URL");
    assert_eq!(again.as_str(), url.as_str());
    true
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
