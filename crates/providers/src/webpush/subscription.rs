//! A browser's push subscription.

use countersign_domain::base64::decode;
use serde::Deserialize;
use url::Url;

use crate::webpush::encrypt::Reader;

/// A parsed subscription.
#[derive(Clone)]
pub(super) struct Subscription {
    /// The URL to push to. A secret: knowing it is enough to push.
    pub(super) endpoint: Url,
    /// The browser's keys.
    pub(super) reader: Reader,
}

#[derive(Deserialize)]
struct Json {
    endpoint: Url,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// Parses the text of a browser's `PushSubscription.toJSON()`; `None` if it is malformed.
pub(super) fn read(text: &str) -> Option<Subscription> {
    let json: Json = serde_json::from_str(text).ok()?;
    Some(Subscription {
        endpoint: json.endpoint,
        reader: Reader {
            point: decode(&json.keys.p256dh)?.try_into().ok()?,
            auth: decode(&json.keys.auth)?.try_into().ok()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn well_formed_subscriptions_are_parsed() {
        let of = |endpoint: &str, point: &str, auth: &str| {
            format!(
                r#"{{"endpoint":"{endpoint}","expirationTime":null,"keys":{{"p256dh":"{point}","auth":"{auth}"}}}}"#
            )
        };
        let point = URL_SAFE_NO_PAD.encode([4; 65]);
        let auth = "BTBZMqHH6r4Tts7J_aSIgg";
        assert!(read(&of("https://push.example.com/x", &point, auth)).is_some());
        assert!(read(&of("https://push.example.com/x", &point, &format!("{auth}=="))).is_some());
        let standard = STANDARD.encode([0xff; 65]);
        assert!(read(&of("https://push.example.com/x", &standard, auth)).is_some());
        for wrong in [
            of("push.example.com", &point, auth),
            of("https://push.example.com/x", &point[1..], auth),
            of("https://push.example.com/x", &point, "AAAA"),
            "{}".to_owned(),
        ] {
            assert!(read(&wrong).is_none(), "{wrong}");
        }
    }
}
