//! Encrypts the body of a push (RFC 8291 over RFC 8188), so that only the subscribed browser can read it. The `ece` crate
//! would bring OpenSSL.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

/// The record size in the header (RFC 8188, section 2.1). There is one record.
const RECORD_SIZE: u32 = 4_096;
/// The longest plaintext, in bytes. Push services must accept bodies of 4,096 bytes: 86 of the header, 16 of the tag, 1 for the
/// end of the plaintext, and the plaintext.
pub(super) const LONGEST: usize = 3_993;
/// The byte after the plaintext of the last record.
const LAST_RECORD: u8 = 2;

/// The keys of the subscribed browser.
#[derive(Clone)]
pub(super) struct Reader {
    /// The browser's public key, an uncompressed point.
    pub(super) point: [u8; 65],
    /// The secret that the browser shares with the sender.
    pub(super) auth: [u8; 16],
}

/// Encrypts a text. The sender's key and the salt must be used for nothing else.
///
/// # Errors
/// The text is longer than [`LONGEST`], or the browser's key is no point on the curve.
pub(super) fn encrypt(
    reader: &Reader,
    sender: &PrivateKey,
    salt: [u8; 16],
    text: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    if text.len() > LONGEST {
        return Err(Unspecified);
    }
    let sender_point = sender.compute_public_key()?;
    let (key, nonce) = derive(reader, sender, sender_point.as_ref(), salt)?;
    let mut sealed = [text, &[LAST_RECORD]].concat();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)?;
    let mut body = Vec::with_capacity(86 + sealed.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_SIZE.to_be_bytes());
    body.push(65);
    body.extend_from_slice(sender_point.as_ref());
    body.extend_from_slice(&sealed);
    Ok(body)
}

fn derive(
    reader: &Reader,
    sender: &PrivateKey,
    sender_point: &[u8],
    salt: [u8; 16],
) -> Result<([u8; 16], [u8; 12]), Unspecified> {
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &reader.point);
    let key = agree(sender, theirs, Unspecified, |shared| Ok(mac(&reader.auth, &[shared])))?;
    let secret = mac(&key, &[b"WebPush: info\0", &reader.point, sender_point, &[1]]);
    let key = mac(&salt, &[&secret]);
    let (mut content, mut nonce) = ([0; 16], [0; 12]);
    content.copy_from_slice(&mac(&key, &[b"Content-Encoding: aes128gcm\0\x01"])[..16]);
    nonce.copy_from_slice(&mac(&key, &[b"Content-Encoding: nonce\0\x01"])[..12]);
    Ok((content, nonce))
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(sign(&Key::new(HMAC_SHA256, key), &parts.concat()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    /// Decrypts as a browser does, with its private key.
    fn decrypt(own: &PrivateKey, auth: [u8; 16], body: &[u8]) -> Vec<u8> {
        let salt: [u8; 16] = body[..16].try_into().unwrap();
        assert_eq!(body[16..21], [0, 0, 16, 0, 65]);
        let sender: [u8; 65] = body[21..86].try_into().unwrap();
        let own_point = own.compute_public_key().unwrap();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, &sender);
        let key = agree(own, theirs, (), |shared| Ok(mac(&auth, &[shared]))).unwrap();
        let secret = mac(&key, &[b"WebPush: info\0", own_point.as_ref(), &sender, &[1]]);
        let key = mac(&salt, &[&secret]);
        let content = &mac(&key, &[b"Content-Encoding: aes128gcm\0\x01"])[..16];
        let nonce = mac(&key, &[b"Content-Encoding: nonce\0\x01"])[..12].try_into().unwrap();
        let opening = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, content).unwrap());
        let mut sealed = body[86..].to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let text = opening.open_in_place(nonce, Aad::empty(), &mut sealed).unwrap();
        let (last, text) = text.split_last().unwrap();
        assert_eq!(*last, LAST_RECORD);
        text.to_vec()
    }

    #[test]
    fn the_example_of_rfc_8291_is_reproduced() {
        let reader = Reader {
            point: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let sender: [u8; 32] = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let sender = PrivateKey::from_private_key(&ECDH_P256, &sender).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let point = sender.compute_public_key().unwrap();
        let (key, nonce) = derive(&reader, &sender, point.as_ref(), salt).unwrap();
        assert_eq!(key, bytes::<16>("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(nonce, bytes::<12>("4h_95klXJ5E_qnoN"));
        let text = b"When I grow up, I want to be a watermelon";
        let body = encrypt(&reader, &sender, salt, text).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn a_text_above_the_bound_is_rejected() {
        let own = PrivateKey::generate(&ECDH_P256).unwrap();
        let point = own.compute_public_key().unwrap().as_ref().try_into().unwrap();
        let reader = Reader { point, auth: [7; 16] };
        let sender = PrivateKey::generate(&ECDH_P256).unwrap();
        let body = encrypt(&reader, &sender, [1; 16], &[b'x'; LONGEST]).unwrap();
        assert_eq!(body.len(), 4_096);
        assert!(encrypt(&reader, &sender, [1; 16], &[b'x'; LONGEST + 1]).is_err());
        let off_the_curve = Reader { point: [4; 65], auth: [7; 16] };
        assert!(encrypt(&off_the_curve, &sender, [1; 16], b"x").is_err());
    }

    proptest! {
        #[test]
        fn a_browser_decrypts_the_text(
            text in prop::collection::vec(any::<u8>(), 0..LONGEST),
            auth: [u8; 16],
            salt: [u8; 16],
        ) {
            let (own, sender) = (PrivateKey::generate(&ECDH_P256).unwrap(), PrivateKey::generate(&ECDH_P256).unwrap());
            let secret: EcPrivateKeyBin<'_> = own.as_be_bytes().unwrap();
            prop_assert_eq!(secret.as_ref().len(), 32);
            let point = own.compute_public_key().unwrap().as_ref().try_into().unwrap();
            let body = encrypt(&Reader { point, auth }, &sender, salt, &text).unwrap();
            prop_assert_eq!(decrypt(&own, auth, &body), text);
        }
    }
}
