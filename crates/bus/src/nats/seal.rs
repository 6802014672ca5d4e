//! Sealing of what nodes say to each other: AES-256-GCM under a key that only the nodes of one installation can derive.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the version of this form, 2 |
//! | 8 | when it was sealed, in microseconds |
//! | 8 | the node that sealed it: a random number of its process |
//! | 24 | a random nonce: of the first half and the key follows the key of this message, the second half is the cipher's own |
//! | the rest | a message of `wire.rs`, encrypted, and the tag |
//!
//! The nonce of 24 bytes has no bound on the number of messages, which twelve random bytes under one key would have. The
//! associated data are the time, the node and the place: the subject and the inbox for its answer, or the nonce of the
//! question that is answered. A message opens nowhere else, and within [`WINDOW`] only.

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

/// A message is opened up to so long before and after the time that it carries: clocks of nodes may differ by less.
pub(super) const WINDOW: Duration = Duration::from_secs(30);
/// A warning about messages that do not open is logged once in so long.
const WARN_EVERY: Duration = Duration::from_secs(60);

const VERSION: u8 = 2;
const NONCE: usize = 24;
const HEAD: usize = 1 + 8 + 8 + NONCE;
const TAG: usize = 16;

/// The node that sealed a message.
type Sender = [u8; 8];

/// What a message is told apart by.
pub(super) type Nonce = [u8; NONCE];

/// The key under which the nodes of one installation seal what they say to each other.
#[derive(Clone)]
pub struct SealingKey(hmac::Key);

impl SealingKey {
    /// From 32 bytes that nobody else has.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The key of one message.
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

/// Where a message belongs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// It is said to a subject; answers to it go to an inbox.
    To {
        /// The subject.
        subject: &'a str,
        /// The inbox, if it is a question.
        reply: Option<&'a str>,
    },
    /// It answers the question with this nonce.
    AnswerTo(&'a Nonce),
}

/// Why a message is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not sealed: a node of a release that sealed nothing, or a stranger.
    Unsealed,
    /// It does not open: another key, another place, or changed.
    Seal,
    /// It is too old, or of the future.
    Time,
    /// It came before, or from here.
    Replayed,
}

impl Refusal {
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
    /// The plaintext, which `wire.rs` parses.
    pub(super) said: Bytes,
    /// Answers are bound to it.
    pub(super) nonce: Nonce,
    at: Instant,
}

/// Seals what this node says and opens what others say.
pub(super) struct Sealer {
    key: SealingKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    us: Sender,
    /// When a refusal was last logged, in microseconds.
    warned: AtomicI64,
}

impl Sealer {
    pub(super) fn new(key: SealingKey, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let us = random(&*entropy);
        Self { key, clock, entropy, us, warned: AtomicI64::new(i64::MIN) }
    }

    /// Seals a message for a place; its nonce, to which an answer will be bound.
    pub(super) fn seal(&self, said: &[u8], place: Place<'_>) -> (Bytes, Nonce) {
        let nonce: Nonce = random(&*self.entropy);
        let (salt, number) = halves(&nonce);
        let at = self.clock.now();
        let mut text = said.to_vec();
        let tag = self
            .key
            .cipher(salt)
            .seal_in_place_separate_tag(number, Aad::from(context(place, at, &self.us)), &mut text)
            .expect("a message is far below the 64 GiB that AES-GCM takes");
        let mut sealed = BytesMut::with_capacity(HEAD + text.len() + TAG);
        sealed.put_u8(VERSION);
        sealed.put_i64(at.as_micros());
        sealed.put_slice(&self.us);
        sealed.put_slice(&nonce);
        sealed.put_slice(&text);
        sealed.put_slice(tag.as_ref());
        (sealed.freeze(), nonce)
    }

    /// Opens a message that came to a subject and did not come before. What does not open is counted, and a warning is
    /// logged.
    pub(super) fn open(&self, message: &Message, seen: &mut Seen) -> Option<Opened> {
        let reply = message.reply.as_deref();
        let place = Place::To { subject: message.subject.as_str(), reply };
        let opened = self.read(&message.payload, place).and_then(|opened| {
            if seen.note(&opened, self.clock.now()) { Ok(opened) } else { Err(Refusal::Replayed) }
        });
        opened.map_err(|why| self.refused(why)).ok()
    }

