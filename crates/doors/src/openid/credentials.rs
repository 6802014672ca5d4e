//! How a client says who it is: `client_secret_basic` or `client_secret_post` (OpenID Connect Core section 9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::secret::Secret;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use url::form_urlencoded;

use super::form::Form;
use super::refusal::Refusal;

/// The longest header that is read.
const LONGEST: usize = 1_024;

/// A client id and its secret.
#[derive(Debug)]
pub(crate) struct ClientCredentials {
    /// The id.
    pub(crate) id: String,
    /// The secret.
    pub(crate) secret: Secret,
}

impl ClientCredentials {
    /// Reads the credentials of a request.
    ///
    /// # Errors
    /// There are none, or they come in two ways.
    pub(crate) fn read(headers: &HeaderMap, form: &Form) -> Result<Self, Refusal> {
        let (id, secret) = (form.text("client_id")?, form.text("client_secret")?);
        if let Some(header) = headers.get(AUTHORIZATION) {
            let basic = Self::basic(header.as_bytes()).ok_or(Refusal::InvalidClient)?;
            let is_one_way = secret.is_none() && id.is_none_or(|id| id == basic.id);
            let why = "the client authenticates in two ways";
            return if is_one_way { Ok(basic) } else { Err(Refusal::InvalidRequest(why)) };
        }
        let (id, secret) = id.zip(secret).ok_or(Refusal::InvalidClient)?;
        Ok(Self { id: id.to_owned(), secret: Secret::new(secret) })
    }

    /// Reads the header: both parts are encoded as in a form (RFC 6749 section 2.3.1).
    fn basic(header: &[u8]) -> Option<Self> {
        let (scheme, encoded) = header.split_at_checked(6).filter(|_| header.len() <= LONGEST)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |part: &str| {
            let mut pairs = form_urlencoded::parse(part.as_bytes());
            pairs.next().map(|(text, _)| text.into_owned())
        };
        Some(Self { id: decode(id)?, secret: Secret::new(decode(secret)?) })
    }

    /// Whether the secret is this one. Compares in constant time.
    pub(super) fn has(&self, secret: &Secret) -> bool {
        let (given, right) = (self.secret.expose().as_bytes(), secret.expose().as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(given, right).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<(String, String), Refusal> {
        let headers = header.map(|text| (AUTHORIZATION, text.parse().unwrap()));
        let headers: HeaderMap = headers.into_iter().collect();
        let form = Form::parse(form.as_bytes()).unwrap();
        let read = ClientCredentials::read(&headers, &form)?;
        Ok((read.id.clone(), read.secret.expose().to_owned()))
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_client_authenticates_by_a_header_or_by_the_form() {
        let both = Ok(("DI1".to_owned(), "s+1".to_owned()));
        assert_eq!(read(Some(&basic("DI1:s%2B1")), ""), both);
        assert_eq!(read(Some(&basic("DI1:s%2B1")), "client_id=DI1"), both);
        assert_eq!(read(None, "client_id=DI1&client_secret=s%2B1"), both);
    }

    #[test]
    fn no_credentials_and_two_ways_are_refused() {
        for form in ["", "client_id=DI1", "client_secret=s"] {
            assert_eq!(read(None, form), Err(Refusal::InvalidClient), "{form}");
        }
        for header in [
            "Basic",
            "Basic ",
            "Basic !",
            "Bearer x",
            &basic("DI1"),
            &basic(":"),
            &basic(&"x:".repeat(900)),
        ] {
            assert_eq!(read(Some(header), ""), Err(Refusal::InvalidClient), "{header}");
        }
        for form in ["client_secret=s", "client_id=DI2"] {
            let refused = read(Some(&basic("DI1:s")), form);
            assert!(matches!(refused, Err(Refusal::InvalidRequest(_))), "{form}");
        }
    }
}
