//! A client of the browser vendor's stand-in.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::client::{self, Hands, NOON, SigningKey};
use crate::webpush::{Push, Subscription};
use crate::{Authority, WebPush};

pub(super) struct Vendor {
    pub(super) web_push: WebPush,
    pub(super) hands: Hands,
    pub(super) client: Client,
    pub(super) key: SigningKey,
}

impl Vendor {
    pub(super) async fn start() -> Self {
        let (hands, common) = Hands::at_noon();
        let authority = Authority::new(&[]).unwrap();
        let web_push = WebPush::start(&authority, common).await.unwrap();
        let client = client::client(&authority);
        Self { web_push, hands, client, key: SigningKey::generate() }
    }

    /// A browser that subscribed for this client.
    pub(super) fn browser(&self) -> Subscription {
        self.web_push.subscribe(Some(&self.key.point())).unwrap()
    }

    pub(super) fn claims(&self) -> Value {
        json!({"aud": self.web_push.url(), "exp": NOON + 3600, "sub": "mailto:ops@example.com"})
    }

    pub(super) fn vapid(key: &SigningKey, claims: &Value) -> String {
        let token = key.sign(&json!({"typ": "JWT", "alg": "ES256"}), claims);
        format!("vapid t={token}, k={}", key.point())
    }

    /// A valid push.
    pub(super) fn request(&self, to: &Subscription) -> RequestBuilder {
        self.with_body(to, encrypted(to, client::keys().to_string().as_bytes()))
    }

    pub(super) fn with_body(&self, to: &Subscription, body: Vec<u8>) -> RequestBuilder {
        self.client
            .post(&to.endpoint)
            .header("ttl", "60")
            .header("urgency", "high")
            .header("content-encoding", "aes128gcm")
            .header("authorization", Self::vapid(&self.key, &self.claims()))
            .body(body)
    }

    pub(super) async fn push(&self, to: &Subscription) -> u16 {
        self.request(to).send().await.unwrap().status().as_u16()
    }

    pub(super) fn last(&self) -> Push {
        self.web_push.pushes().all().pop().unwrap()
    }
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF (RFC 5869) by the library; the stand-in has its own code.
fn hkdf<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    key.expand(&[info], Bytes(N)).unwrap().fill(&mut bytes).unwrap();
    bytes
}

/// RFC 8291, one record.
pub(super) fn encrypted(to: &Subscription, plain: &[u8]) -> Vec<u8> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (theirs, auth) = (decode(&to.p256dh), decode(&to.auth));
    let ours = PrivateKey::generate(&ECDH_P256).unwrap();
    let public = ours.compute_public_key().unwrap();
    let salt: [u8; 16] = crate::random::bytes();
    let info = [b"WebPush: info\0", theirs.as_slice(), public.as_ref()].concat();
    let peer = UnparsedPublicKey::new(&ECDH_P256, &theirs);
    let secret = |shared: &[u8]| Ok(hkdf::<32>(&auth, shared, &info));
    let secret = agree(&ours, peer, (), secret).unwrap();
    let key: [u8; 16] = hkdf(&salt, &secret, b"Content-Encoding: aes128gcm\0");
    let nonce: [u8; 12] = hkdf(&salt, &secret, b"Content-Encoding: nonce\0");

    let mut sealed = [plain, &[2]].concat();
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .unwrap();
    [salt.as_slice(), &4096_u32.to_be_bytes(), &[65], public.as_ref(), &sealed].concat()
}