    /// Opens the answer to the question with that nonce; it is taken once, so it cannot come again.
    pub(super) fn open_answer(&self, payload: &[u8], question: &Nonce) -> Option<Bytes> {
        let opened = self.read(payload, Place::AnswerTo(question));
        opened.map(|opened| opened.said).map_err(|why| self.refused(why)).ok()
    }

    fn read(&self, sealed: &[u8], place: Place<'_>) -> Result<Opened, Refusal> {
        let Some(([VERSION, head @ ..], text)) = sealed.split_first_chunk::<HEAD>() else {
            return Err(Refusal::Unsealed);
        };
        let (at, rest) = head.split_first_chunk().ok_or(Refusal::Unsealed)?;
        let (sender, nonce) = rest.split_first_chunk::<8>().ok_or(Refusal::Unsealed)?;
        let at = Instant::from_micros(i64::from_be_bytes(*at));
        let nonce: Nonce = nonce.try_into().map_err(|_| Refusal::Unsealed)?;
        let (salt, number) = halves(&nonce);
        let mut text = text.to_vec();
        let opened = self.key.cipher(salt).open_in_place(
            number,
            Aad::from(context(place, at, sender)),
            &mut text,
        );
        let length = opened.map_err(|_| Refusal::Seal)?.len();
        text.truncate(length);
        let now = self.clock.now();
        if now.since(at) > WINDOW || at.since(now) > WINDOW {
            return Err(Refusal::Time);
        }
        // The servers do not send us what we said; somebody else did.
        if *sender == self.us {
            return Err(Refusal::Replayed);
        }
        Ok(Opened { said: text.into(), nonce, at })
    }

    fn refused(&self, why: Refusal) {
        counter!("countersign_bus_refused_total", "why" => why.name()).increment(1);
        let now = self.clock.now();
        let last = self.warned.load(Ordering::Relaxed);
        let is_due = last == i64::MIN || now.since(Instant::from_micros(last)) >= WARN_EVERY;
        if is_due
            && self
                .warned
                .compare_exchange(last, now.as_micros(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            tracing::warn!(
                why = why.name(),
                "messages on the bus do not open and are dropped: a node of an older release (unsealed), another master key or a stranger (seal), a clock that is wrong (time)"
            );
        }
    }
}

/// The halves of a nonce: by which the key of the message is derived, and the cipher's own.
fn halves(nonce: &Nonce) -> (&[u8], CipherNonce) {
    let (salt, number) = nonce.split_at(NONCE / 2);
    let number = CipherNonce::try_assume_unique_for_key(number);
    (salt, number.expect("the second half has twelve bytes"))
}

/// The associated data. Each part has its length before it, so no two places have the same.
fn context(place: Place<'_>, at: Instant, sender: &Sender) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    bytes.put_i64(at.as_micros());
    bytes.put_slice(sender);
    let mut part = |part: &[u8]| {
        bytes.put_u64(part.len() as u64);
        bytes.put_slice(part);
    };
    match place {
        Place::To { subject, reply } => {
            part(b"to");
            part(subject.as_bytes());
            part(reply.unwrap_or_default().as_bytes());
        }
        Place::AnswerTo(nonce) => {
            part(b"answer");
            part(nonce);
        }
    }
    bytes
}

/// The messages that came to one subscription lately: none is acted on twice. Only the last so many are known.
pub(super) struct Seen {
    most: usize,
    nonces: HashSet<Nonce>,
    order: VecDeque<(Instant, Nonce)>,
}

impl Seen {
    pub(super) fn new(most: usize) -> Self {
        Self { most, nonces: HashSet::new(), order: VecDeque::new() }
    }

    /// Notes a message; whether it is new.
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
mod tests {
    use countersign_testkit::{ManualClock, SeededEntropy};

    use super::*;

    const DEVICE: Place<'static> = Place::To { subject: "a.device.1", reply: Some("a.inbox.x.1") };

    /// A node's, under a key of one byte.
    fn sealer(node: u64, key: u8, clock: &ManualClock) -> Sealer {
        let entropy = Arc::new(SeededEntropy::new(node));
        Sealer::new(SealingKey::new(&[key; 32]), Arc::new(clock.clone()), entropy)
    }

