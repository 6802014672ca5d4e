//! The session of a browser at one protected site: a cookie, of which nothing is stored.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::time::Instant;
use countersign_verify::OpenedIntegration;

/// By how many seconds the clocks of two nodes may differ.
const CLOCKS_DIFFER: i64 = 60;

/// The text of a cookie, for a user of a site until an instant.
pub(super) fn write(opened: &OpenedIntegration, site: &str, user: &str, ends: Instant) -> String {
    let content = format!("{}.{}", ends.as_seconds(), URL_SAFE_NO_PAD.encode(user));
    let tag = hmac::sign(&key(opened), &message(opened, site, &content));
    format!("{content}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The user of a cookie; `None` if it is of another site, integration or secret, or has ended. A session ends no later than one that
/// began now would, so that a shorter life counts for the sessions that there are.
pub(super) fn read(
    opened: &OpenedIntegration,
    site: &str,
    text: &str,
    now: Instant,
) -> Option<String> {
    let (content, tag) = text.rsplit_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&key(opened), &message(opened, site, content), &tag).ok()?;
    let (ends, user) = content.split_once('.')?;
    let left = ends.parse::<i64>().ok()? - now.as_seconds();
    let most = i64::from(opened.integration.settings.session_seconds) + CLOCKS_DIFFER;
    let is_current = 0 < left && left <= most;
    let user = String::from_utf8(URL_SAFE_NO_PAD.decode(user).ok()?).ok()?;
    is_current.then_some(user)
}

fn message(opened: &OpenedIntegration, site: &str, content: &str) -> Vec<u8> {
    format!("countersign session\n{}\n{site}\n{content}", opened.integration.key).into_bytes()
}

fn key(opened: &OpenedIntegration) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, opened.secret.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use countersign_domain::integration::Integration;
    use countersign_domain::secret::Secret;
    use countersign_testkit::Fixtures;

    use super::*;

    const SITE: &str = "https://wiki.example.com";

    #[test]
    fn a_session_is_of_one_site_one_integration_and_one_secret_and_ends() {
        let make = Fixtures::new(7);
        let service = make.service(&make.account());
        let (one, two) = (make.integration(&service), make.integration(&service));
        let opened = |integration: &Integration, secret: &str| OpenedIntegration {
            integration: integration.clone(),
            secret: Secret::new(secret),
        };
        let right = opened(&one, "one");
        let at = Instant::from_seconds;
        let text = write(&right, SITE, "zoë", at(1_000));
        assert_eq!(read(&right, SITE, &text, at(999)).as_deref(), Some("zoë"));
        assert_eq!(read(&right, SITE, &text, at(1_000)), None);
        assert_eq!(read(&right, "https://other.example.com", &text, at(999)), None);
        assert_eq!(read(&right, "http://wiki.example.com", &text, at(999)), None);
        assert_eq!(read(&opened(&one, "two"), SITE, &text, at(999)), None);
        assert_eq!(read(&opened(&two, "one"), SITE, &text, at(999)), None);
        for at_byte in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at_byte] ^= 1;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            assert_eq!(read(&right, SITE, &changed, at(999)), None, "{changed}");
            assert_eq!(read(&right, SITE, &text[..at_byte], at(999)), None);
        }
    }

    #[test]
    fn a_shorter_life_counts_for_the_sessions_that_there_are() {
        let make = Fixtures::new(7);
        let mut integration = make.integration(&make.service(&make.account()));
        integration.settings.session_seconds = 300;
        let opened = OpenedIntegration { integration, secret: Secret::new("one") };
        let text = write(&opened, SITE, "ann", Instant::from_seconds(1_000));
        assert!(read(&opened, SITE, &text, Instant::from_seconds(639)).is_none());
        assert!(read(&opened, SITE, &text, Instant::from_seconds(640)).is_some());
    }
}
