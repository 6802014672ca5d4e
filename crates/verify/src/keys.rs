//! The keys of an installation: keys that seal stored secrets, hash secrets, encrypt access tokens and sign webhooks.
//!
//! What others rely on, such as webhooks' secrets, is derived from the first master key and never changes. What seals comes from the
//! sealing keys, which [rotations](crate::rotation) replace.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_bus::nats::SealingKey;
use countersign_domain::sealing_key::{SealingKeyId, WrappedKey};
use countersign_domain::secret::{Sealed, Secret, SecretHash};
use countersign_domain::sid::{AccountSid, ApiKeySid, ServiceSid, WebhookSid};
use countersign_domain::time::Instant;
use countersign_domain::world::{Entropy, random};
use zeroize::Zeroizing;

use crate::key_bytes::{KeyBytes, MasterKey, UnsealError, cipher, decrypt, encrypt, mac};
use crate::sealing_ring::SealingRing;

/// The keys.
pub struct Keys {
    master: MasterKey,
    ring: RwLock<Arc<SealingRing>>,
    hash: hmac::Key,
    api_key: hmac::Key,
    vapid: hmac::Key,
    webhook: hmac::Key,
    bus: SealingKey,
    home: [u8; 32],
}

impl Keys {
    /// The keys of an installation whose master key was never changed.
    pub fn derive(master: &MasterKey) -> Self {
        Self::of_ring(master, SealingRing::of_first(master))
    }

    /// The keys of an installation, given its wrapped keys: none before the first rotation.
    ///
    /// # Errors
    /// The master key does not open them.
    pub fn unlock(
        master: &MasterKey,
        stored: &[WrappedKey],
        now: Instant,
    ) -> Result<Self, UnsealError> {
        if stored.is_empty() {
            return Ok(Self::derive(master));
        }
        Ok(Self::of_ring(master, SealingRing::open(stored, master, None, now)?))
    }

    fn of_ring(master: &MasterKey, ring: SealingRing) -> Self {
        let first = ring.first().bytes.clone();
        Self {
            hash: mac(&first.derive("countersign secret hash 1")),
            api_key: mac(&first.derive("countersign api key hash 1")),
            vapid: mac(&first.derive("countersign vapid 1")),
            webhook: mac(&first.derive("countersign webhook 1")),
            bus: SealingKey::new(&first.derive("countersign bus 1")),
            home: *first.derive("countersign operators 1"),
            master: master.clone(),
            ring: RwLock::new(Arc::new(ring)),
        }
    }

    /// Learns the keys that were stored since. Those that cannot be opened stay unknown.
    pub fn learn(&self, stored: &[WrappedKey], now: Instant) {
        let known = self.ring();
        if known.is_current(stored, now) {
            return;
        }
        if let Ok(ring) = SealingRing::open(stored, &self.master, Some(&known), now) {
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        }
    }

    /// Whether the key is known that sealed a stored secret.
    pub(crate) fn knows(&self, sealed: &Sealed) -> bool {
        let id = sealed.as_bytes().first();
        id.is_some_and(|id| self.ring().get(SealingKeyId(*id)).is_some())
    }

    /// The key that seals what is stored.
    pub fn newest(&self) -> SealingKeyId {
        self.ring().newest().0
    }

    /// All sealing keys that are known.
    pub(crate) fn sealing_keys(&self) -> Vec<(SealingKeyId, KeyBytes)> {
        self.ring().all().map(|(id, key)| (id, key.clone())).collect()
    }

    fn ring(&self) -> Arc<SealingRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The check value of the master key.
    pub fn check_value(&self) -> [u8; 32] {
        self.master.check_value()
    }

