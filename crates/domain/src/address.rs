//! Where a device is reached (wire reference §2.3, §5.6).

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::invalid::Invalid;
use crate::text::bounded;

/// The ways to reach a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Apple's push service.
    Apn,
    /// Google's.
    Fcm,
    /// A browser's push service, by RFC 8030.
    WebPush,
    /// The WebSocket that the device holds to us.
    Stream,
    /// Not at all: the device polls.
    None,
}

impl Platform {
    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apn => "apn",
            Self::Fcm => "fcm",
            Self::WebPush => "webpush",
            Self::Stream => "stream",
            Self::None => "none",
        }
    }

    /// Whether a device of this platform may hold a stream: those that are reached by nothing else, and browsers, whose
    /// push services are slower than a page that is open.
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

/// A push service's name for one installation of an app. Whoever holds it can push to that device, so it prints as
/// its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct PushToken(String);

impl PushToken {
    /// The token, for the push service and for the device's own factor.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PushToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushToken({} characters)", self.0.len())
    }
}

/// A platform and, where that needs one, the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    platform: Platform,
    token: Option<PushToken>,
}

/// Which half of an address is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadToken(pub Invalid);

impl Address {
    /// An address for `platform`. A token given for a platform that has none is dropped.
    ///
    /// # Errors
    /// The token is missing, has the wrong length (32 to 255 characters; `webpush`: at most 2,048), is not hex
    /// (`apn`) or is no Web Push subscription (`webpush`). With `strict` off, the least length is 1.
    pub fn new(platform: Platform, token: Option<&str>, strict: bool) -> Result<Self, BadToken> {
        let least = if strict { 32 } else { 1 };
        let required = || token.ok_or(BadToken(Invalid::because("is required for this platform")));
        let token = match platform {
            Platform::Stream | Platform::None => None,
            Platform::Apn => {
                let token = required()?;
                bounded(token, least, 255).map_err(BadToken)?;
                if !token.bytes().all(|c| c.is_ascii_hexdigit()) {
                    return Err(BadToken(Invalid::because("must hold only hexadecimal digits")));
                }
                Some(token)
            }
            Platform::Fcm => {
                let token = required()?;
                bounded(token, least, 255).map_err(BadToken)?;
                Some(token)
            }
            Platform::WebPush => {
                let token = required()?;
                bounded(token, 2, 2_048).map_err(BadToken)?;
                check_subscription(token).map_err(BadToken)?;
                Some(token)
            }
        };
        Ok(Self { platform, token: token.map(|token| PushToken(token.to_owned())) })
    }

    /// From the two columns that a database keeps. A platform that needs a token and has none has lost it: the push
    /// service said that it is gone.
    pub fn from_stored(platform: Platform, token: Option<String>) -> Self {
        Self { platform, token: token.map(PushToken) }
    }

    /// The platform.
    pub const fn platform(&self) -> Platform {
        self.platform
    }

    /// Whether a push can go there. Not to `none`, and not where the push service said that the token is gone: such a
    /// factor acts as `none` until it is updated (wire reference §5.2).
    pub const fn can_be_reached(&self) -> bool {
        match self.platform {
            Platform::None => false,
            Platform::Stream => true,
            Platform::Apn | Platform::Fcm | Platform::WebPush => self.token.is_some(),
        }
    }

    /// The token, where there is one.
    pub const fn token(&self) -> Option<&PushToken> {
        self.token.as_ref()
    }
}

/// A subscription as a browser's `PushSubscription.toJSON()` gives it.
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
    fn where_no_token_is_needed_one_is_dropped() {
        for platform in [Platform::Stream, Platform::None] {
            let address = Address::new(platform, Some("anything"), true).unwrap();
            assert_eq!(address, Address::new(platform, None, true).unwrap());
            assert_eq!(address.token(), None);
        }
    }

    #[test]
    fn who_lost_the_token_cannot_be_reached() {
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
