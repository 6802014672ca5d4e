//! The keys of an installation. All are derived from its master key: keys that seal stored secrets, hash secrets, encrypt access
//! tokens and sign webhooks, and a check value that detects a wrong master key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_bus::nats::SealingKey;
use countersign_domain::secret::{Sealed, Secret, SecretHash};
use countersign_domain::sid::{AccountSid, ApiKeySid, ServiceSid, WebhookSid};
use countersign_domain::world::{Entropy, random};
use zeroize::Zeroizing;

/// The master key: 32 bytes that every other key is derived from.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Creates a master key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•••")
    }
}

/// The first byte of a sealed secret: the id of the key that sealed it. There is one key.
const KEY_ID: u8 = 1;

/// A sealed secret cannot be opened: it was sealed under another master key, or it was moved or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened")]
pub struct UnsealError;

/// The derived keys.
pub struct Keys {
    seal: LessSafeKey,
    hash: hmac::Key,
    access_token: LessSafeKey,
    access_token_nonce: hmac::Key,
    api_key: hmac::Key,
    vapid: hmac::Key,
    webhook: hmac::Key,
    form: Zeroizing<[u8; 32]>,
    carried: hmac::Key,
    bus: SealingKey,
    check: [u8; 32],
    home: [u8; 32],
}

