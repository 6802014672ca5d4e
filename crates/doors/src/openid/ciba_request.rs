//! A request to ask a person (CIBA Core section 7.1), parsed.

use std::ops::RangeInclusive;

use countersign_domain::openid_client::{CibaMode, OpenIdClient, UserCode};
use countersign_domain::secret::Secret;

use super::approval;
use super::form::Form;
use super::refusal::Refusal;
use crate::binding::BindingMessage;

/// The length of a token by which a client is notified. 22 characters of base64url are 128 bits.
const TOKEN_LENGTH: RangeInclusive<usize> = 22..=1_024;
/// The longest user name. Longer ones belong to nobody.
const LONGEST_HINT: usize = 256;

/// A request to ask a person.
#[derive(Debug)]
pub(crate) struct CibaRequest {
    /// The name that the client has for the person.
    pub(super) login_hint: String,
    /// A text that both sides show, for the person to compare.
    pub(super) binding_message: Option<BindingMessage>,
    /// Whether the person must enter the binding message, a number, on the device.
    pub(super) must_enter_number: bool,
    /// A code of the person's authenticator app.
    pub(super) user_code: Option<Secret>,
    /// How many seconds the question should be open.
    pub(super) requested_expiry: Option<u32>,
    /// The bearer token by which the client is notified.
    pub(super) notification_token: Option<Secret>,
}

impl CibaRequest {
    /// Parses the request of a client that is registered for CIBA.
    ///
    /// # Errors
    /// A parameter is missing or invalid, or is not supported and must not be ignored.
    pub(crate) fn parse(form: &Form, client: &OpenIdClient) -> Result<Self, Refusal> {
        if form.text("request")?.is_some() {
            return Err(Refusal::InvalidRequest("signed requests are not supported"));
        }
        let scope = form.text("scope")?.ok_or(Refusal::InvalidScope)?;
        if !scope.split(' ').any(|word| word == "openid") {
            return Err(Refusal::InvalidScope);
        }
        let message = form.text("binding_message")?.map(BindingMessage::parse).transpose();
        let binding_message = message.map_err(Refusal::InvalidBindingMessage)?;
        Ok(Self {
            login_hint: hint(form)?,
            binding_message,
            must_enter_number: approval::wants_number(form.text("acr_values")?),
            user_code: user_code(form, client.user_code)?,
            requested_expiry: expiry(form)?,
            notification_token: notification_token(form, client.ciba)?,
        })
    }
}

/// Exactly one hint must be given, and only one kind is supported.
fn hint(form: &Form) -> Result<String, Refusal> {
    let others = ["login_hint_token", "id_token_hint"];
    let mut count = 0;
    for other in others {
        count += usize::from(form.text(other)?.is_some());
    }
    match (form.text("login_hint")?, count) {
        (Some(hint), 0) if hint.len() > LONGEST_HINT => Err(Refusal::UnknownUser),
        (Some(hint), 0) => Ok(hint.to_owned()),
        (None, 1) => Err(Refusal::InvalidRequest("only login_hint is supported")),
        _ => Err(Refusal::InvalidRequest("exactly one hint must be given")),
    }
}

fn user_code(form: &Form, wanted: UserCode) -> Result<Option<Secret>, Refusal> {
    match (wanted, form.text("user_code")?) {
        (UserCode::Off, _) => Ok(None),
        (UserCode::Required, None) => Err(Refusal::MissingUserCode),
        (UserCode::Required, Some(code)) => {
            let is_code = (6..=8).contains(&code.len()) && code.bytes().all(|c| c.is_ascii_digit());
            if is_code { Ok(Some(Secret::new(code))) } else { Err(Refusal::InvalidUserCode) }
        }
    }
}

fn expiry(form: &Form) -> Result<Option<u32>, Refusal> {
    let Some(text) = form.text("requested_expiry")? else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    let why = Refusal::InvalidRequest("requested_expiry must be a positive number");
    seconds.map(Some).ok_or(why)
}

