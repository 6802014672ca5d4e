//! The part of an application's response to a webhook's call that is kept for the operator.

use serde::{Deserialize, Serialize};

/// Headers that are kept at most.
const MOST_HEADERS: usize = 32;
/// Bytes of a header's name or value that are kept at most.
const LONGEST_HEADER: usize = 200;
/// Bytes of the body that are kept at most.
const LONGEST_BODY: usize = 2_048;
/// Stands for the value of a header that is not known to be free of secrets.
const HIDDEN: &str = "(not kept)";

/// Headers whose values hold no secrets.
const PLAIN: [&str; 24] = [
    "age",
    "allow",
    "cache-control",
    "cf-ray",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "location",
    "request-id",
    "retry-after",
    "server",
    "server-timing",
    "traceparent",
    "transfer-encoding",
    "vary",
    "via",
    "x-amzn-requestid",
    "x-cache",
    "x-correlation-id",
    "x-powered-by",
    "x-request-id",
];

/// A response of an application, bounded, without the values of headers that may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResponse {
    /// The status.
    pub status: u16,
    /// Names and values of headers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, with marks for bytes that are no text.
    #[serde(default)]
    pub body: String,
    /// Whether the body went on.
    #[serde(default)]
    pub is_cut: bool,
}

impl CallResponse {
    /// Keeps what may be kept of a response. `body` may be only its beginning.
    pub fn of<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: &[u8],
    ) -> Self {
        let kept = |(name, value): (&str, &'a [u8])| {
            let name = name.to_ascii_lowercase();
            let value = match name.as_str() {
                // Its query may hold a token.
                "location" => text(
                    value.split(|byte| *byte == b'?').next().unwrap_or_default(),
                    LONGEST_HEADER,
                ),
                plain if PLAIN.contains(&plain) => text(value, LONGEST_HEADER),
                _ => HIDDEN.to_owned(),
            };
            (text(name.as_bytes(), LONGEST_HEADER), value)
        };
        Self {
            status,
            headers: headers.into_iter().take(MOST_HEADERS).map(kept).collect(),
            body: text(body, LONGEST_BODY),
            is_cut: body.len() > LONGEST_BODY,
        }
    }

    /// The response of which only the status is known.
    pub const fn bare(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), is_cut: false }
    }
}

/// The beginning of a text, of at most `most` bytes before marks replace what is no text. U+0000 is one of those: PostgreSQL
/// stores no text with it.
fn text(bytes: &[u8], most: usize) -> String {
    let mut end = bytes.len().min(most);
    // Not within a character.
    while end < bytes.len() && end > most.saturating_sub(4) && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&bytes[..end]).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_be_secret_are_left_out() {
        let headers: [(&str, &[u8]); 4] = [
            ("Content-Type", b"text/plain"),
            ("Set-Cookie", b"session=hush"),
            ("X-Api-Key", b"hush"),
            ("Location", b"https://owlbank.example.com/login?token=hush"),
        ];
        let response = CallResponse::of(302, headers, b"moved");
        assert!(!format!("{response:?}").contains("hush"), "{response:?}");
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            response.headers,
            [
                named("content-type", "text/plain"),
                named("set-cookie", HIDDEN),
                named("x-api-key", HIDDEN),
                named("location", "https://owlbank.example.com/login"),
            ]
        );
        assert_eq!((response.body.as_str(), response.is_cut), ("moved", false));
    }

    #[test]
    fn a_response_is_bounded_and_becomes_text() {
        let value = [b'v'; 10_000];
        let headers = (0..100).map(|_| ("server", value.as_slice()));
        let body = "é".repeat(1_500);
        let response = CallResponse::of(500, headers, &body.as_bytes()[1..]);
        assert_eq!(response.headers.len(), MOST_HEADERS);
        assert!(response.headers.iter().all(|(_, value)| value.len() == LONGEST_HEADER));
        assert!(
            response.is_cut && response.body.len() <= LONGEST_BODY + 2,
            "{}",
            response.body.len()
        );
        assert!(response.body.ends_with('é') && response.body.starts_with('\u{fffd}'));
        let binary = CallResponse::of(500, [], b"a\0b\xff");
        assert_eq!(binary.body, "a\u{fffd}b\u{fffd}");
        let stored = serde_json::to_string(&binary).unwrap();
        assert_eq!(serde_json::from_str::<CallResponse>(&stored).unwrap(), binary);
        assert_eq!(
            serde_json::from_str::<CallResponse>(r#"{"status":503,"later":1}"#).unwrap(),
            CallResponse::bare(503)
        );
    }
}
