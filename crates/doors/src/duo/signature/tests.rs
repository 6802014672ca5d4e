use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;

/// Key and secret of the published tests of the clients.
const KEY: &str = "DIXYZV6YM8IFYVWBINCA";
const SECRET: &str = "yWHSMhWucAcp7qvuH3HWTaSaKABs8Gaddiv1NIRo";
const DATE_TEXT: &str = "Tue, 21 Aug 2012 17:29:18 -0000";

/// Requests of clients as they were recorded, a line each.
const RECORDED_V2: &str = include_str!("../vectors/auth-v2.jsonl");
const RECORDED_REST: &str = include_str!("../vectors/rest-v1.jsonl");

fn secret() -> Secret {
    Secret::new(SECRET)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn credentials(mac: &str) -> Credentials {
    let pair = STANDARD.encode(format!("{KEY}:{mac}"));
    Credentials::of(&headers(&[("authorization", &format!("Basic {pair}"))])).ok().unwrap()
}

/// The version of a recorded request, if its signature is right under a secret.
fn judge(line: &str, secret: &Secret, change: impl Fn(&mut Value)) -> Option<Version> {
    let mut request: Value = serde_json::from_str(line).unwrap();
    change(&mut request);
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    let (target, method) = (format!("{}{}", text("target"), text("path")), text("m"));
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let raw = text("raw");
    let body = text("body");
    let body = if method == "POST" && body.is_empty() { raw.clone() } else { body };
    let query = if method == "GET" && query.is_empty() { raw.as_str() } else { query };
    let pairs = request["headers"].as_object().unwrap();
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let headers = headers(&pairs);
    let is_json = headers.get("content-type").is_some_and(|kind| kind == "application/json");
    let parameters = match (method.as_str(), is_json) {
        ("GET", _) => Parameters::of_form(query.as_bytes()),
        (_, true) => Parameters::of_json(body.as_bytes()),
        (_, false) => Parameters::of_form(body.as_bytes()),
    };
    let host = headers["host"].to_str().unwrap().to_owned();
    let signed = SignedRequest {
        method: &method,
        host: &host,
        path,
        parameters: &parameters.unwrap(),
        body: body.as_bytes(),
        is_json,
        headers: &headers,
    };
    signed.signed_by(secret, &Credentials::of(&headers).ok().unwrap())
}

#[test]
fn recorded_requests_of_clients_are_signed() {
    let recorded =
        |lines: &str| lines.lines().map(|line| judge(line, &secret(), |_| {})).collect::<Vec<_>>();
    use Version::{V1, V2, V5};
    let newer = [V5, V5, V5, V5, V5, V5, V5, V2, V2, V2].map(Some);
    assert_eq!(recorded(RECORDED_V2), newer);
    assert_eq!(recorded(RECORDED_REST), [Some(V1); 11]);
}

#[test]
fn another_secret_or_another_request_is_not_signed() {
    let other = Secret::new(SECRET.replace('y', "z"));
    for line in RECORDED_V2.lines().chain(RECORDED_REST.lines()) {
        assert_eq!(judge(line, &other, |_| {}), None, "{line}");
        let changes: [fn(&mut Value); 5] = [
            |request| request["headers"]["Host"] = "other.example".into(),
            |request| {
                for path in ["target", "path"] {
                    if let Some(text) = request[path].as_str() {
                        request[path] = text.replace("/v", "/w").into();
                    }
                }
            },
            |request| {
                let other = if request["m"] == "GET" { "POST" } else { "GET" };
                request["m"] = other.into();
            },
            |request| {
                if let Some(text) = request["body"].as_str().filter(|text| !text.is_empty()) {
                    request["body"] = text.replace("ann", "bob").replace("n", "m").into();
                } else {
                    request["raw"] = "user=eve".into();
                    request["target"] = "/auth/v2/check?txid=other".into();
                }
            },
            |request| {
                if request["headers"].get("Date").is_some() {
                    request["headers"]["Date"] = DATE_TEXT.into();
                } else {
                    request["raw"] = "".into();
                }
            },
        ];
        for change in changes {
            assert_eq!(judge(line, &secret(), change), None, "{line}");
        }
    }
}

/// A request with the published parameters.
fn signed(
    method: &str,
    path: &str,
    form: &str,
    body: &str,
    own: &[(&str, &str)],
    mac: &str,
) -> Option<Version> {
    let parameters = Parameters::of_form(form.as_bytes()).unwrap();
    let headers = headers(own);
    let (is_json, host) = (body.starts_with('{'), "API-1.example.org:443");
    let body = body.as_bytes();
    let parameters = &parameters;
    let request =
        SignedRequest { method, host, path, parameters, body, is_json, headers: &headers };
    request.signed_by(&secret(), &credentials(mac))
}

const V2_SHA512: &str = "42e69406e803283944138f24115c016d0eb29c2ef7ce91354a449a31b9b3587bf1a6cd34edc7fc7eed690b81df2e72847689e43e25721cebda1211dff8603d58";
const V2_SHA1: &str = "986827daa36d778957a9e4dd5dd745a3846f991e";
const V5_POST: &str = "3d8886613faa9dd4fb9dbd20b8f11f9251a1e1f334d60cdbecf82c2e252920fa1efba7ca46b5f22e3d4d77395dd30c4995c54e32d8fcc573749f27dd68b607a5";
const V5_GET: &str = "93ac9aff455119613dfc1f9489fcd2de949949823ba9b42d5e27f61e6d0fae3dbd73cae4d6c9d487b7354293501bc4b8e765ca9e4ec54fc047f8d2ce9e48102d";

#[test]
fn versions_and_hashes_are_told_apart() {
    let form = "username=%C3%A4nn+b%2Bc~%2A&ipaddr=192.0.2.1";
    let date = [("date", DATE_TEXT)];
    for mac in [V2_SHA512, V2_SHA1] {
        let judged = signed("POST", "/auth/v2/preauth", form, form, &date, mac);
        assert_eq!(judged, Some(Version::V2));
    }
    let body = r#"{"device":"auto","factor":"push","username":"ann"}"#;
    let judged = signed("POST", "/auth/v2/auth", "", body, &date, V5_POST);
    assert_eq!(judged, Some(Version::V5));
    let judged = signed("GET", "/auth/v2/auth_status", "txid=x+y", "", &date, V5_GET);
    assert_eq!(judged, Some(Version::V5));
}

#[test]
fn a_date_of_the_protocol_takes_the_place_of_the_date_of_http() {
    let form = "username=%C3%A4nn+b%2Bc~%2A&ipaddr=192.0.2.1";
    let both = [("date", "Wed, 22 Aug 2012 17:29:18 -0000"), ("x-duo-date", DATE_TEXT)];
    let judged = signed("POST", "/auth/v2/preauth", form, form, &both, V2_SHA512);
    assert_eq!(judged, Some(Version::V2));
    let judged = signed("GET", "/auth/v2/auth_status", "txid=x+y", "", &both, V5_GET);
    assert_eq!(judged, Some(Version::V5), "version 5 without the header");
}

#[test]
fn headers_of_the_protocol_are_signed_by_version_5() {
    let date = [("date", DATE_TEXT)];
    let own = [("X-Duo-Two", "b"), ("date", DATE_TEXT), ("x-duo-One", "a"), ("other", "c")];
    let body = "{}";
    let lines = [
        DATE_TEXT,
        "POST",
        "api-1.example.org",
        "/auth/v2/auth",
        "",
        &sha512(b"{}"),
        &sha512(b"x-duo-one\0a\0x-duo-two\0b"),
    ];
    let key = hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes());
    let mac = HEXLOWER.encode(hmac::sign(&key, lines.join("\n").as_bytes()).as_ref());
    let judge = |own| signed("POST", "/auth/v2/auth", "", body, own, &mac);
    assert_eq!(judge(&own), Some(Version::V5));
    assert_eq!(judge(&date), None);
    let without = HEXLOWER.encode(hmac::sign(&key, lines[..6].join("\n").as_bytes()).as_ref());
    let judged = signed("POST", "/auth/v2/auth", "", body, &own, &without);
    assert_eq!(judged, Some(Version::V4));
}

