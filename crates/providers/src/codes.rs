//! The codes of failed pushes (Twilio's error codes 52000 to 52310), and what each means for an operator.

use countersign_domain::address::Platform;
use countersign_domain::attempt_record::AttemptRecord;
use countersign_domain::ending::ErrorCode;

/// This server failed, or a push service without codes of its own refused.
pub const INTERNAL: ErrorCode = ErrorCode::INTERNAL;
/// No push can be sent to this address.
pub const BAD_ADDRESS: ErrorCode = ErrorCode::NO_DESTINATION;
/// The credential that the service names does not exist.
pub const CREDENTIAL_UNKNOWN: ErrorCode = ErrorCode(52_002);
/// The credential is for another push service.
pub const CREDENTIAL_TYPE: ErrorCode = ErrorCode(52_003);
/// The service names no credential, or has no VAPID key.
pub const CREDENTIAL_MISSING: ErrorCode = ErrorCode::NO_CREDENTIAL;
/// Google rejects the service account.
pub const FCM_SECRET: ErrorCode = ErrorCode(52_101);
/// Google does not know the registration token.
pub const FCM_TOKEN: ErrorCode = ErrorCode(52_102);
/// The app was uninstalled.
pub const FCM_UNINSTALLED: ErrorCode = ErrorCode(52_103);
/// The token belongs to another project.
pub const FCM_SENDER: ErrorCode = ErrorCode(52_104);
/// The push is too large.
pub const FCM_TOO_LARGE: ErrorCode = ErrorCode(52_106);
/// Too many pushes to a device or in a project.
pub const FCM_RATE: ErrorCode = ErrorCode(52_108);
/// The service account has no permission to push.
pub const FCM_UNAUTHORIZED: ErrorCode = ErrorCode(52_109);
/// Google cannot be reached, or fails.
pub const FCM_UNAVAILABLE: ErrorCode = ErrorCode(52_110);
/// Google refused for a reason without a code.
pub const FCM_UNKNOWN: ErrorCode = ErrorCode(52_111);
/// Apple rejects the certificate or key, or it cannot be used.
pub const APNS_CREDENTIALS: ErrorCode = ErrorCode(52_131);
/// Apple does not know the device token, or it belongs to the other environment.
pub const APNS_TOKEN: ErrorCode = ErrorCode(52_134);
/// The push is too large.
pub const APNS_TOO_LARGE: ErrorCode = ErrorCode(52_138);
/// Apple is closing the connection.
pub const APNS_SHUTDOWN: ErrorCode = ErrorCode(52_139);
/// Apple cannot be reached, or refused for a reason without a code.
pub const APNS_UNKNOWN: ErrorCode = ErrorCode(52_140);
/// The app was uninstalled.
pub const APNS_UNREGISTERED: ErrorCode = ErrorCode(52_141);
/// The token belongs to another app.
pub const APNS_TOPIC: ErrorCode = ErrorCode(52_142);
/// Apple rejects such a push.
pub const APNS_REJECTED: ErrorCode = ErrorCode(52_143);
/// Apple fails.
pub const APNS_INTERNAL: ErrorCode = ErrorCode(52_144);
/// Apple rejects the authentication.
pub const APNS_AUTHENTICATION: ErrorCode = ErrorCode(52_145);
/// Apple has seen new provider tokens too often.
pub const APNS_TOKEN_UPDATES: ErrorCode = ErrorCode(52_147);
/// The provider token is too old.
pub const APNS_EXPIRED: ErrorCode = ErrorCode(52_148);
/// The provider token is wrong.
pub const APNS_PROVIDER_TOKEN: ErrorCode = ErrorCode(52_149);

/// The meaning of a code and its remedy, in a sentence or two for an operator; `None` for any other code.
pub const fn explain(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        INTERNAL => {
            "The push service, or this server, failed in a way that has no code of its own."
        }
        BAD_ADDRESS => {
            "Nothing can be sent to this address: it is no address of a push service, or one that this server must not call."
        }
        CREDENTIAL_UNKNOWN => {
            "The service names a credential that does not exist. Set Push.ApnCredentialSid or Push.FcmCredentialSid again."
        }
        CREDENTIAL_TYPE => {
            "The service names a credential of another type: apn for Apple, fcm for Google."
        }
        CREDENTIAL_MISSING => {
            "The service names no credential for this platform. For a browser of Apple's: outgoing.vapid_subject is not set to a contact of yours."
        }
        ErrorCode::TTL_PASSED => "The TTL elapsed before the push could be delivered.",
        _ => return explain_vendor(code),
    })
}

const fn explain_vendor(code: ErrorCode) -> Option<&'static str> {
    match explain_fcm(code) {
        None => explain_apns(code),
        explained => explained,
    }
}

const fn explain_fcm(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        FCM_SECRET => {
            "Google does not take the service account. Make a new key in the Firebase console (Project settings, Service accounts) and update the credential's Secret with the whole JSON."
        }
        FCM_TOKEN => {
            "Google does not know this registration token. The factor forgets it; the app must send a new one."
        }
        FCM_UNINSTALLED => {
            "The app was uninstalled, or its token replaced. The factor forgets it; the app must send a new one."
        }
        FCM_SENDER => {
            "The token was made for another Firebase project than the credential's. Compare the credential with the app's project; the token is kept."
        }
        FCM_TOO_LARGE => "The push is larger than Google takes.",
        FCM_RATE => {
            "Too many pushes to this device or in this project. It is tried again when Google allows it."
        }
        FCM_UNAUTHORIZED => {
            "Google does not let the service account push: enable the Firebase Cloud Messaging API and give it the role of a messaging admin, or correct token_uri."
        }
        FCM_UNAVAILABLE => {
            "Google cannot be reached or is overloaded. It is tried again until the TTL has elapsed."
        }
        FCM_UNKNOWN => "Google refused the push for a reason that has no code of its own.",
        _ => return None,
    })
}

