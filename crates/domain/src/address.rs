//! Where pushes to a device are sent (Twilio Verify v2, `Config` of a push factor).

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::invalid::Invalid;
use crate::text::bounded;

/// How a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Apple's push service.
    Apn,
    /// Google's push service.
    Fcm,
    /// A browser's push service (RFC 8030).
    WebPush,
    /// The WebSocket that the device holds to this server.
    Stream,
    /// No push: the device polls.
    None,
}

impl Platform {
    /// The word in requests, in responses and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apn => "apn",
            Self::Fcm => "fcm",
            Self::WebPush => "webpush",
            Self::Stream => "stream",
            Self::None => "none",
        }
    }

    /// Whether a device of this platform may hold a stream: devices without a push service, and browsers, whose push services are
    /// slower than an open page.
    pub const fn may_stream(self) -> bool {
        matches!(self, Self::Stream | Self::WebPush)
    }
}

impl FromStr for Platform {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Apn, Self::Fcm, Self::WebPush, Self::Stream, Self::None]
            .into_iter()
            .find(|platform| platform.as_str() == text)
            .ok_or(Invalid::because("must be apn, fcm, webpush, stream or none"))
    }
}

/// A push service's address of one installation of an app. It allows pushes to the device, so `Debug` prints only its length.
#[derive(Clone, PartialEq, Eq)]
pub struct PushToken(String);

impl PushToken {
    /// The token itself, for the push service and for the response to the device.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushToken({} characters)", self.0.len())
    }
}

/// A platform and, if the platform needs one, a push token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    platform: Platform,
    token: Option<PushToken>,
}

/// Why a push token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushTokenError(pub Invalid);

impl Address {
    /// Creates an address. A token for a platform without tokens is ignored.
    ///
    /// # Errors
    /// The token is missing, has the wrong length (32 to 255 characters; `webpush`: 2 to 2,048), is not hexadecimal (`apn`) or is not
    /// a Web Push subscription (`webpush`). Without `strict`, the shortest length is 1.
    pub fn new(
        platform: Platform,
        token: Option<&str>,
        strict: bool,
    ) -> Result<Self, PushTokenError> {
        let least = if strict { 32 } else { 1 };
        let required =
            || token.ok_or(PushTokenError(Invalid::because("is required for this platform")));
        let token = match platform {
            Platform::Stream | Platform::None => None,
            Platform::Apn => {
                let token = required()?;
                bounded(token, least, 255).map_err(PushTokenError)?;
                if !token.bytes().all(|c| c.is_ascii_hexdigit()) {
                    return Err(PushTokenError(Invalid::because(
                        "must hold only hexadecimal digits",
                    )));
                }
                Some(token)
            }
            Platform::Fcm => {
                let token = required()?;
                bounded(token, least, 255).map_err(PushTokenError)?;
                Some(token)
            }
            Platform::WebPush => {
                let token = required()?;
                bounded(token, 2, 2_048).map_err(PushTokenError)?;
                check_subscription(token).map_err(PushTokenError)?;
                Some(token)
            }
        };
        Ok(Self { platform, token: token.map(|token| PushToken(token.to_owned())) })
    }

    /// Restores an address from the database. A platform that needs a token and has none has lost it: the push service does
    /// not know it now.
    pub fn from_stored(platform: Platform, token: Option<String>) -> Self {
        Self { platform, token: token.map(PushToken) }
    }

    /// The platform.
    pub const fn platform(&self) -> Platform {
        self.platform
    }

    /// Whether pushes can be sent there. False for `none`, and after the push service stopped knowing the token: such a factor
    /// acts as `none` until it is updated.
    pub const fn can_be_reached(&self) -> bool {
        match self.platform {
            Platform::None => false,
            Platform::Stream => true,
            Platform::Apn | Platform::Fcm | Platform::WebPush => self.token.is_some(),
        }
    }

    /// The token, if there is one.
    pub const fn token(&self) -> Option<&PushToken> {
        self.token.as_ref()
    }
}

/// Checks the JSON that a browser's `PushSubscription.toJSON()` returns.
fn check_subscription(text: &str) -> Result<(), Invalid> {
    const FORM: Invalid =
        Invalid::because("must be a subscription: {\"endpoint\",\"keys\":{\"p256dh\",\"auth\"}}");
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| FORM)?;
    let endpoint = value["endpoint"].as_str().and_then(|text| Url::parse(text).ok()).ok_or(FORM)?;
    if endpoint.scheme() != "https" || endpoint.host().is_none() {
        return Err(Invalid::because("must hold an https endpoint"));
    }
    let key = |name: &str| value["keys"][name].as_str().and_then(crate::base64::decode).ok_or(FORM);
    if crate::key::DeviceKey::from_point(&key("p256dh")?).is_none() || key("auth")?.len() != 16 {
        return Err(Invalid::because("must hold a P-256 point as p256dh and 16 bytes as auth"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    fn takes(platform: Platform, token: &str) -> bool {
        Address::new(platform, Some(token), true).is_ok()
    }

    #[test]
    fn push_tokens_have_32_to_255_characters() {
        for platform in [Platform::Apn, Platform::Fcm] {
            let takes = |length| takes(platform, &"a".repeat(length));
            assert!(takes(32) && takes(255), "{platform:?}");
            assert!(!takes(31) && !takes(256) && !takes(0), "{platform:?}");
            assert!(Address::new(platform, None, true).is_err(), "{platform:?}");
            assert!(Address::new(platform, Some("abc"), false).is_ok(), "{platform:?}");
            assert!(Address::new(platform, Some(""), false).is_err(), "{platform:?}");
        }
        let owl = "owl:".repeat(16);
        assert!(takes(Platform::Fcm, &owl));
        assert!(!takes(Platform::Apn, &owl), "hexadecimal digits only");
    }

    #[test]
    fn a_token_for_a_platform_without_tokens_is_ignored() {
        for platform in [Platform::Stream, Platform::None] {
            let address = Address::new(platform, Some("anything"), true).unwrap();
            assert_eq!(address, Address::new(platform, None, true).unwrap());
            assert_eq!(address.token(), None);
        }
    }

    #[test]
    fn an_address_that_lost_its_token_cannot_be_reached() {
        let token = || Some("a".repeat(64));
        assert!(Address::from_stored(Platform::Fcm, token()).can_be_reached());
        assert!(!Address::from_stored(Platform::Fcm, None).can_be_reached());
        assert!(Address::from_stored(Platform::Stream, None).can_be_reached());
        assert!(!Address::from_stored(Platform::None, token()).can_be_reached());
    }

    #[test]
    fn a_subscription_is_complete_and_https() {
        let of = |endpoint: &str, point: &str, auth: &str| {
            format!(r#"{{"endpoint":"{endpoint}","keys":{{"p256dh":"{point}","auth":"{auth}"}}}}"#)
        };
        let (endpoint, auth) = ("https://push.example.com/x", "BTBZMqHH6r4Tts7J_aSIgg");
        assert!(takes(Platform::WebPush, &of(endpoint, POINT, auth)));
        for wrong in [
            of("http://push.example.com/x", POINT, auth),
            of("push.example.com", POINT, auth),
            of(endpoint, &POINT[1..], auth),
            of(endpoint, &POINT.replace("BCVx", "BCVy"), auth),
            of(endpoint, POINT, "BTBZ"),
            of(&format!("{endpoint}{}", "x".repeat(2_048)), POINT, auth),
            r#"{"endpoint":"https://push.example.com/x"}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert!(!takes(Platform::WebPush, &wrong), "{wrong}");
        }
    }
}
