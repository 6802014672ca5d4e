//! A browser that signed in before, and was asked to remember it: a cookie, signed with the secret of the integration, so that a
//! new secret forgets all browsers.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::integration::IntegrationKey;
use countersign_domain::time::Instant;
use countersign_verify::OpenedIntegration;
use http::HeaderMap;

use crate::cookies::{cookie, host_cookie, set_cookie};

/// How long a browser is remembered, in seconds: ninety days.
const LIFE: u64 = 90 * 24 * 60 * 60;

/// The user name that a browser is remembered for.
pub(super) fn user(
    headers: &HeaderMap,
    opened: &OpenedIntegration,
    now: Instant,
    is_https: bool,
) -> Option<String> {
    let text = cookie(headers, &name(opened.integration.key, is_https))?;
    read(text, opened, now)
}

/// Remembers a browser.
pub(super) fn remember(
    headers: &mut HeaderMap,
    opened: &OpenedIntegration,
    user: &str,
    now: Instant,
    is_https: bool,
) {
    let ends = now.as_seconds().saturating_add_unsigned(LIFE);
    let text = write(user, ends, opened);
    set_cookie(headers, &name(opened.integration.key, is_https), &text, Some(LIFE), is_https);
}

fn name(key: IntegrationKey, is_https: bool) -> String {
    host_cookie(&format!("countersign_known_{key}"), is_https)
}

fn write(user: &str, ends: i64, opened: &OpenedIntegration) -> String {
    let content = format!("{ends}.{}", URL_SAFE_NO_PAD.encode(user));
    let tag = hmac::sign(&key(opened), &message(&content));
    format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn read(text: &str, opened: &OpenedIntegration, now: Instant) -> Option<String> {
    let (content, tag) = text.rsplit_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&key(opened), &message(content), &tag).ok()?;
    let (ends, user) = content.split_once('.')?;
    let is_current = ends.parse().is_ok_and(|ends: i64| now.as_seconds() < ends);
    let user = String::from_utf8(URL_SAFE_NO_PAD.decode(user).ok()?).ok()?;
    is_current.then_some(user)
}

fn message(content: &str) -> Vec<u8> {
    [b"countersign known browser\n", content.as_bytes()].concat()
}

fn key(opened: &OpenedIntegration) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, opened.secret.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use countersign_domain::secret::Secret;
    use countersign_testkit::Fixtures;

    use super::*;

    #[test]
    fn a_browser_is_remembered_for_one_user_under_one_secret_for_ninety_days() {
        let make = Fixtures::new(7);
        let integration = make.integration(&make.service(&make.account()));
        let opened = |secret: &str| OpenedIntegration {
            integration: integration.clone(),
            secret: Secret::new(secret),
        };
        let (one, other) = (opened("one"), opened("other"));
        let at = Instant::from_seconds;
        let text = write("ann", 100, &one);
        assert_eq!(read(&text, &one, at(99)).as_deref(), Some("ann"));
        assert_eq!(read(&text, &one, at(100)), None);
        assert_eq!(read(&text, &other, at(99)), None);
        for at_byte in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at_byte] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(read(&changed, &one, at(99)), None, "{changed}");
            assert_eq!(read(&text[..at_byte], &one, at(99)), None);
        }
    }
}
