//! A request of the authorization endpoint, parsed (OpenID Connect Core section 3.1.2.1, RFC 7636 section 4.3).

use super::approval;
use super::form::Form;
use super::refusal::Refusal;

/// The longest `state`, in bytes: the browser carries it in an address.
const LONGEST_STATE: usize = 1_024;
/// The longest `nonce`, in bytes.
const LONGEST_NONCE: usize = 512;
/// The longest user name that is suggested, in bytes.
const LONGEST_HINT: usize = 256;

/// The reason of a refusal: a word of the protocol, and a description, which repeats nothing that was sent.
pub(crate) type Refused = (&'static str, &'static str);

/// A client's request for the sign-in page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthorizeRequest<'f> {
    /// The client's value for the answer.
    pub(super) state: Option<&'f str>,
    /// The client's value for the ID token.
    pub(super) nonce: Option<&'f str>,
    /// The SHA-256 of the client's verifier, in base64url.
    pub(super) challenge: &'f str,
    /// A user name for the field of the page.
    pub(super) hint: Option<&'f str>,
    /// Whether a number must be entered, in whatever browser.
    pub(super) must_enter_number: bool,
}

impl<'f> AuthorizeRequest<'f> {
    /// Parses a request. The sign-in is always a new one, as `prompt=login` and any `max_age` ask for.
    ///
    /// # Errors
    /// A parameter is missing or invalid, or is not supported and must not be ignored.
    pub(crate) fn parse(form: &'f Form) -> Result<Self, Refused> {
        check_kind(form)?;
        check_prompt(form)?;
        let nonce = text(form, "nonce")?;
        if nonce.is_some_and(|nonce| nonce.len() > LONGEST_NONCE) {
            return Err(("invalid_request", "nonce must be at most 512 bytes long"));
        }
        let hint = text(form, "login_hint")?.filter(|hint| hint.len() <= LONGEST_HINT);
        let must_enter_number = approval::wants_number(text(form, "acr_values")?);
        let challenge = challenge(form)?;
        Ok(Self { state: state(form)?, nonce, challenge, hint, must_enter_number })
    }
}

/// The client's value for the answer, which refusals repeat too.
///
/// # Errors
/// It is too long.
pub(super) fn state(form: &Form) -> Result<Option<&str>, Refused> {
    match text(form, "state")? {
        Some(state) if state.len() > LONGEST_STATE => {
            Err(("invalid_request", "state must be at most 1,024 bytes long"))
        }
        state => Ok(state),
    }
}

fn text<'f>(form: &'f Form, name: &str) -> Result<Option<&'f str>, Refused> {
    form.text(name).map_err(|refusal| match refusal {
        Refusal::InvalidRequest(why) => ("invalid_request", why),
        other => (other.word(), "the request cannot be read"),
    })
}

/// The response is a code in the query, of a request that stands in the form itself.
fn check_kind(form: &Form) -> Result<(), Refused> {
    if text(form, "request")?.is_some() {
        return Err(("request_not_supported", "request objects are not supported"));
    }
    if text(form, "request_uri")?.is_some() {
        return Err(("request_uri_not_supported", "request objects are not supported"));
    }
    match text(form, "response_type")? {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "response_type must be code")),
        None => return Err(("invalid_request", "response_type is missing")),
    }
    if text(form, "response_mode")?.is_some_and(|mode| mode != "query") {
        return Err(("invalid_request", "response_mode must be query"));
    }
    if !text(form, "scope")?.unwrap_or_default().split(' ').any(|word| word == "openid") {
        return Err(("invalid_scope", "the scope must hold openid"));
    }
    Ok(())
}

/// Nobody is signed in without being asked.
fn check_prompt(form: &Form) -> Result<(), Refused> {
    if text(form, "max_age")?.is_some_and(|age| age.parse::<u32>().is_err()) {
        return Err(("invalid_request", "max_age must be a number of seconds"));
    }
    let prompt = text(form, "prompt")?.unwrap_or_default();
    if prompt == "none" {
        return Err(("login_required", "the person has to sign in, each time"));
    }
    if prompt.split(' ').any(|word| word == "none") {
        return Err(("invalid_request", "prompt=none must be alone"));
    }
    Ok(())
}

fn challenge(form: &Form) -> Result<&str, Refused> {
    let is_sha256 = |text: &&str| {
        text.len() == 43 && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    };
    let challenge = text(form, "code_challenge")?.filter(is_sha256);
    let is_s256 = text(form, "code_challenge_method")? == Some("S256");
    let why = "PKCE is required: a code_challenge, and code_challenge_method=S256";
    challenge.filter(|_| is_s256).ok_or(("invalid_request", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// A request of which this replaces parameters, or adds them.
    fn form(more: &str) -> Form {
        let own = format!(
            "response_type=code&scope=openid+email&code_challenge_method=S256&code_challenge={CHALLENGE}"
        );
        let name = |pair: &str| pair.split('=').next().map(str::to_owned);
        let is_kept = |pair: &&str| !more.split('&').any(|other| name(other) == name(pair));
        let all: Vec<_> = own.split('&').filter(is_kept).chain([more]).collect();
        Form::parse(all.join("&").as_bytes()).unwrap()
    }

    #[test]
    fn a_request_has_values_for_the_answer_and_a_name_for_the_page() {
        let form = form("state=s&nonce=n&prompt=login&max_age=0&login_hint=ann&display=popup");
        let asked = AuthorizeRequest::parse(&form).unwrap();
        let expected = AuthorizeRequest {
            state: Some("s"),
            nonce: Some("n"),
            challenge: CHALLENGE,
            hint: Some("ann"),
            must_enter_number: false,
        };
        assert_eq!(asked, expected);
    }

    #[test]
    fn a_request_without_pkce_or_with_unsupported_parameters_gets_the_error_of_its_fault() {
        let long = "a".repeat(1_025);
        for (more, word) in [
            ("response_type=", "invalid_request"),
            ("response_type=token", "unsupported_response_type"),
            ("response_type=code+id_token", "unsupported_response_type"),
            ("response_mode=fragment", "invalid_request"),
            ("scope=email", "invalid_scope"),
            ("scope=", "invalid_scope"),
            ("code_challenge=", "invalid_request"),
            ("code_challenge=short", "invalid_request"),
            (&format!("code_challenge={}", CHALLENGE.replace('-', "+")), "invalid_request"),
            ("code_challenge_method=", "invalid_request"),
            ("code_challenge_method=plain", "invalid_request"),
            ("prompt=none", "login_required"),
            ("prompt=none+login", "invalid_request"),
            ("max_age=-1", "invalid_request"),
            ("request=x", "request_not_supported"),
            ("request_uri=x", "request_uri_not_supported"),
            ("nonce=a&nonce=b", "invalid_request"),
            (&format!("nonce={long}"), "invalid_request"),
            (&format!("state={long}"), "invalid_request"),
        ] {
            let form = form(more);
            let refused = AuthorizeRequest::parse(&form).map_err(|(word, _)| word);
            assert_eq!(refused, Err(word), "{more}");
        }
    }
}
