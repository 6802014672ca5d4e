//! The uses of a shared secret on a packet: sums that authenticate it, and the password under a pad (RFC 2865, section 5.2; RFC 3579,
//! section 3.2). The protocol demands MD5.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::packet::{Packet, kind};

/// The longest password: eight blocks.
const LONGEST_PASSWORD: usize = 128;

/// MD5 of all parts.
pub(super) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut sum = Md5::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.finalize().into()
}

/// HMAC-MD5 of all parts.
pub(super) fn hmac_md5(secret: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut sum = Hmac::<Md5>::new_from_slice(secret).expect("a key of any length");
    parts.iter().for_each(|part| sum.update(part));
    sum.finalize().into_bytes().into()
}

/// Whether the Message-Authenticator of a request is that of the secret; `None` if it has none.
pub(super) fn is_authentic(packet: &Packet<'_>, secret: &[u8]) -> Option<bool> {
    let mut all = packet.all(kind::MESSAGE_AUTHENTICATOR);
    let found = all.next()?;
    let (Some(end), None) = (packet.bytes.get(found.at + found.value.len()..), all.next()) else {
        return Some(false);
    };
    let sum = hmac_md5(secret, &[&packet.bytes[..found.at], &[0; 16], end]);
    Some(aws_lc_rs::constant_time::verify_slices_are_equal(&sum, found.value).is_ok())
}

/// The password under the pad of a request, without the zeros that fill its last block; `None` if it has no such form.
pub(super) fn uncovered(
    covered: &[u8],
    secret: &[u8],
    authenticator: [u8; 16],
) -> Option<Zeroizing<Vec<u8>>> {
    if covered.is_empty() || covered.len() > LONGEST_PASSWORD || !covered.len().is_multiple_of(16) {
        return None;
    }
    let mut password = Zeroizing::new(Vec::with_capacity(covered.len()));
    let mut before = authenticator;
    for block in covered.chunks_exact(16) {
        let pad = md5(&[secret, &before]);
        password.extend(block.iter().zip(pad).map(|(byte, pad)| byte ^ pad));
        before.copy_from_slice(block);
    }
    let length = password.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    password.truncate(length);
    Some(password)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    /// A packet of radclient 3.2.1 with a Message-Authenticator.
    const ANN: &str = "0136003ddf0433412484456aa35983c63f9efc0d0105616e6e0212aff21fd1493bdd7750be42b772e97cde5012a005fc08b0e1ed984016a335a0f59e3e";

    #[test]
    fn a_password_is_uncovered_by_its_secret() {
        // RFC 2865, section 7.1, and packets of radclient 3.2.1.
        for (packet, secret, password) in [
            (
                "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a80110050600000003",
                "xyzzy5461",
                "arctangent",
            ),
            (ANN, "testing123", "s3cret"),
            (
                "015a003ce46a2cfbe8a5f1f4a270b210d2c3f0fe0105616e6e021263b4804a0978d19400ed8891dc1c42d7200676706e311f0b3139322e302e322e37",
                "testing123",
                "s3cret",
            ),
            (
                "0147002b106b7b61bb8cf7cf903a087db28e1f2f0105616e6e02122f9b4bd2fa3f2d4b46082d1895fd9cf8",
                "testing123",
                "s3cret",
            ),
        ] {
            let packet = bytes(packet);
            let packet = Packet::parse(&packet).unwrap();
            let covered = packet.first(kind::USER_PASSWORD).unwrap().value;
            let found = uncovered(covered, secret.as_bytes(), packet.authenticator).unwrap();
            assert_eq!(*found, password.as_bytes());
            let found = uncovered(covered, b"wrong", packet.authenticator).unwrap();
            assert_ne!(*found, password.as_bytes());
        }
        for wrong in [0, 1, 15, 17, 144] {
            assert!(uncovered(&vec![7; wrong], b"x", [0; 16]).is_none(), "{wrong}");
        }
        let longest = uncovered(&[7; 128], b"x", [0; 16]).unwrap();
        assert!(longest.len() > 112);
    }

    #[test]
    fn a_message_authenticator_is_of_every_byte() {
        let packet = bytes(ANN);
        let judge = |bytes: &[u8]| is_authentic(&Packet::parse(bytes).unwrap(), b"testing123");
        assert_eq!(judge(&packet), Some(true));
        assert_eq!(is_authentic(&Packet::parse(&packet).unwrap(), b"testing124"), Some(false));
        for at in [0, 1, 4, 19, 22, 30, 45, 60] {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert_eq!(judge(&changed), Some(false), "{at}");
        }
        let mut without = packet[..43].to_vec();
        without[3] = 43;
        assert_eq!(judge(&without), None);
        let mut short = packet[..60].to_vec();
        (short[3], short[44]) = (60, 17);
        assert_eq!(judge(&short), Some(false));
        let mut twice = [&packet[..], &packet[43..]].concat();
        twice[3] += 18;
        assert_eq!(judge(&twice), Some(false), "more than one");
    }
}