    #[test]
    fn a_message_opens_in_its_place_alone_and_under_its_key_alone() {
        let clock = ManualClock::new();
        let (from, to) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
        let (sealed, nonce) = from.seal(b"Log in from Lisbon?", DEVICE);
        assert!(!sealed.windows(6).any(|bytes| bytes == b"Lisbon"));
        let opened = to.read(&sealed, DEVICE).unwrap();
        assert_eq!((&opened.said[..], opened.nonce), (&b"Log in from Lisbon?"[..], nonce));
        for elsewhere in [
            Place::To { subject: "a.device.2", reply: Some("a.inbox.x.1") },
            Place::To { subject: "a.device.1", reply: Some("a.inbox.y.1") },
            Place::To { subject: "a.device.1", reply: None },
            Place::To { subject: "a.device.1a.inbox.x.1", reply: None },
            Place::AnswerTo(&nonce),
        ] {
            assert_eq!(to.read(&sealed, elsewhere), Err(Refusal::Seal), "{elsewhere:?}");
        }
        assert_eq!(sealer(2, 2, &clock).read(&sealed, DEVICE), Err(Refusal::Seal));
        assert_eq!(from.read(&sealed, DEVICE), Err(Refusal::Replayed), "it comes from here");
    }

    #[test]
    fn a_message_opens_within_half_a_minute_of_its_time() {
        let (clock, behind) = (ManualClock::new(), ManualClock::new());
        let (from, to, late) = (sealer(1, 1, &clock), sealer(2, 1, &clock), sealer(3, 1, &behind));
        let (sealed, _) = from.seal(b"said", DEVICE);
        clock.advance(WINDOW);
        assert!(to.read(&sealed, DEVICE).is_ok());
        clock.advance(Duration::from_micros(1));
        assert_eq!(to.read(&sealed, DEVICE), Err(Refusal::Time));
        let (ahead, _) = from.seal(b"said", DEVICE);
        assert_eq!(late.read(&ahead, DEVICE), Err(Refusal::Time));
        behind.advance(Duration::from_secs(1));
        assert!(late.read(&ahead, DEVICE).is_ok());
    }

    #[test]
    fn a_changed_cut_or_unsealed_message_is_dropped() {
        let clock = ManualClock::new();
        let (from, to) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
        let (sealed, _) = from.seal(b"said", DEVICE);
        for at in 0..sealed.len() {
            let mut changed = sealed.to_vec();
            changed[at] ^= 1;
            let why = if at == 0 { Refusal::Unsealed } else { Refusal::Seal };
            assert_eq!(to.read(&changed, DEVICE), Err(why), "byte {at}");
            assert!(to.read(&sealed[..at], DEVICE).is_err(), "the first {at} bytes");
        }
        assert_eq!(to.read(&[1, 2], DEVICE), Err(Refusal::Unsealed));
    }

    #[test]
    fn an_answer_opens_for_its_question_alone() {
        let clock = ManualClock::new();
        let (asks, answers) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
        let (_, question) = asks.seal(b"?", DEVICE);
        let (_, other) = asks.seal(b"?", DEVICE);
        assert_ne!(question, other);
        let (answer, _) = answers.seal(b"!", Place::AnswerTo(&question));
        assert_eq!(asks.open_answer(&answer, &question).as_deref(), Some(&b"!"[..]));
        assert_eq!(asks.open_answer(&answer, &other), None);
    }

    #[test]
    fn a_message_is_new_once_and_what_is_remembered_is_bounded() {
        let clock = ManualClock::new();
        let (from, to) = (sealer(1, 1, &clock), sealer(2, 1, &clock));
        let mut seen = Seen::new(3);
        let message = || to.read(&from.seal(b"said", DEVICE).0, DEVICE).unwrap();
        let first = message();
        assert!(seen.note(&first, clock.now()) && !seen.note(&first, clock.now()));
        for _ in 0..10 {
            assert!(seen.note(&message(), clock.now()));
        }
        assert_eq!((seen.order.len(), seen.nonces.len()), (3, 3));
        clock.advance(WINDOW + Duration::from_secs(1));
        assert!(seen.note(&message(), clock.now()));
        assert_eq!((seen.order.len(), seen.nonces.len()), (1, 1));
    }
}
