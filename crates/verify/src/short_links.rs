//! Short forms of enrolment links, which fit into a small code to scan. One names an access token and proves, by a key of this
//! installation, that this server made it. It is not stored, and works as long as its token does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_domain::access_token::AccessToken;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccessTokenSid, AccountSid, ServiceSid};

use crate::error::{VerifyError, VerifyResult};
use crate::verify::Verify;

/// Bytes of a SID.
const SID: usize = 16;
/// Characters of the two SIDs in base64url; the proof follows them.
const NAMES: usize = 43;
/// Characters of a code: the SIDs, and a proof of 256 bits.
const WHOLE: usize = NAMES + 43;

/// The content of an enrolment link.
#[derive(Debug, Clone)]
pub struct OpenedLink {
    /// The access token.
    pub token: AccessToken,
    /// Its text.
    pub text: Secret,
    /// The service's public key for Web Push.
    pub push_key: String,
}

impl Verify {
    /// The code of the short link to an access token. It gives the right to use the token.
    pub fn short_link(&self, token: &AccessToken) -> Secret {
        let names = [*token.service.as_bytes(), *token.sid.as_bytes()].concat();
        let names = URL_SAFE_NO_PAD.encode(names);
        let proof = self.keys.form_token(&proven(&names));
        Secret::new(format!("{names}{proof}"))
    }

    /// The content of the link with this code.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] if this server did not make the code, or if its token was used or has expired.
    pub async fn open_short_link(&self, code: &str) -> VerifyResult<OpenedLink> {
        let (service, sid) = self.read_short_link(code).ok_or(VerifyError::NotFound)?;
        let token = self.store.access_token(service, sid).await?;
        let account = token.ok_or(VerifyError::NotFound)?.account;
        self.open_link(account, service, sid).await
    }

    /// The content of the link to an access token.
    pub(crate) async fn open_link(
        &self,
        account: AccountSid,
        service: ServiceSid,
        sid: AccessTokenSid,
    ) -> VerifyResult<OpenedLink> {
        let (token, text) = self.access_token(account, service, sid).await?;
        if token.used_at.is_some() {
            return Err(VerifyError::NotFound);
        }
        let push_key = self.web_push_key(account, service).await?;
        Ok(OpenedLink { token, text, push_key })
    }

    fn read_short_link(&self, code: &str) -> Option<(ServiceSid, AccessTokenSid)> {
        if code.len() != WHOLE || !code.is_ascii() {
            return None;
        }
        let (names, proof) = code.split_at(NAMES);
        if !self.keys.is_form_token(&proven(names), proof) {
            return None;
        }
        let bytes: [u8; 2 * SID] = URL_SAFE_NO_PAD.decode(names).ok()?.try_into().ok()?;
        let (service, sid) = bytes.split_at(SID);
        let service = ServiceSid::from_bytes(service.try_into().ok()?);
        Some((service, AccessTokenSid::from_bytes(sid.try_into().ok()?)))
    }
}

/// The prefix of the proof's subject. No session's id begins so.
fn proven(names: &str) -> String {
    format!("enrolment link {names}")
}
