//! Enrolment codes: what a person types who can neither scan nor open an enrolment link. A code is as good as the link, works as
//! long, and is a function of the access token; the database has its hash alone.
//!
//! A code has 50 bits, so guesses are bounded: for each network, and for all together, on each node.

use std::net::IpAddr;
use std::time::Duration;

use countersign_domain::access_token::AccessToken;
use countersign_domain::client_network::ClientNetwork;
use countersign_domain::secret::{Secret, SecretHash};

use crate::error::VerifyError;
use crate::keys::Keys;
use crate::short_links::OpenedLink;
use crate::verify::Verify;

/// The characters of codes: none is taken for another, and no word appears (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code.
const LENGTH: usize = 10;

/// Why a code opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentCodeError {
    /// No open invitation has it.
    #[error("unknown code")]
    Unknown,
    /// Too many codes were wrong: how long none is judged.
    #[error("too many codes were wrong")]
    TooMany(Duration),
    /// The database failed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl Keys {
    /// The code of an access token, as it is stored.
    pub(crate) fn enrolment_code_hash(&self, token: &AccessToken) -> SecretHash {
        self.hash_of_code(&self.draw_code(token))
    }

    fn draw_code(&self, token: &AccessToken) -> String {
        let SecretHash(bytes) =
            self.hash(&format!("enrolment code of {} {}", token.service, token.sid));
        let character = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
        bytes.iter().take(LENGTH).map(character).collect()
    }

    fn hash_of_code(&self, code: &str) -> SecretHash {
        self.hash(&format!("enrolment code {code}"))
    }
}

impl Verify {
    /// The code of an access token that [`Verify::invite`] made, in two groups. It gives the right to use the token.
    pub fn enrolment_code(&self, token: &AccessToken) -> Secret {
        let code = self.keys.draw_code(token);
        let (first, second) = code.split_at(LENGTH / 2);
        Secret::new(format!("{first}-{second}"))
    }

    /// Whether a text has the form of a code.
    pub fn is_enrolment_code(text: &str) -> bool {
        read(text).is_some()
    }

    /// The content of the enrolment link whose code somebody typed.
    ///
    /// # Errors
    /// See [`EnrolmentCodeError`].
    pub async fn open_enrolment_code(
        &self,
        text: &str,
        from: Option<IpAddr>,
    ) -> Result<OpenedLink, EnrolmentCodeError> {
        let code = read(text).ok_or(EnrolmentCodeError::Unknown)?;
        let (from, now) = (from.map(ClientNetwork::of), self.monotonic());
        self.code_guesses.begin(from, now).map_err(EnrolmentCodeError::TooMany)?;
        let found = self.store.access_token_by_code(self.keys.hash_of_code(&code)).await;
        let token = found.map_err(VerifyError::from)?.ok_or(EnrolmentCodeError::Unknown)?;
        let opened = self.open_link(token.account, token.service, token.sid).await;
        match opened {
            Ok(opened) => {
                self.code_guesses.was_right(from, now);
                Ok(opened)
            }
            Err(VerifyError::NotFound) => Err(EnrolmentCodeError::Unknown),
            Err(error) => Err(error.into()),
        }
    }
}

/// A typed code in its one form: without spaces and hyphens, in capitals, and what looks alike as one.
fn read(text: &str) -> Option<String> {
    let mut code = String::with_capacity(LENGTH);
    for character in text.chars().filter(|it| !matches!(it, ' ' | '-')) {
        let character = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let is_known = u8::try_from(character).is_ok_and(|byte| ALPHABET.contains(&byte));
        if !is_known || code.len() == LENGTH {
            return None;
        }
        code.push(character);
    }
    (code.len() == LENGTH).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let one = Some("K7XM42PQR0".to_owned());
        for text in ["K7XM4-2PQR0", "k7xm42pqro", " k7xm4 2pqrO ", "K-7-X-M-4-2-P-Q-R-0"] {
            assert_eq!(read(text), one, "{text}");
        }
        assert_eq!(read("ilIL1 00oO0").as_deref(), Some("1111100000"));
        for text in ["", "K7XM4-2PQR", "K7XM4-2PQR00", "K7XM4-2PQRU", "K7XM4_2PQR0", "K7XM4-2PQRß"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
