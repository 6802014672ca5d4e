//! Seals the messages between nodes: AES-256-GCM with a key that only the nodes of one installation can derive.
//!
//! | bytes | field |
//! | --- | --- |
//! | 1 | the version of this format, 2 |
//! | 8 | the time of sealing, in microseconds |
//! | 8 | the node that sealed it: a random number of its process |
//! | 24 | a random nonce: its first half derives the key of this message, its second half is the nonce of the cipher |
//! | the rest | a message of `wire.rs`, encrypted, and the authentication tag |
//!
//! Twelve random bytes under one key would bound the number of messages; a nonce of 24 bytes does not. The associated data
//! are the time, the node and the binding: the subject and the inbox for the reply, or the nonce of the request that is
//! replied to. A message opens nowhere else, and only within [`WINDOW`].

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_nats::Message;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce as CipherNonce, UnboundKey};
use aws_lc_rs::hmac;
use bytes::{BufMut as _, Bytes, BytesMut};
use countersign_domain::time::Instant;
use countersign_domain::world::{Clock, Entropy, random};
use metrics::counter;
use zeroize::Zeroizing;

/// A message opens up to this long before and after its time of sealing. The clocks of nodes must differ by less.
pub(super) const WINDOW: Duration = Duration::from_secs(30);
/// The shortest time between two warnings about messages that do not open.
const WARN_INTERVAL: Duration = Duration::from_secs(60);

const VERSION: u8 = 2;
const NONCE: usize = 24;
const HEAD: usize = 1 + 8 + 8 + NONCE;
const TAG: usize = 16;

/// The random number of a node's process.
type SenderId = [u8; 8];

/// The nonce of a message, unique to it.
pub(super) type Nonce = [u8; NONCE];

/// The key that the nodes of one installation seal their messages with.
#[derive(Clone)]
pub struct SealingKey(hmac::Key);

impl SealingKey {
    /// A key of 32 secret bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Derives the key of one message.
    fn cipher(&self, salt: &[u8]) -> LessSafeKey {
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(hmac::sign(&self.0, salt).as_ref());
        let key = UnboundKey::new(&AES_256_GCM, key.as_slice());
        LessSafeKey::new(key.expect("AES-256 takes 32 bytes"))
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("•••")
    }
}

/// The context that a sealed message is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding<'a> {
    /// A message to a subject.
    Message {
        /// The subject.
        subject: &'a str,
        /// The inbox for the reply, if it is a request.
        reply: Option<&'a str>,
    },
    /// A reply to the request with this nonce.
    ReplyTo(&'a Nonce),
}

/// Why a message is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenError {
    /// It has no sealed format: another release, or a stranger.
    Unsealed,
    /// It does not open: another key, another binding, or modified.
    Seal,
    /// Its time is too far in the past or in the future.
    Time,
    /// It was received before, or sealed by this node.
    Replayed,
}

impl OpenError {
    const fn name(self) -> &'static str {
        match self {
            Self::Unsealed => "unsealed",
            Self::Seal => "seal",
            Self::Time => "time",
            Self::Replayed => "replayed",
        }
    }
}

/// A message that opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    /// The plaintext, for `wire.rs`.
    pub(super) plaintext: Bytes,
    /// The nonce; a reply is bound to it.
    pub(super) nonce: Nonce,
    at: Instant,
}

/// Seals and opens messages.
pub(super) struct Sealer {
    key: SealingKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    own_id: SenderId,
    /// The time of the last warning, in microseconds.
    warned: AtomicI64,
}

impl Sealer {
    pub(super) fn new(key: SealingKey, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let own_id = random(&*entropy);
        Self { key, clock, entropy, own_id, warned: AtomicI64::new(i64::MIN) }
    }

    /// Seals a message. Returns it with its nonce, which the reply is bound to.
    pub(super) fn seal(&self, plaintext: &[u8], binding: Binding<'_>) -> (Bytes, Nonce) {
        let nonce: Nonce = random(&*self.entropy);
        let (salt, cipher_nonce) = split(&nonce);
        let at = self.clock.now();
        let mut text = plaintext.to_vec();
        let tag = self
            .key
            .cipher(salt)
            .seal_in_place_separate_tag(
                cipher_nonce,
                Aad::from(associated_data(binding, at, &self.own_id)),
                &mut text,
            )
            .expect("a message is far below the 64 GiB that AES-GCM takes");
        let mut sealed = BytesMut::with_capacity(HEAD + text.len() + TAG);
        sealed.put_u8(VERSION);
        sealed.put_i64(at.as_micros());
        sealed.put_slice(&self.own_id);
        sealed.put_slice(&nonce);
        sealed.put_slice(&text);
        sealed.put_slice(tag.as_ref());
        (sealed.freeze(), nonce)
    }

