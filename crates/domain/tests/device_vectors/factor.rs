//! Proof of possession: a DER signature over the factor's SID.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_domain::key::DeviceKey;

use crate::example::{FACTOR_SIGNATURE, PUBLIC_KEY, Signer, factor};

fn proof() -> Vec<u8> {
    STANDARD.decode(FACTOR_SIGNATURE).expect("base64")
}

#[test]
fn the_worked_example_proves_possession() {
    assert!(factor().is_proved_by(&proof()));
}

#[test]
fn the_public_key_is_printed_as_it_was_sent() {
    assert_eq!(DeviceKey::parse(PUBLIC_KEY).unwrap().to_text(), PUBLIC_KEY);
    assert_eq!(Signer::known().key().to_text(), PUBLIC_KEY);
}

#[test]
fn a_proof_is_of_one_factor_and_one_key() {
    let mut other = factor();
    other.sid = "YF03a1b2c3d4e5f60718293a4b5c6d7e80".parse().unwrap();
    assert!(!other.is_proved_by(&proof()));

    let mut other = factor();
    other.key = Signer::other().key();
    assert!(!other.is_proved_by(&proof()));
}

#[test]
fn only_the_whole_signature_is_a_proof() {
    let whole = proof();
    assert!(!factor().is_proved_by(&[]));
    assert!(!factor().is_proved_by(&whole[..whole.len() - 1]));
    assert!(!factor().is_proved_by(&[whole.as_slice(), &[0]].concat()));
    for at in 0..whole.len() {
        let mut wrong = whole.clone();
        wrong[at] ^= 1;
        assert!(!factor().is_proved_by(&wrong), "byte {at}");
    }
}

/// Tokens have raw signatures and proofs have DER signatures. Neither is accepted in place of the other.
#[test]
fn the_two_encodings_are_not_exchangeable() {
    let factor = factor();
    let message = factor.sid.to_string();
    assert!(factor.key.signed_der(message.as_bytes(), &proof()));
    assert!(!factor.key.signed_raw(message.as_bytes(), &proof()));
}