impl Keys {
    /// Derives the keys: HMAC-SHA-256 of a label under the master key.
    pub fn derive(master: &MasterKey) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, master.0.as_slice());
        let derive = |label: &str| {
            let mut bytes = Zeroizing::new([0; 32]);
            bytes.copy_from_slice(hmac::sign(&root, label.as_bytes()).as_ref());
            bytes
        };
        Self {
            seal: cipher(&derive("countersign seal 1")),
            hash: mac(&derive("countersign secret hash 1")),
            access_token: cipher(&derive("countersign access token 1")),
            access_token_nonce: mac(&derive("countersign access token nonce 1")),
            api_key: mac(&derive("countersign api key hash 1")),
            vapid: mac(&derive("countersign vapid 1")),
            webhook: mac(&derive("countersign webhook 1")),
            form: derive("countersign form 1"),
            carried: mac(&derive("countersign carried 1")),
            bus: SealingKey::new(&derive("countersign bus 1")),
            check: *derive("countersign check 1"),
            home: *derive("countersign operators 1"),
        }
    }

    /// The check value, which is different for each master key and reveals nothing about it.
    pub const fn check_value(&self) -> [u8; 32] {
        self.check
    }

    /// The account and the service that hold the devices of operators. A function of the master key, so that all nodes create the
    /// same ones. They come last in every list.
    pub fn operators_home(&self) -> (AccountSid, ServiceSid) {
        let mut account = [0xff; 16];
        let mut service = [0xff; 16];
        account[1..].copy_from_slice(&self.home[1..16]);
        service[1..].copy_from_slice(&self.home[17..]);
        (AccountSid::from_bytes(account), ServiceSid::from_bytes(service))
    }

    /// The key that seals messages between nodes.
    pub fn bus(&self) -> SealingKey {
        self.bus.clone()
    }

    /// The hash that a stored secret is recognised by.
    pub fn hash(&self, secret: &str) -> SecretHash {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.hash, secret.as_bytes()).as_ref());
        SecretHash(bytes)
    }

    /// The hash that the secret of an API key is recognised by. It is bound to the key's row and account.
    pub fn api_key_hash(&self, key: ApiKeySid, account: AccountSid, secret: &str) -> SecretHash {
        let mut all = hmac::Context::with_key(&self.api_key);
        all.update(key.as_bytes());
        all.update(account.as_bytes());
        all.update(secret.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(all.sign().as_ref());
        SecretHash(bytes)
    }

    /// The P-256 key by which a service identifies itself to browsers' push services (RFC 8292). A function of the service's SID,
    /// so it is not stored and is the same on every node.
    pub fn vapid(&self, service: ServiceSid) -> VapidKey {
        // One number in four billion is too large for the curve. Then the next one is tried.
        let mut tries = (0_u8..=u8::MAX).map(|number| {
            let text = [service.as_bytes().as_slice(), &[number]].concat();
            let mut scalar = Zeroizing::new([0; 32]);
            scalar.copy_from_slice(hmac::sign(&self.vapid, &text).as_ref());
            scalar
        });
        let found = tries.find_map(|scalar| VapidKey::new(&scalar));
        found.expect("256 numbers in a row are not all too large for the curve")
    }

    /// The secret that signs a webhook's calls in the header `Countersign-Signature`: base64url of 32 bytes. A function of the
    /// webhook's SID, so it is not stored.
    pub fn webhook_secret(&self, webhook: WebhookSid) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(hmac::sign(&self.webhook, webhook.as_bytes())))
    }

    /// The token in the forms of a browser session, which other sites cannot know: base64url of 32 bytes.
    pub fn form_token(&self, session: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.form_key(), session.as_bytes()))
    }

    /// Whether a token is the form token of a session. Compares in constant time.
    pub fn is_form_token(&self, session: &str, token: &str) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        hmac::verify(&self.form_key(), session.as_bytes(), &tag).is_ok()
    }

    fn form_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.form.as_slice())
    }

    /// Seals a secret for one context: table, row and column. It cannot be opened for another one.
    pub fn seal(&self, secret: &Secret, context: &str, entropy: &dyn Entropy) -> Sealed {
        let nonce = random::<12>(entropy);
        let text = encrypt(&self.seal, nonce, context.as_bytes(), secret.expose().as_bytes());
        Sealed::from_bytes([&[KEY_ID], nonce.as_slice(), &text].concat())
    }

    /// Opens a secret that was sealed for that context.
    ///
    /// # Errors
    /// See [`UnsealError`].
    pub fn open(&self, sealed: &Sealed, context: &str) -> Result<Secret, UnsealError> {
        let (&[KEY_ID], rest) = sealed.as_bytes().split_first_chunk().ok_or(UnsealError)? else {
            return Err(UnsealError);
        };
        let (nonce, text) = rest.split_first_chunk::<12>().ok_or(UnsealError)?;
        let text = decrypt(&self.seal, *nonce, context.as_bytes(), text)?;
        String::from_utf8(text).map(Secret::new).map_err(|_| UnsealError)
    }

    /// Seals a text that a stranger's browser carries. Strangers can have many sealed, so each has a key of its own.
    pub(crate) fn seal_carried(&self, text: &str, context: &str, entropy: &dyn Entropy) -> Vec<u8> {
        let salt = random::<24>(entropy);
        let sealed = encrypt(&self.carried_key(salt), [0; 12], context.as_bytes(), text.as_bytes());
        [salt.as_slice(), &sealed].concat()
    }

    /// Opens what [`Keys::seal_carried`] sealed for that context.
    pub(crate) fn open_carried(&self, sealed: &[u8], context: &str) -> Result<Secret, UnsealError> {
        let (salt, sealed) = sealed.split_first_chunk().ok_or(UnsealError)?;
        let text = decrypt(&self.carried_key(*salt), [0; 12], context.as_bytes(), sealed)?;
        String::from_utf8(text).map(Secret::new).map_err(|_| UnsealError)
    }

    fn carried_key(&self, salt: [u8; 24]) -> LessSafeKey {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(hmac::sign(&self.carried, &salt).as_ref());
        cipher(&key)
    }

    /// Encrypts the claims of an access token. Returns the nonce, and the ciphertext followed by its tag. The nonce is derived from
    /// everything that is encrypted or authenticated: the same token has the same text each time, and another text, which a later
    /// release may make of the same record, has another nonce.
    pub(crate) fn encrypt_token(&self, header: &[u8], claims: &[u8]) -> ([u8; 12], Vec<u8>) {
        let mut all = hmac::Context::with_key(&self.access_token_nonce);
        all.update(&(header.len() as u64).to_be_bytes());
        all.update(header);
        all.update(claims);
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&all.sign().as_ref()[..12]);
        (nonce, encrypt(&self.access_token, nonce, header, claims))
    }

    /// Decrypts the claims of an access token.
    pub(crate) fn decrypt_token(
        &self,
        nonce: [u8; 12],
        header: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, UnsealError> {
        decrypt(&self.access_token, nonce, header, text)
    }
}