    /// The master key.
    pub(crate) const fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The account and the service that hold the devices of operators. A function of the first master key, so that all nodes create the
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
        let ring = self.ring();
        URL_SAFE_NO_PAD.encode(hmac::sign(&ring.handing_out().1.form, session.as_bytes()))
    }

    /// Whether a token is the form token of a session. Compares in constant time.
    pub fn is_form_token(&self, session: &str, token: &str) -> bool {
        let tag = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        let is_of = |key: &hmac::Key| hmac::verify(key, session.as_bytes(), &tag).is_ok();
        self.ring().accepted().any(|(_, key)| is_of(&key.form))
    }

    /// Seals a secret that is stored, for one context: table, row and column. It cannot be opened for another one.
    pub fn seal(&self, secret: &Secret, context: &str, entropy: &dyn Entropy) -> Sealed {
        let ring = self.ring();
        let (id, key) = ring.newest();
        seal(id, &key.seal, secret, context, entropy)
    }

    /// Opens a stored secret that was sealed for that context.
    ///
    /// # Errors
    /// See [`UnsealError`].
    pub fn open(&self, sealed: &Sealed, context: &str) -> Result<Secret, UnsealError> {
        let ring = self.ring();
        let id = sealed.as_bytes().first().ok_or(UnsealError)?;
        let key = ring.get(SealingKeyId(*id)).ok_or(UnsealError)?;
        open(&key.seal, sealed, context)
    }

    /// Seals a secret that is handed out and comes back, such as a token. Any node can open it, until the rotation after the next
    /// is finished.
    pub(crate) fn seal_handed_out(
        &self,
        secret: &Secret,
        context: &str,
        entropy: &dyn Entropy,
    ) -> Sealed {
        let ring = self.ring();
        let (id, key) = ring.handing_out();
        seal(id, &key.seal, secret, context, entropy)
    }

    /// Opens what [`Keys::seal_handed_out`] sealed for that context.
    pub(crate) fn open_handed_out(
        &self,
        sealed: &Sealed,
        context: &str,
    ) -> Result<Secret, UnsealError> {
        let ring = self.ring();
        let id = sealed.as_bytes().first().copied().map(SealingKeyId);
        let key = ring.accepted().find(|(is, _)| Some(*is) == id).ok_or(UnsealError)?.1;
        open(&key.seal, sealed, context)
    }

    /// Seals a text that a stranger's browser carries. Strangers can have many sealed, so each has a key of its own.
    pub(crate) fn seal_carried(&self, text: &str, context: &str, entropy: &dyn Entropy) -> Vec<u8> {
        let salt = random::<24>(entropy);
        let key = carried_key(&self.ring().handing_out().1.carried, salt);
        let sealed = encrypt(&key, [0; 12], context.as_bytes(), text.as_bytes());
        [salt.as_slice(), &sealed].concat()
    }

    /// Opens what [`Keys::seal_carried`] sealed for that context.
    pub(crate) fn open_carried(&self, sealed: &[u8], context: &str) -> Result<Secret, UnsealError> {
        let (salt, sealed) = sealed.split_first_chunk().ok_or(UnsealError)?;
        let ring = self.ring();
        let text = ring.accepted().find_map(|(_, key)| {
            let key = carried_key(&key.carried, *salt);
            decrypt(&key, [0; 12], context.as_bytes(), sealed).ok()
        });
        String::from_utf8(text.ok_or(UnsealError)?).map(Secret::new).map_err(|_| UnsealError)
    }

    /// Encrypts the claims of an access token. Returns the nonce, and the ciphertext followed by its tag. The nonce is derived from
    /// everything that is encrypted or authenticated: under one key the same token has the same text each time, and another text,
    /// which a later release may make of the same record, has another nonce.
    pub(crate) fn encrypt_token(&self, header: &[u8], claims: &[u8]) -> ([u8; 12], Vec<u8>) {
        let ring = self.ring();
        let key = ring.handing_out().1;
        let mut all = hmac::Context::with_key(&key.access_token_nonce);
        all.update(&(header.len() as u64).to_be_bytes());
        all.update(header);
        all.update(claims);
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&all.sign().as_ref()[..12]);
        (nonce, encrypt(&key.access_token, nonce, header, claims))
    }

    /// Decrypts the claims of an access token.
    pub(crate) fn decrypt_token(
        &self,
        nonce: [u8; 12],
        header: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, UnsealError> {
        let ring = self.ring();
        let mut keys = ring.accepted().map(|(_, key)| &key.access_token);
        keys.find_map(|key| decrypt(key, nonce, header, text).ok()).ok_or(UnsealError)
    }
}

/// The format: the id of the key, 12 bytes of nonce, the ciphertext and its tag.
fn seal(
    SealingKeyId(id): SealingKeyId,
    key: &LessSafeKey,
    secret: &Secret,
    context: &str,
    entropy: &dyn Entropy,
) -> Sealed {
    let nonce = random::<12>(entropy);
    let text = encrypt(key, nonce, context.as_bytes(), secret.expose().as_bytes());
    Sealed::from_bytes([&[id], nonce.as_slice(), &text].concat())
}

fn open(key: &LessSafeKey, sealed: &Sealed, context: &str) -> Result<Secret, UnsealError> {
    let (nonce, text) =
        sealed.as_bytes().get(1..).and_then(|rest| rest.split_first_chunk()).ok_or(UnsealError)?;
    let text = decrypt(key, *nonce, context.as_bytes(), text)?;
    String::from_utf8(text).map(Secret::new).map_err(|_| UnsealError)
}

fn carried_key(key: &hmac::Key, salt: [u8; 24]) -> LessSafeKey {
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(hmac::sign(key, &salt).as_ref());
    cipher(&bytes)
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
