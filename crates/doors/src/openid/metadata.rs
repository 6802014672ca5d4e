//! The provider's metadata (OpenID Connect Discovery section 3, CIBA Core section 4). Any service may be named, so that
//! nobody learns which there are.

use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::sid::ServiceSid;
use serde_json::{Value, json};

use super::approval;
use super::door::OpenIdDoor;
use super::grant_type::GrantType;

/// The metadata of the issuer of a service.
pub(super) fn document(door: &OpenIdDoor, service: ServiceSid) -> Value {
    let issuer = door.issuer(service);
    let at = |path: &str| format!("{issuer}/{path}");
    json!({
        "issuer": issuer,
        "jwks_uri": at("jwks"),
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "backchannel_authentication_endpoint": at("bc-authorize"),
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_user_code_parameter_supported": true,
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": JwsAlgorithm::ALL.map(JwsAlgorithm::as_str),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": ["openid"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "nonce"],
        "acr_values_supported": approval::CLASSES,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