/// A service's key for Web Push.
pub struct VapidKey {
    /// The private key: base64url of 32 bytes.
    pub private_key: Secret,
    /// The public key: base64url of the uncompressed point, which a page passes to its browser as `applicationServerKey`.
    pub public_key: String,
}

impl VapidKey {
    fn new(scalar: &[u8; 32]) -> Option<Self> {
        let key = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
        let point = key.compute_public_key().ok()?;
        Some(Self {
            private_key: Secret::new(URL_SAFE_NO_PAD.encode(scalar)),
            public_key: URL_SAFE_NO_PAD.encode(point.as_ref()),
        })
    }
}

fn mac(key: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

fn encrypt(key: &LessSafeKey, nonce: [u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut text = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
        .expect("a secret is far below the 64 GiB that AES-GCM takes");
    text
}

fn decrypt(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, UnsealError> {
    let mut text = text.to_vec();
    let plain = key
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut text)
        .map_err(|_| UnsealError)?
        .len();
    text.truncate(plain);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_testkit::SeededEntropy;

    #[test]
    fn the_nonce_of_an_access_token_is_derived_from_its_whole_content() {
        let keys = Keys::derive(&MasterKey::new([7; 32]));
        let (nonce, sealed) = keys.encrypt_token(b"header", b"claims");
        assert_eq!(keys.encrypt_token(b"header", b"claims"), (nonce, sealed.clone()));
        assert_eq!(keys.decrypt_token(nonce, b"header", &sealed).unwrap(), b"claims");
        // A later release may add claims to the same token.
        let others = [
            (&b"header"[..], &b"claims, more"[..]),
            (b"header2", b"claims"),
            (b"heade", b"rclaims"),
        ];
        for (header, claims) in others {
            assert_ne!(keys.encrypt_token(header, claims).0, nonce);
        }
    }

    #[test]
    fn a_carried_text_opens_only_for_its_context_and_as_it_was_sealed() {
        let keys = Keys::derive(&MasterKey::new([7; 32]));
        let entropy = SeededEntropy::new(1);
        let sealed = keys.seal_carried("hush", "one", &entropy);
        assert_ne!(keys.seal_carried("hush", "one", &entropy), sealed);
        assert_eq!(keys.open_carried(&sealed, "one").unwrap().expose(), "hush");
        assert!(keys.open_carried(&sealed, "two").is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open_carried(&changed, "one").is_err());
            assert!(keys.open_carried(&sealed[..at], "one").is_err());
        }
        let others = Keys::derive(&MasterKey::new([8; 32]));
        assert!(others.open_carried(&sealed, "one").is_err());
    }

    #[test]
    fn a_secret_opens_only_for_its_context_and_under_its_key() {
        let keys = Keys::derive(&MasterKey::new([7; 32]));
        let sealed = keys.seal(&Secret::new("hush"), "accounts/1/token", &SeededEntropy::new(1));
        assert_eq!(keys.open(&sealed, "accounts/1/token").unwrap().expose(), "hush");
        assert_eq!(keys.open(&sealed, "accounts/2/token").unwrap_err(), UnsealError);
        let others = Keys::derive(&MasterKey::new([8; 32]));
        assert_eq!(others.open(&sealed, "accounts/1/token").unwrap_err(), UnsealError);
        let cut = Sealed::from_bytes(sealed.as_bytes()[..9].to_vec());
        assert_eq!(keys.open(&cut, "accounts/1/token").unwrap_err(), UnsealError);
    }
}
