//! Passwords of operators: argon2id, with a bound on how many are hashed at a time.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_domain::operator::PasswordHash;
use countersign_domain::secret::Secret;
use countersign_domain::world::{Entropy, random};
use data_encoding::BASE32_NOPAD;
use tokio::sync::Semaphore;

/// Hashes at a time. Each takes 19 MiB and some 30 ms of a processor; further ones wait, and with them only their sign-ins.
const AT_A_TIME: usize = 2;
/// The least and the greatest length of a chosen password, in bytes.
pub const LENGTH: std::ops::RangeInclusive<usize> = 12..=256;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    permits: Semaphore,
}

/// 19 MiB, two passes: the parameters that OWASP recommends for argon2id.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

fn hash(password: &Secret, salt: [u8; 16]) -> String {
    let hashed: Result<phc::PasswordHash, _> =
        argon2id().hash_password_with_salt(password.expose().as_bytes(), &salt);
    hashed.expect("a salt of 16 bytes is valid").to_string()
}

fn is_right(password: &Secret, hash: &str) -> bool {
    phc::PasswordHash::new(hash)
        .is_ok_and(|hash| argon2id().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

impl Passwords {
    pub(crate) const fn new() -> Self {
        Self { permits: Semaphore::const_new(AT_A_TIME) }
    }

    /// A new password: 120 random bits.
    pub(crate) fn draw(entropy: &dyn Entropy) -> Secret {
        Secret::new(BASE32_NOPAD.encode(&random::<15>(entropy)).to_ascii_lowercase())
    }

    pub(crate) async fn hash(&self, password: Secret, entropy: &dyn Entropy) -> PasswordHash {
        let salt = random::<16>(entropy);
        PasswordHash(self.run(move || hash(&password, salt)).await)
    }

    /// Whether a password is the one with this hash. Without a hash it takes as long, and is not.
    pub(crate) async fn is_right(&self, password: Secret, known: Option<PasswordHash>) -> bool {
        if !(1..=*LENGTH.end()).contains(&password.expose().len()) {
            return false;
        }
        self.run(move || match known {
            Some(known) => is_right(&password, &known.0),
            None => {
                hash(&password, [0; 16]);
                false
            }
        })
        .await
    }

    /// Runs work on a thread for blocking work.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _permit = self.permits.acquire().await.expect("it is never closed");
        tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
    }
}

#[cfg(test)]
mod tests {
    use countersign_testkit::SeededEntropy;

    use super::*;

    #[tokio::test]
    async fn a_password_is_right_for_its_own_hash_alone() {
        let (passwords, entropy) = (Passwords::new(), SeededEntropy::new(1));
        let password = Passwords::draw(&entropy);
        assert!(LENGTH.contains(&password.expose().len()));
        let first = passwords.hash(password.clone(), &entropy).await;
        let second = passwords.hash(password.clone(), &entropy).await;
        assert_ne!(first, second, "each hash has a salt of its own");
        assert!(first.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.is_right(password.clone(), Some(second)).await);
        for (text, known) in [
            ("another password", Some(first.clone())),
            ("", Some(first.clone())),
            (password.expose(), None),
            (password.expose(), Some(PasswordHash("no hash".to_owned()))),
        ] {
            assert!(!passwords.is_right(Secret::new(text), known).await, "{text}");
        }
    }
}
