//! The state of a login between two requests. The server keeps nothing about it: the client returns which prompt it is, with a MAC
//! under its secret, so that nobody can name a prompt that they were not given.

use aws_lc_rs::hmac;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{ChallengeGroupSid, ChallengeSid};
use countersign_domain::text::Identity;

/// Bytes of the SID, and of the MAC.
const HALF: usize = 16;

/// The state of a login by this prompt of this person.
pub(super) fn write(
    group: ChallengeGroupSid,
    identity: &Identity,
    secret: &Secret,
) -> [u8; 2 * HALF] {
    let sid = group.first();
    let mut state = [0; 2 * HALF];
    state[..HALF].copy_from_slice(sid.as_bytes());
    let mac = hmac::sign(&key(secret), &message(sid.as_bytes(), identity));
    state[HALF..].copy_from_slice(&mac.as_ref()[..HALF]);
    state
}

/// The prompt of a state; `None` if this client was given no such state for this person.
pub(super) fn read(
    state: &[u8],
    identity: &Identity,
    secret: &Secret,
) -> Option<ChallengeGroupSid> {
    let (sid, _) = state.split_first_chunk::<HALF>()?;
    let group = ChallengeGroupSid::of_first(ChallengeSid::from_bytes(*sid));
    let right = write(group, identity, secret);
    aws_lc_rs::constant_time::verify_slices_are_equal(&right, state).ok()?;
    Some(group)
}

/// A mark by which the repetition of a login is known: of the client, the user name and the person's place.
pub(super) fn mark(user_name: &str, calling_station: &str, secret: &Secret) -> String {
    let place =
        [b"countersign radius login\n", user_name.as_bytes(), b"\n", calling_station.as_bytes()];
    let mac = hmac::sign(&key(secret), &place.concat());
    data_encoding::HEXLOWER.encode(&mac.as_ref()[..HALF])
}

fn message(sid: &[u8; HALF], identity: &Identity) -> Vec<u8> {
    [b"countersign radius state\n", sid.as_slice(), identity.as_str().as_bytes()].concat()
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_of_one_client_one_person_and_one_prompt() {
        let (secret, other) = (Secret::new("one"), Secret::new("other"));
        let ann = Identity::parse("ann-00001").unwrap();
        let bob = Identity::parse("bob-00001").unwrap();
        let group = ChallengeGroupSid::of_first(ChallengeSid::from_bytes([3; 16]));
        let state = write(group, &ann, &secret);
        assert_eq!(read(&state, &ann, &secret), Some(group));
        assert_eq!(read(&state, &bob, &secret), None);
        assert_eq!(read(&state, &ann, &other), None);
        for at in 0..state.len() {
            let mut changed = state;
            changed[at] ^= 1;
            assert_eq!(read(&changed, &ann, &secret), None);
            assert_eq!(read(&state[..at], &ann, &secret), None);
        }
        assert_eq!(read(&[&state[..], &[0]].concat(), &ann, &secret), None);
    }

    #[test]
    fn logins_from_two_places_have_different_marks() {
        let secret = Secret::new("one");
        let ann = mark("ann", "192.0.2.7", &secret);
        assert_eq!(mark("ann", "192.0.2.7", &secret), ann);
        assert_ne!(mark("ann", "192.0.2.8", &secret), ann);
        assert_ne!(mark("bob", "192.0.2.7", &secret), ann);
        assert_ne!(mark("ann", "192.0.2.7", &Secret::new("other")), ann);
    }
}
