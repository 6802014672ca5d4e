//! Why a call failed, in words without its URL.

use std::fmt;

use crate::guard::dns::ResolveError;

/// Why a call failed. Its text does not hold the URL, which may hold a device's token.
pub(crate) struct CallError {
    /// The reason.
    pub(crate) text: String,
    /// Whether the connection broke while it was used, so that another one may work at once.
    pub(crate) is_broken_connection: bool,
}

impl CallError {
    /// The error of a name that has no address.
    pub(crate) fn unresolved(why: ResolveError) -> Self {
        Self { text: format!("no connection: {why}"), is_broken_connection: false }
    }

    /// The error of the HTTP client.
    pub(crate) fn new(error: &reqwest::Error) -> Self {
        let what = if error.is_connect() {
            "no connection"
        } else if error.is_timeout() {
            "no answer in time"
        } else {
            "the connection broke"
        };
        // The outermost text names the URL; its causes do not.
        let mut cause = std::error::Error::source(error);
        let mut innermost = None;
        while let Some(error) = cause {
            innermost = Some(error.to_string());
            cause = error.source();
        }
        let text = match innermost {
            Some(why) if !error.is_timeout() => format!("{what}: {why}"),
            _ => what.to_owned(),
        };
        let is_broken_connection =
            !error.is_connect() && !error.is_timeout() && !error.is_builder();
        Self { text, is_broken_connection }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::{HttpVersion, Outgoing};

    #[tokio::test]
    async fn an_error_does_not_hold_the_url() {
        let outgoing = Outgoing::default();
        let client =
            outgoing.push_service_client(&outgoing.apns, HttpVersion::Http2, None).unwrap();
        let call = client.post("https://127.0.0.1:1/3/device/00fc13adff785122");
        let error = CallError::new(&call.send().await.unwrap_err());
        assert!(error.text.starts_with("no connection"), "{error}");
        assert!(!error.text.contains("00fc") && !error.is_broken_connection, "{error}");
    }
}
