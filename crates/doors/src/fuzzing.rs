//! Entry points of the fuzz targets (`fuzz/`): the parsers of untrusted input.

use countersign_domain::openid_client::{CibaMode, OpenIdClient, UserCode};
use countersign_domain::secret::Secret;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::duo::{Credentials, Parameters, Transaction};
use crate::keycloak::{Bearer, Question};
use crate::openid::{AuthorizeRequest, CibaRequest, ClientCredentials, Form};

/// The form in which the parameters of a form are signed; `None` if the bytes are no form.
pub fn duo_form(bytes: &[u8]) -> Option<String> {
    Parameters::of_form(bytes).ok().map(|parameters| parameters.canonical())
}

/// As [`duo_form`], of the members of a JSON object.
pub fn duo_json(bytes: &[u8]) -> Option<String> {
    Parameters::of_json(bytes).ok().map(|parameters| parameters.canonical())
}

/// Whether bytes are the value of `Authorization`.
pub fn is_duo_authorization(bytes: &[u8]) -> bool {
    Credentials::of(&authorization(bytes)).is_ok()
}

fn authorization(bytes: &[u8]) -> HeaderMap {
    let value = HeaderValue::from_bytes(bytes).ok();
    value.map(|value| (AUTHORIZATION, value)).into_iter().collect()
}

/// The name of a login, computed again; `None` if the holder of `secret` got no such name.
pub fn duo_transaction(name: &str, secret: &str) -> Option<String> {
    let secret = Secret::new(secret);
    Transaction::read(name, &secret).map(|read| read.name(&secret))
}

/// Whether bytes are a request to ask by CIBA, of a client that must send everything.
pub fn is_ciba_request(bytes: &[u8]) -> bool {
    let client = OpenIdClient {
        ciba: CibaMode::Ping,
        user_code: UserCode::Required,
        ..OpenIdClient::default()
    };
    Form::parse(bytes).and_then(|form| CibaRequest::parse(&form, &client)).is_ok()
}

/// Whether bytes are a request of the authorization endpoint.
pub fn is_authorize_request(bytes: &[u8]) -> bool {
    Form::parse(bytes).is_ok_and(|form| AuthorizeRequest::parse(&form).is_ok())
}

/// Whether bytes are the value of an `Authorization` by which a client of the OpenID provider authenticates.
pub fn is_client_authorization(bytes: &[u8]) -> bool {
    ClientCredentials::read(&authorization(bytes), &Form::default()).is_ok()
}

/// Whether a text is a JWT of a client of Universal Prompt, under this secret.
pub fn is_universal_prompt_jwt(text: &str, secret: &str) -> bool {
    crate::universal_prompt::fuzz(text, secret)
}

/// Whether bytes are the claims of what a client of Universal Prompt signs.
pub fn is_universal_prompt_claims(bytes: &[u8]) -> bool {
    crate::universal_prompt::fuzz_claims(bytes)
}

/// Whether bytes are the value of an `Authorization` as Keycloak sends it.
pub fn is_keycloak_authorization(bytes: &[u8]) -> bool {
    Bearer::of(&authorization(bytes)).is_some()
}

/// Whether bytes are a question of Keycloak.
pub fn is_keycloak_question(bytes: &[u8]) -> bool {
    Question::parse(bytes).is_ok()
}

/// Whether a datagram is a RADIUS packet; `Some(false)` if a response to it would be none.
pub fn radius_packet(bytes: &[u8], secret: &str) -> Option<bool> {
    crate::radius::fuzz(bytes, secret.as_bytes())
}

/// Whether the headers of a web server name a page of a protected site; `Some(false)` if the way back to it would lead elsewhere.
pub fn forward_auth(url: &str, uri: &str) -> Option<bool> {
    crate::forward_auth::fuzz(url, uri)
}
