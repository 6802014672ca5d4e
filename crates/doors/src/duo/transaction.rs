//! The names that clients know a login by. The server keeps nothing about them: each says what it stands for, and carries a MAC
//! under the secret of its integration, so that no client can name what it did not get itself.

use aws_lc_rs::hmac;
use countersign_domain::presence::PresenceNumber;
use countersign_domain::secret::Secret;
use countersign_domain::sid::{AccessTokenSid, ChallengeGroupSid, ChallengeSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use data_encoding::HEXLOWER;

use super::answer::Status;

/// Longer texts are no names.
const LONGEST: usize = 256;
/// Bytes of the MAC that a name carries.
const MAC_BYTES: usize = 16;

/// The meaning of a transaction's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// The devices of a person were asked.
    Asked(Identity, ChallengeGroupSid),
    /// A code approved a challenge.
    Coded(Identity, ChallengeSid),
    /// It was denied at once.
    Refused(Status),
    /// A number was drawn, and nobody was asked yet. Ends at an instant of whole seconds.
    Drawn(Identity, PresenceNumber, Instant),
    /// A person was invited to enrol a device.
    Invited(Identity, AccessTokenSid),
}

impl Transaction {
    /// The name.
    pub(crate) fn name(&self, secret: &Secret) -> String {
        let content = match self {
            Self::Asked(identity, sid) => format!("a.{identity}.{sid}"),
            Self::Coded(identity, sid) => format!("c.{identity}.{sid}"),
            Self::Refused(status) => format!("r.{}", status.word()),
            Self::Drawn(identity, number, until) => {
                format!("d.{identity}.{}.{}", number.value(), until.as_seconds())
            }
            Self::Invited(identity, sid) => format!("i.{identity}.{sid}"),
        };
        let mac = hmac::sign(&key(secret), &message(&content));
        let mac = mac.as_ref().get(..MAC_BYTES).unwrap_or_default();
        format!("{content}.{}", HEXLOWER.encode(mac))
    }

    /// The transaction of a name; `None` if the holder of the secret got no such name.
    pub(crate) fn read(name: &str, secret: &Secret) -> Option<Self> {
        let (content, _) = name.rsplit_once('.').filter(|_| name.len() <= LONGEST)?;
        let read = Self::parse(content)?;
        // The name is computed again, so that each transaction has only one.
        let right = read.name(secret);
        aws_lc_rs::constant_time::verify_slices_are_equal(right.as_bytes(), name.as_bytes())
            .ok()?;
        Some(read)
    }

    fn parse(content: &str) -> Option<Self> {
        let parts: Vec<&str> = content.split('.').collect();
        let identity = |text: &str| Identity::parse(text).ok();
        match parts[..] {
            ["a", of, sid] => Some(Self::Asked(identity(of)?, sid.parse().ok()?)),
            ["c", of, sid] => Some(Self::Coded(identity(of)?, sid.parse().ok()?)),
            ["r", word] => Status::refusal(word).map(Self::Refused),
            ["d", of, number, until] => {
                let until = Instant::from_seconds(until.parse().ok()?);
                Some(Self::Drawn(identity(of)?, PresenceNumber::parse(number).ok()?, until))
            }
            ["i", of, sid] => Some(Self::Invited(identity(of)?, sid.parse().ok()?)),
            _ => None,
        }
    }
}

/// The secret also signs requests, whose texts begin otherwise.
fn message(content: &str) -> Vec<u8> {
    [b"countersign transaction\n", content.as_bytes()].concat()
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Transaction> {
        let ann = Identity::parse("ann-00001").unwrap();
        let challenge = ChallengeSid::from_bytes([3; 16]);
        vec![
            Transaction::Asked(ann.clone(), ChallengeGroupSid::of_first(challenge)),
            Transaction::Coded(ann.clone(), challenge),
            Transaction::Refused(Status::LockedOut),
            Transaction::Drawn(
                ann.clone(),
                PresenceNumber::new(64).unwrap(),
                Instant::from_seconds(1_700_000_000),
            ),
            Transaction::Invited(ann, AccessTokenSid::from_bytes([4; 16])),
        ]
    }

    #[test]
    fn a_name_is_read_under_its_secret_only() {
        let (secret, other) = (Secret::new("one"), Secret::new("other"));
        for transaction in all() {
            let name = transaction.name(&secret);
            assert_eq!(Transaction::read(&name, &secret), Some(transaction.clone()));
            assert_eq!(Transaction::read(&name, &other), None);
            for at in 0..name.len() {
                let mut changed = name.clone().into_bytes();
                changed[at] ^= 1;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(Transaction::read(&changed, &secret), None, "{changed}");
                assert_eq!(Transaction::read(&name[..at], &secret), None);
            }
            let fits = name.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
            assert!(fits && name.len() < 200, "{name}");
        }
    }

    #[test]
    fn an_approval_cannot_be_named_without_a_challenge() {
        let secret = Secret::new("one");
        let signed = |content: &str| {
            let mac = hmac::sign(&key(&secret), &message(content));
            format!("{content}.{}", HEXLOWER.encode(&mac.as_ref()[..MAC_BYTES]))
        };
        assert!(Transaction::read(&signed("r.deny"), &secret).is_some());
        assert!(Transaction::read(&signed("r.allow"), &secret).is_none());
        assert!(Transaction::read(&signed(""), &secret).is_none());
    }
}