#[test]
fn a_body_of_json_is_never_signed_without_it() {
    // Version 2 over no parameters: it would hold for any JSON.
    let lines = [DATE_TEXT, "POST", "api-1.example.org", "/auth/v2/auth", ""];
    let key = hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes());
    let mac = HEXLOWER.encode(hmac::sign(&key, lines.join("\n").as_bytes()).as_ref());
    let date = [("date", DATE_TEXT)];
    assert_eq!(signed("POST", "/auth/v2/auth", "", "{}", &date, &mac), None);
    assert_eq!(signed("POST", "/auth/v2/auth", "", "", &date, &mac), Some(Version::V2));
}

#[test]
fn only_a_key_and_a_whole_signature_are_credentials() {
    let of = |header: &str| Credentials::of(&headers(&[("authorization", header)])).is_ok();
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    assert!(of(&basic(&format!("{KEY}:{V2_SHA1}"))));
    assert!(of(&basic(&format!("{KEY}:{V2_SHA1}")).replace("Basic", "bAsic")));
    for wrong in ["", "Basic", "Basic !", "Bearer abc"] {
        assert!(!of(wrong), "{wrong}");
    }
    for pair in [KEY.to_owned(), format!("{KEY}:{}", V2_SHA1.to_uppercase()), format!("{KEY}:abc")]
    {
        assert!(!of(&basic(&pair)), "{pair}");
    }
    assert!(Credentials::of(&HeaderMap::new()).is_err());
    let short = credentials(&V2_SHA1[..38]);
    assert!(short.algorithm().is_none(), "19 bytes are no signature");
}

#[test]
fn a_port_is_not_part_of_the_host() {
    for (host, name) in [
        ("localhost:4443", "localhost"),
        ("verify.example.com", "verify.example.com"),
        ("[::1]:8443", "[::1]"),
        ("[::1]", "[::1]"),
    ] {
        assert_eq!(without_port(host), name);
    }
}
