//! The parameters of a request: a form, or a query.

use axum::body::{Body, Bytes};
use countersign_web::body::{BodyError, whole};
use url::form_urlencoded;

use super::refusal::Refusal;

/// The largest body, in bytes.
const BODY_MAX: usize = 16 * 1024;

/// The most parameters of a request.
const MOST: usize = 64;

/// Names and values. Their length is bounded by that of the request.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The body of a request, which holds a form.
    ///
    /// # Errors
    /// It does not arrive, or is too large.
    pub(crate) async fn body(body: Body) -> Result<Bytes, Refusal> {
        whole(body, BODY_MAX).await.map_err(|error| match error {
            BodyError::TooLarge => Refusal::InvalidRequest("the body is too large"),
            BodyError::Late => Refusal::InvalidRequest("the body did not arrive in time"),
            BodyError::Broken => Refusal::InvalidRequest("the body broke off"),
        })
    }

    /// Parses a form.
    ///
    /// # Errors
    /// It has too many parameters.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let pairs = form_urlencoded::parse(bytes).into_owned().take(MOST + 1);
        let pairs: Vec<_> = pairs.collect();
        if pairs.len() > MOST {
            return Err(Refusal::InvalidRequest("too many parameters"));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; `None` if it is absent or empty, which is the same (RFC 6749 section 3.1).
    ///
    /// # Errors
    /// It is given more than once.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::InvalidRequest("a parameter is given more than once")),
            (Some((_, value)), None) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
            (None, None) => Ok(None),
        }
    }

    /// The value of a parameter that is required.
    ///
    /// # Errors
    /// It is absent, empty, or given more than once: `missing` says which it is.
    pub(crate) fn required(&self, name: &str, missing: &'static str) -> Result<&str, Refusal> {
        self.text(name)?.ok_or(Refusal::InvalidRequest(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_given_once_and_empty_is_absent() {
        let form = Form::parse(b"scope=openid&login_hint=ann&login_hint=bob&empty=").unwrap();
        assert_eq!(form.text("scope"), Ok(Some("openid")));
        assert_eq!((form.text("empty"), form.text("absent")), (Ok(None), Ok(None)));
        assert!(form.text("login_hint").is_err());
        assert_eq!(form.required("empty", "why"), Err(Refusal::InvalidRequest("why")));
        assert!(Form::parse("a=1&".repeat(64).as_bytes()).is_ok());
        assert!(Form::parse("a=1&".repeat(65).as_bytes()).is_err());
    }
}
