use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};

use super::*;
use crate::key::DeviceKey;

fn pair(curve: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(curve).unwrap()
}

fn public(curve: &'static EcdsaSigningAlgorithm) -> Vec<u8> {
    let key: PublicKeyX509Der<'_> = pair(curve).public_key().as_der().unwrap();
    key.as_ref().to_vec()
}

fn fault(text: &str) -> String {
    DeviceKey::parse(text).expect_err(text).to_string()
}

fn fault_of(der: &[u8]) -> String {
    fault(&STANDARD.encode(der))
}

/// The SubjectPublicKeyInfo of a P-256 key with its point compressed.
fn compressed(der: &[u8]) -> Vec<u8> {
    let (lead, x) = (0x02 | der[90] & 1, &der[27..59]);
    [&[0x30, 0x39], &SPKI_PREFIX[2..23], &[0x03, 0x22, 0x00, lead], x].concat()
}

#[test]
fn every_mistake_in_a_key_has_its_own_text() {
    let der = public(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let text = STANDARD.encode(&der);
    assert!(DeviceKey::parse(&text).is_ok());

    let private = pair(&ECDSA_P256_SHA256_FIXED_SIGNING).to_pkcs8v1().unwrap();
    let other_curve = public(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let ed25519: PublicKeyX509Der<'_> =
        Ed25519KeyPair::generate().unwrap().public_key().as_der().unwrap();
    let mut off = der.clone();
    off[90] ^= 1;
    let certificate = [0x30, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x02, 0x01, 0x02];
    let rsa = [0x30, 0x07, 0x02, 0x02, 0x7f, 0xff, 0x02, 0x01, 0x03];
    let compressed_point = [&[0x03], &der[27..59]].concat();

    let faults = [
        (fault(""), "is empty"),
        (fault(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END")), "PEM lines"),
        (fault("-----BEGIN EC PRIVATE KEY-----"), "never leave the device"),
        (fault("-----BEGIN CERTIFICATE-----"), "is a certificate"),
        (fault(r#"{"kty":"EC"}"#), "is JSON"),
        (fault(&text.replace('A', " ")), "%2B"),
        (fault("3059301306072a86"), "is hexadecimal"),
        (fault(&text.replacen('A', "-", 1)), "alphabet for URLs"),
        (fault(text.trim_end_matches('=')), "wrong padding"),
        (fault("MFkw*"), "character 5 "),
        (fault_of(&der[..90]), "must have 91 bytes of DER, has 90"),
        (fault_of(&[&*der, &[0]].concat()), "must have 91 bytes of DER, has 92"),
        (fault_of(&other_curve[..80]), "cut short"),
        (fault_of(&[&*other_curve, &[0, 0]].concat()), "has 2 bytes after its end"),
        (fault_of(b"hello"), "is not DER"),
        (fault_of(&der[26..]), "is a bare point"),
        (fault_of(&compressed_point), "compressed point"),
        (fault_of(&compressed(&der)), "compressed point"),
        (fault_of(private.as_ref()), "is a private key"),
        (fault_of(&certificate), "is a certificate"),
        (fault_of(&rsa), "is an RSA key"),
        (fault_of(ed25519.as_ref()), "is an Ed25519 key"),
        (fault_of(&other_curve), "is a key on P-384"),
        (fault_of(&off), "does not lie on the curve"),
        (fault_of(&[0x30, 0x00]), "no SubjectPublicKeyInfo"),
    ];
    for (said, expected) in &faults {
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains(&text[40..60]), "no text contains the key: {said}");
    }
}

#[test]
fn no_bytes_make_the_parser_panic() {
    let der = public(&ECDSA_P384_SHA384_FIXED_SIGNING);
    for length in 0..der.len() {
        assert!(point(&der[..length]).is_err());
        for byte in [0, 0x02, 0x30, 0x7f, 0x80, 0x81, 0x82, 0xff] {
            let mut wrong = der.clone();
            wrong[length] = byte;
            assert!(point(&wrong).is_err());
        }
    }
}