    /// Opens a message that was not received before. One that does not open is counted, and a warning is logged.
    pub(super) fn open(&self, message: &Message, seen: &mut ReplayGuard) -> Option<Opened> {
        let reply = message.reply.as_deref();
        let binding = Binding::Message { subject: message.subject.as_str(), reply };
        let opened = self.read(&message.payload, binding).and_then(|opened| {
            if seen.note(&opened, self.clock.now()) { Ok(opened) } else { Err(OpenError::Replayed) }
        });
        opened.map_err(|why| self.count_error(why)).ok()
    }

    /// Opens the reply to the request with this nonce. A request takes one reply, so a repeated one has no effect.
    pub(super) fn open_reply(&self, payload: &[u8], request: &Nonce) -> Option<Bytes> {
        let opened = self.read(payload, Binding::ReplyTo(request));
        opened.map(|opened| opened.plaintext).map_err(|why| self.count_error(why)).ok()
    }

    fn read(&self, sealed: &[u8], binding: Binding<'_>) -> Result<Opened, OpenError> {
        let Some(([VERSION, head @ ..], text)) = sealed.split_first_chunk::<HEAD>() else {
            return Err(OpenError::Unsealed);
        };
        let (at, rest) = head.split_first_chunk().ok_or(OpenError::Unsealed)?;
        let (sender, nonce) = rest.split_first_chunk::<8>().ok_or(OpenError::Unsealed)?;
        let at = Instant::from_micros(i64::from_be_bytes(*at));
        let nonce: Nonce = nonce.try_into().map_err(|_| OpenError::Unsealed)?;
        let (salt, cipher_nonce) = split(&nonce);
        let mut text = text.to_vec();
        let opened = self.key.cipher(salt).open_in_place(
            cipher_nonce,
            Aad::from(associated_data(binding, at, sender)),
            &mut text,
        );
        let length = opened.map_err(|_| OpenError::Seal)?.len();
        text.truncate(length);
        let now = self.clock.now();
        if now.since(at) > WINDOW || at.since(now) > WINDOW {
            return Err(OpenError::Time);
        }
        // The servers do not echo a client's own messages, so a stranger repeated it.
        if *sender == self.own_id {
            return Err(OpenError::Replayed);
        }
        Ok(Opened { plaintext: text.into(), nonce, at })
    }

    fn count_error(&self, why: OpenError) {
        counter!("countersign_bus_refused_total", "why" => why.name()).increment(1);
        let now = self.clock.now();
        let last = self.warned.load(Ordering::Relaxed);
        let is_due = last == i64::MIN || now.since(Instant::from_micros(last)) >= WARN_INTERVAL;
        if is_due
            && self
                .warned
                .compare_exchange(last, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            tracing::warn!(
                why = why.name(),
                "messages on the bus do not open and are dropped: a node of another release (unsealed), another master key or a stranger (seal), a wrong clock (time)"
            );
        }
    }
}

/// Splits a nonce into the salt of the message's key and the nonce of the cipher.
fn split(nonce: &Nonce) -> (&[u8], CipherNonce) {
    let (salt, cipher_nonce) = nonce.split_at(NONCE / 2);
    let cipher_nonce = CipherNonce::try_assume_unique_for_key(cipher_nonce);
    (salt, cipher_nonce.expect("the second half has twelve bytes"))
}

/// The associated data. Each part has its length before it, so that no two bindings have the same.
fn associated_data(binding: Binding<'_>, at: Instant, sender: &SenderId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    bytes.put_i64(at.as_micros());
    bytes.put_slice(sender);
    let mut part = |part: &[u8]| {
        bytes.put_u64(part.len() as u64);
        bytes.put_slice(part);
    };
    match binding {
        Binding::Message { subject, reply } => {
            part(b"to");
            part(subject.as_bytes());
            part(reply.unwrap_or_default().as_bytes());
        }
        Binding::ReplyTo(nonce) => {
            part(b"answer");
            part(nonce);
        }
    }
    bytes
}

/// Remembers the last messages of one subscription, so that a repeated one has no effect.
pub(super) struct ReplayGuard {
    most: usize,
    nonces: HashSet<Nonce>,
    order: VecDeque<(Instant, Nonce)>,
}

impl ReplayGuard {
    /// Remembers up to `most` messages.
    pub(super) fn new(most: usize) -> Self {
        Self { most, nonces: HashSet::new(), order: VecDeque::new() }
    }

    /// Remembers a message. Returns whether it is new.
    fn note(&mut self, message: &Opened, now: Instant) -> bool {
        while let Some((at, oldest)) = self.order.front()
            && (self.order.len() >= self.most || now.since(*at) > WINDOW)
        {
            self.nonces.remove(oldest);
            self.order.pop_front();
        }
        let is_new = self.nonces.insert(message.nonce);
        if is_new {
            self.order.push_back((message.at, message.nonce));
        }
        is_new
    }
}

#[cfg(test)]
mod tests;
