//! The signatures of a webhook's call: Twilio's, and this server's own.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;

use crate::secret::Secret;
use crate::time::Instant;

/// `X-Twilio-Signature`: base64 of HMAC-SHA1 under the account's primary token, over the configured URL and the decoded form, sorted
/// and without separators. A repeated pair of name and value counts once (Twilio, Webhooks Security).
pub fn twilio_signature(token: &Secret, url: &str, form: &[(String, String)]) -> String {
    let mut form: Vec<_> = form.iter().collect();
    // By bytes of UTF-8. For the names that are sent this is the order of UTF-16 code units.
    form.sort();
    form.dedup();
    let mut text = url.to_owned();
    for (name, value) in form {
        text.push_str(name);
        text.push_str(value);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.expose().as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// `Countersign-Signature`: `t=<Unix seconds>,v1=<hex>`, HMAC-SHA256 under the webhook's own secret, over these seconds, a dot, and
/// the body as it is sent. By the time a receiver refuses calls that were recorded and sent again.
pub fn own_signature(secret: &Secret, at: Instant, body: &[u8]) -> String {
    let seconds = at.as_seconds().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let text = [seconds.as_bytes(), b".", body].concat();
    format!("t={seconds},v1={}", HEXLOWER.encode(hmac::sign(&key, &text).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn signed(url: &str, form: &[(&str, &str)]) -> String {
        let form: Vec<_> = form.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        twilio_signature(&Secret::new("12345"), url, &form)
    }

    #[test]
    fn the_first_signature_is_twilios() {
        let call = [
            ("From", "+14158675309"),
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("To", "+18005551212"),
        ];
        assert_eq!(signed(URL, &call), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        let with_port = URL.replace(".com/", ".com:443/");
        assert_eq!(signed(&with_port, &call), "kvajT1Ptam85bY51eRf/AJRuM3w=");
        let repeated = [
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ];
        assert_eq!(signed(URL, &repeated), "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
        let ours = [
            ("uuid", "f6d3cd7a-9c2f-4f4e-8f36-0b9a3f0f9d11"),
            ("type", "challenge.approved"),
            ("account_sid", "AC00000000000000000000000000000001"),
            ("service_sid", "VA00000000000000000000000000000001"),
            ("entity_identity", "ff483d1ff591898a9942916050d2ca3f"),
            ("factor_sid", "YF03a1b2c3d4e5f60718293a4b5c6d7e8f"),
            ("factor_type", "push"),
            ("challenge_sid", "YC03f1e2d3c4b5a69788796a5b4c3d2e1f"),
        ];
        let url = "https://app.example.com/hooks/verify?tenant=7";
        assert_eq!(signed(url, &ours), "fDpLFoqhRh42BLD6ue8O1yEXT3I=");
    }

    #[test]
    fn the_second_signature_covers_the_time_and_the_body() {
        let secret = Secret::new("hush");
        let at = Instant::from_seconds(1_700_000_000);
        let line = own_signature(&secret, at, b"a=1");
        assert!(line.starts_with("t=1700000000,v1=") && line.len() == 16 + 64, "{line}");
        let later = Instant::from_seconds(1_700_000_001);
        assert_ne!(own_signature(&secret, later, b"a=1")[16..], line[16..]);
        assert_ne!(own_signature(&secret, at, b"a=2"), line);
        assert_ne!(own_signature(&Secret::new("other"), at, b"a=1"), line);
    }
}
