//! Decrypts pushes as a browser does: RFC 8291 over RFC 8188, one record.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use crate::error::Error;
use crate::random;

/// The length of an uncompressed point on P-256.
pub(super) const POINT: usize = 65;
/// The length of salt, record size and key id length.
const HEAD: usize = 16 + 4 + 1;
/// The length of the AES-GCM tag.
const TAG: usize = 16;

/// The keys of a subscription.
pub(super) struct Keys {
    private: PrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
}

impl Keys {
    pub(super) fn generate() -> Result<Self, Error> {
        Self::of(PrivateKey::generate(&ECDH_P256)?, random::bytes())
    }

    fn of(private: PrivateKey, auth: [u8; 16]) -> Result<Self, Error> {
        let public = private.compute_public_key()?.as_ref().to_vec();
        Ok(Self { private, public, auth })
    }

    /// `p256dh`.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// `auth`.
    pub(super) fn auth(&self) -> &[u8] {
        &self.auth
    }

    /// Decrypts a body.
    ///
    /// # Errors
    /// The defect of the body.
    pub(super) fn open(&self, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let head = body.get(..HEAD).ok_or("the body is shorter than its header")?;
        let salt = &head[..16];
        let record = u32::from_be_bytes([head[16], head[17], head[18], head[19]]);
        if usize::from(head[20]) != POINT {
            return Err("the key id is not a point on P-256");
        }
        let sender = body.get(HEAD..HEAD + POINT).ok_or("the key id is cut off")?;
        let sealed = &body[HEAD + POINT..];
        let is_one_record = usize::try_from(record).is_ok_and(|record| sealed.len() <= record);
        if record < 18 || sealed.len() <= TAG || !is_one_record {
            return Err("not exactly one record");
        }
        let (key, nonce) = self.derive(sender, salt).ok_or("the key id is not on the curve")?;
        let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| "no key")?;
        let mut sealed = sealed.to_vec();
        let plain = LessSafeKey::new(key)
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .map_err(|_| "it was not encrypted for this subscription")?;
        // Padding is zeros after the delimiter of the last record.
        let end = plain.iter().rposition(|byte| *byte != 0).ok_or("there is no delimiter")?;
        if plain[end] != 2 {
            return Err("the delimiter is not that of a last record");
        }
        Ok(plain[..end].to_vec())
    }

    fn derive(&self, sender: &[u8], salt: &[u8]) -> Option<([u8; 16], [u8; 12])> {
        let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
        let secret = |shared: &[u8]| Ok(mac(&self.auth, &[shared]));
        let key = agreement::agree(&self.private, peer, (), secret).ok()?;
        let material = mac(&key, &[b"WebPush: info\0", &self.public, sender, &[1]]);
        let seed = mac(salt, &[&material]);
        let content = mac(&seed, &[b"Content-Encoding: aes128gcm\0\x01"]);
        let nonce = mac(&seed, &[b"Content-Encoding: nonce\0\x01"]);
        Some((content[..16].try_into().ok()?, nonce[..12].try_into().ok()?))
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// The keys and the message of RFC 8291, appendix A.
    fn documented() -> (Keys, Vec<u8>) {
        let private = decoded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let private = PrivateKey::from_private_key(&ECDH_P256, &private).unwrap();
        let auth = decoded("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap();
        let body = decoded(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        (Keys::of(private, auth).unwrap(), body)
    }

    #[test]
    fn the_example_of_rfc_8291_is_decrypted() {
        let (keys, body) = documented();
        assert_eq!(keys.open(&body).unwrap(), b"When I grow up, I want to be a watermelon");
    }

    #[test]
    fn a_modified_or_truncated_body_is_rejected() {
        let (keys, body) = documented();
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let is_in_record_size = (16..20).contains(&at);
            assert!(keys.open(&changed).is_err() || is_in_record_size, "byte {at}");
        }
        for length in 0..body.len() {
            assert!(keys.open(&body[..length]).is_err(), "{length} bytes");
        }
        assert!(Keys::generate().unwrap().open(&body).is_err());
    }
}