/// The token is required in the mode `ping`, and means nothing in others.
fn notification_token(form: &Form, mode: CibaMode) -> Result<Option<Secret>, Refusal> {
    if mode != CibaMode::Ping {
        return Ok(None);
    }
    let token =
        form.required("client_notification_token", "client_notification_token is missing")?;
    let body = token.trim_end_matches('=');
    let is_bearer = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/".contains(&c);
    if TOKEN_LENGTH.contains(&token.len()) && !body.is_empty() && body.bytes().all(is_bearer) {
        return Ok(Some(Secret::new(token)));
    }
    let why = "client_notification_token must be a bearer token of 22 to 1,024 characters";
    Err(Refusal::InvalidRequest(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ciba: CibaMode, user_code: UserCode) -> OpenIdClient {
        OpenIdClient { ciba, user_code, ..OpenIdClient::default() }
    }

    fn parse(form: &str, client: &OpenIdClient) -> Result<CibaRequest, Refusal> {
        CibaRequest::parse(&Form::parse(form.as_bytes()).unwrap(), client)
    }

    const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";

    #[test]
    fn a_request_names_a_person_and_what_they_compare() {
        let poll = client(CibaMode::Poll, UserCode::Off);
        let form = "scope=openid+profile&login_hint=ann&binding_message=W4SCT+%C3%A4&requested_expiry=30&user_code=1";
        let read = parse(form, &poll).unwrap();
        assert_eq!((&*read.login_hint, read.requested_expiry), ("ann", Some(30)));
        assert_eq!(read.binding_message, BindingMessage::parse("W4SCT ä").ok());
        assert!(read.user_code.is_none() && !read.must_enter_number);
        let form = format!(
            "scope=openid&login_hint=ann&binding_message=64&acr_values={}+x",
            approval::PUSH_NUMBER
        );
        let read = parse(&form, &poll).unwrap();
        assert!(read.must_enter_number);
        let ping = client(CibaMode::Ping, UserCode::Required);
        let form = format!(
            "scope=openid&login_hint=ann&user_code=123456&client_notification_token={TOKEN}"
        );
        let read = parse(&form, &ping).unwrap();
        assert_eq!(read.notification_token.unwrap().expose(), TOKEN);
        assert_eq!(read.user_code.unwrap().expose(), "123456");
    }

    #[test]
    fn an_invalid_request_gets_the_error_of_its_fault() {
        let (poll, ping) =
            (client(CibaMode::Poll, UserCode::Off), client(CibaMode::Ping, UserCode::Required));
        let long = format!("scope=openid&login_hint=ann&binding_message={}", "x".repeat(65));
        for (form, client, word) in [
            ("login_hint=ann", &poll, "invalid_scope"),
            ("scope=profile&login_hint=ann", &poll, "invalid_scope"),
            ("scope=openid", &poll, "invalid_request"),
            ("scope=openid&login_hint=ann&id_token_hint=x", &poll, "invalid_request"),
            ("scope=openid&login_hint_token=x", &poll, "invalid_request"),
            ("scope=openid&login_hint=ann&login_hint=bob", &poll, "invalid_request"),
            ("scope=openid&login_hint=ann&request=x", &poll, "invalid_request"),
            ("scope=openid&login_hint=ann&requested_expiry=0", &poll, "invalid_request"),
            ("scope=openid&login_hint=ann&requested_expiry=-1", &poll, "invalid_request"),
            (
                "scope=openid&login_hint=ann&binding_message=%3Cb%3E",
                &poll,
                "invalid_binding_message",
            ),
            ("scope=openid&login_hint=ann&binding_message=a%0Ab", &poll, "invalid_binding_message"),
            ("scope=openid&login_hint=ann&binding_message=+a", &poll, "invalid_binding_message"),
            (&*long, &poll, "invalid_binding_message"),
            ("scope=openid&login_hint=ann", &ping, "missing_user_code"),
            ("scope=openid&login_hint=ann&user_code=1234", &ping, "invalid_user_code"),
            ("scope=openid&login_hint=ann&user_code=123456", &ping, "invalid_request"),
            (
                "scope=openid&login_hint=ann&user_code=123456&client_notification_token=short",
                &ping,
                "invalid_request",
            ),
        ] {
            assert_eq!(parse(form, client).unwrap_err().word(), word, "{form}");
        }
    }
}
