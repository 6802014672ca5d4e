//! The error responses, in Google's format.

use serde_json::{Value, json};

use crate::listener::{self, HttpResponse};
use crate::script::Action;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Error {
    /// 400 `INVALID_ARGUMENT` with an `FcmError` that names `message.token`: the registration token is malformed.
    InvalidToken,
    /// 400 `INVALID_ARGUMENT` with `google.rpc.BadRequest`: the request is malformed.
    BadRequest,
    /// 401 `THIRD_PARTY_AUTH_ERROR`: the project's APNs or Web Push key is wrong.
    ThirdPartyAuth,
    /// 401 `UNAUTHENTICATED`: the access token is missing, unknown or expired.
    Unauthenticated,
    /// 403 `SENDER_ID_MISMATCH`: the registration token belongs to another project.
    SenderIdMismatch,
    /// 403 `PERMISSION_DENIED`: the service account may not push here.
    PermissionDenied,
    /// 404 `UNREGISTERED`: the app was uninstalled.
    Unregistered,
    /// 404 without an FCM code: no such path.
    NotFound,
    /// 429 `QUOTA_EXCEEDED`.
    QuotaExceeded,
    /// 500 `INTERNAL`.
    Internal,
    /// 502 in HTML, from a proxy.
    BadGateway,
    /// 503 `UNAVAILABLE`.
    Unavailable,
}

impl Error {
    /// All errors.
    pub const ALL: [Self; 12] = [
        Self::InvalidToken,
        Self::BadRequest,
        Self::ThirdPartyAuth,
        Self::Unauthenticated,
        Self::SenderIdMismatch,
        Self::PermissionDenied,
        Self::Unregistered,
        Self::NotFound,
        Self::QuotaExceeded,
        Self::Internal,
        Self::BadGateway,
        Self::Unavailable,
    ];

    /// The HTTP status, its name, and FCM's own code if there is one.
    const fn parts(self) -> (u16, &'static str, Option<&'static str>) {
        match self {
            Self::InvalidToken => (400, "INVALID_ARGUMENT", Some("INVALID_ARGUMENT")),
            Self::BadRequest => (400, "INVALID_ARGUMENT", None),
            Self::ThirdPartyAuth => (401, "UNAUTHENTICATED", Some("THIRD_PARTY_AUTH_ERROR")),
            Self::Unauthenticated => (401, "UNAUTHENTICATED", None),
            Self::SenderIdMismatch => (403, "PERMISSION_DENIED", Some("SENDER_ID_MISMATCH")),
            Self::PermissionDenied => (403, "PERMISSION_DENIED", None),
            Self::Unregistered => (404, "NOT_FOUND", Some("UNREGISTERED")),
            Self::NotFound => (404, "NOT_FOUND", None),
            Self::QuotaExceeded => (429, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")),
            Self::Internal => (500, "INTERNAL", Some("INTERNAL")),
            Self::BadGateway => (502, "", None),
            Self::Unavailable => (503, "UNAVAILABLE", Some("UNAVAILABLE")),
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.parts().0
    }

    /// `errorCode` of the detail of type `FcmError`, if it has one.
    pub const fn code(self) -> Option<&'static str> {
        self.parts().2
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error.
    pub error: Error,
    /// The message; with [`Error::BadRequest`] it begins with the field and a colon.
    pub message: String,
    /// `Retry-After`: seconds or an HTTP date.
    pub retry_after: Option<String>,
}

impl Refusal {
    /// A refusal of a malformed request. `field` is malformed.
    pub(super) fn malformed(field: &str, fault: &str) -> Self {
        Self { error: Error::BadRequest, message: format!("{field}: {fault}"), retry_after: None }
    }

    /// Adds a `Retry-After` of this many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.to_string());
        self
    }

    pub(super) fn transient() -> Vec<Self> {
        let quota = Self::from(Error::QuotaExceeded).retry_after(1);
        vec![quota, Error::Internal.into(), Error::BadGateway.into(), Error::Unavailable.into()]
    }

    fn details(&self) -> Vec<Value> {
        let (_, _, code) = self.error.parts();
        let violation = |field: &str, description: &str| {
            json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": field, "description": description}],
            })
        };
        let fcm = |code: &str| {
            json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": code,
            })
        };
        match (code, self.error) {
            (Some(code), Error::InvalidToken) => {
                vec![fcm(code), violation("message.token", "Invalid registration token")]
            }
            (Some(code), _) => vec![fcm(code)],
            (None, Error::BadRequest) => {
                let (field, description) =
                    self.message.split_once(": ").unwrap_or(("message", &self.message));
                vec![violation(field, description)]
            }
            (None, Error::Unauthenticated) => vec![json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ACCESS_TOKEN_EXPIRED",
                "domain": "googleapis.com",
            })],
            (None, _) => vec![],
        }
    }

    pub(super) fn render(&self) -> HttpResponse {
        let (code, status, _) = self.error.parts();
        let mut headers = vec![];
        if let Some(when) = &self.retry_after {
            headers.push(("retry-after", when.as_str()));
        }
        if self.error == Error::BadGateway {
            headers.push(("content-type", "text/html; charset=UTF-8"));
            let page = "<!DOCTYPE html>\n<title>Error 502 (Server Error)!!1</title>\n";
            return listener::response(code, &headers, page);
        }
        headers.push(("content-type", "application/json; charset=UTF-8"));
        let mut error = json!({"code": code, "message": self.message, "status": status});
        let details = self.details();
        if !details.is_empty() {
            error["details"] = details.into();
        }
        listener::response(code, &headers, json!({ "error": error }).to_string())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (_, status, code) = error.parts();
        let message = format!("The stand-in says {}.", code.unwrap_or(status));
        Self { error, message, retry_after: None }
    }
}

impl From<Error> for Action<Refusal> {
    fn from(error: Error) -> Self {
        Self::Respond(error.into())
    }
}