const fn explain_apns(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        APNS_CREDENTIALS => {
            "The certificate or key cannot be used, or Apple does not take it: expired, revoked, or of the other environment."
        }
        APNS_TOKEN => {
            "Apple does not know this device token. Most often the app was built for the other environment: compare the credential's Sandbox."
        }
        APNS_TOO_LARGE => "The push is larger than Apple takes.",
        APNS_SHUTDOWN => "Apple closes the connection. It is tried again over a new one.",
        APNS_UNKNOWN => "Apple cannot be reached, or gave an unknown reason.",
        APNS_UNREGISTERED => {
            "The app was uninstalled. The factor forgets the token; the app must send a new one."
        }
        APNS_TOPIC => {
            "The token belongs to another app: compare the factor's app id, or the credential's Topic, with the app's bundle id."
        }
        APNS_REJECTED => {
            "Apple does not take such a push: the topic is not one of this credential, or a device gets too many."
        }
        APNS_INTERNAL => "Apple has a fault. It is tried again until the TTL has elapsed.",
        APNS_AUTHENTICATION => "Apple does not let this credential push.",
        APNS_TOKEN_UPDATES => {
            "Apple saw new provider tokens too often. Do several servers push with the same key?"
        }
        APNS_EXPIRED => "Apple finds a fresh provider token too old. Compare this server's clock.",
        APNS_PROVIDER_TOKEN => {
            "Apple does not take the provider token: compare KeyId and TeamId with the developer account, and see that the key was not revoked."
        }
        _ => return None,
    })
}

/// The meaning of an attempt's code for an operator. Several transports and causes share some codes, so the platform and the
/// status decide. `None` without a code, or for any other code.
pub fn explain_attempt(attempt: &AttemptRecord) -> Option<&'static str> {
    let (code, platform) = (attempt.code?, attempt.platform());
    let was_asked = attempt.provider_status.is_some();
    Some(match (code, platform) {
        (ErrorCode::NO_DESTINATION, Some(Platform::Stream)) => {
            "The device was not connected to its stream. Nothing is wrong with its address."
        }
        (ErrorCode::NO_DESTINATION, _) => match attempt.provider_status {
            Some(300..=399) => {
                "The push service answered with a redirection, which is not followed: the browser's subscription has moved."
            }
            Some(_) => {
                "The push service no longer knows the subscription: the person withdrew the permission, or the browser dropped it. The factor forgets it; the page must subscribe again."
            }
            None => explain(code)?,
        },
        (INTERNAL, Some(Platform::WebPush)) => match attempt.provider_status {
            Some(401 | 403) => {
                "The push service does not take the service's VAPID key for this subscription, or the subject of its token."
            }
            Some(429 | 500..) => "The push service has a fault, or gets too many pushes.",
            Some(_) => {
                "The push service refused the push for a reason that has no code of its own."
            }
            None => "The push did not get through to the push service.",
        },
        (CREDENTIAL_MISSING, Some(Platform::WebPush)) => {
            "The service has no VAPID key that can be used."
        }
        (APNS_UNKNOWN, _) if !was_asked => "Apple cannot be reached.",
        (APNS_UNKNOWN, _) => "Apple refused the push for a reason that has no code of its own.",
        _ => explain(code)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_depends_on_platform_and_status() {
        let attempt = |platform: Platform, status, code| AttemptRecord {
            started_at_micros: 0,
            micros: 0,
            platform: platform.as_str().to_owned(),
            outcome: String::new(),
            provider_status: status,
            provider_reason: None,
            code: Some(ErrorCode(code)),
        };
        for (platform, status, code, said) in [
            (Platform::Stream, None, 52_001, "was not connected to its stream"),
            (Platform::WebPush, Some(410), 52_001, "no longer knows the subscription"),
            (Platform::WebPush, Some(301), 52_001, "a redirection"),
            (Platform::WebPush, None, 52_001, "no address of a push service"),
            (Platform::WebPush, Some(403), 52_000, "VAPID key"),
            (Platform::WebPush, None, 52_000, "did not get through"),
            (Platform::WebPush, None, 52_004, "VAPID key"),
            (Platform::Fcm, None, 52_004, "names no credential"),
            (Platform::Apn, None, 52_140, "cannot be reached"),
            (Platform::Apn, Some(405), 52_140, "refused the push"),
            (Platform::Apn, Some(410), 52_141, "was uninstalled"),
        ] {
            let words = explain_attempt(&attempt(platform, status, code)).unwrap_or_default();
            assert!(words.contains(said), "{platform:?} {status:?} {code}: {words}");
        }
        let none = AttemptRecord { code: None, ..attempt(Platform::Apn, Some(200), 1) };
        assert_eq!(explain_attempt(&none), None);
    }

    #[test]
    fn every_code_is_explained() {
        let given = [52_000, 52_001, 52_002, 52_003, 52_004, 52_101, 52_102, 52_103, 52_104]
            .into_iter()
            .chain([52_106, 52_108, 52_109, 52_110, 52_111, 52_131, 52_134, 52_138, 52_139])
            .chain([
                52_140, 52_141, 52_142, 52_143, 52_144, 52_145, 52_147, 52_148, 52_149, 52_310,
            ]);
        for code in given {
            assert!(explain(ErrorCode(code)).is_some(), "{code}");
        }
        assert_eq!(explain(ErrorCode(1)), None);
    }
}
