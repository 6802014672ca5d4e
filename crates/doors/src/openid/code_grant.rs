//! The grant of authorization codes (OpenID Connect Core section 3.1.3, RFC 7636 section 4.6).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::time::Instant;
use countersign_verify::openid_tokens::SignIn;

use super::approval;
use super::client::ClientRequest;
use super::door::OpenIdDoor;
use super::refusal::Refusal;
use crate::sign_in::code::Code;

/// The sign-in that a code stands for.
///
/// # Errors
/// The client was given no such code for this address and this verifier, or has used it.
pub(super) async fn sign_in(door: &OpenIdDoor, request: &ClientRequest) -> Result<SignIn, Refusal> {
    let (form, client) = (&request.form, request.client());
    let text = form.required("code", "code is missing")?;
    let redirect_uri = form.required("redirect_uri", "redirect_uri is missing")?;
    let verifier = form.required("code_verifier", "code_verifier is missing")?;
    let fits = |code: &Code| {
        let is_proved = code.challenge.as_deref().is_some_and(|it| proves(verifier, it));
        code.redirect_uri == redirect_uri && is_proved
    };
    let taken = Code::take(&door.verify, client, text, fits).await?;
    let (code, right) = taken.ok_or(Refusal::InvalidGrant)?;
    Ok(SignIn {
        identity: client.identity(&code.user).map_err(|_| Refusal::InvalidGrant)?,
        at: Instant::from_seconds(code.at),
        class: approval::class(code.method),
        methods: approval::methods(code.method),
        nonce: code.nonce,
        right: Some(right),
    })
}

/// Whether a verifier is the one of a challenge.
fn proves(verifier: &str, challenge: &str) -> bool {
    let is_one = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._~".contains(&c));
    let right = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    is_one && verify_slices_are_equal(right.as_bytes(), challenge.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_proves_its_own_challenge() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(proves(verifier, challenge));
        assert!(!proves(&verifier.replace('d', "e"), challenge));
        assert!(!proves(challenge, challenge), "plain");
        assert!(!proves("", challenge) && !proves(verifier, ""));
    }
}
