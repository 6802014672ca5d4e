//! The conversation with a device that is known, without a socket.
//!
//! What was heard goes in, with the time; what is to be written comes out. One frame is written at a time: after each
//! one [`Linked::written`] is called before there is [room](Linked::has_room) for the next. Every offer gets exactly
//! one reception, whatever happens: what was written and not acknowledged when this is dropped is
//! [`OfferOutcome::Unacknowledged`], what was not written is [`OfferOutcome::NotConnected`].

use std::collections::VecDeque;
use std::time::Duration;

use countersign_bus::{Detached, OfferOutcome, PendingOffer};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{FactorSid, NotificationSid};
use tokio::sync::oneshot;

use super::Now;
use super::close::{Close, End};
use super::frames::{self, DeviceFrame};

/// Prompts that may wait for their ack; the rest wait in the database.
pub(super) const MOST_UNACKNOWLEDGED: usize = 100;
/// How long a device may take to acknowledge a prompt.
const ACK_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may take nothing of what we write.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// How often we ping. Shorter than the minute after which many a middlebox forgets a connection.
const PING_EVERY: Duration = Duration::from_secs(45);
/// A device that said nothing for so long is gone: two pings, and some time for a slow network.
const SILENCE: Duration = Duration::from_secs(2 * PING_EVERY.as_secs() + 10);
/// How long a connection lives at most; after that the device shows anew who it is.
pub(super) const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);

/// What came from the device, in no library's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// A text.
    Text(&'a str),
    /// Bytes that claim to be no text.
    Binary,
    /// A ping or a pong: somebody is there.
    Beat,
    /// Goodbye.
    Farewell,
    /// The connection broke.
    Silence,
    /// A message beyond the bound.
    TooLarge,
    /// A text that is none.
    NotUtf8,
    /// Something that is not the WebSocket protocol.
    Violation,
}

impl Heard<'_> {
    /// How a conversation ends in which this is out of place.
    pub(super) const fn ending(self) -> End {
        match self {
            Self::Farewell => End::Left,
            Self::Silence => End::Lost,
            Self::Binary => End::Close(Close::BINARY),
            Self::TooLarge => End::Close(Close::TOO_LARGE),
            Self::NotUtf8 => End::Close(Close::NOT_UTF8),
            Self::Text(_) | Self::Beat | Self::Violation => End::Close(Close::VIOLATION),
        }
    }
}

/// An offer that has been written, or is being written.
#[derive(Debug)]
struct Offered {
    notification: NotificationSid,
    reply: oneshot::Sender<OfferOutcome>,
}

impl Offered {
    fn settle(self, reception: OfferOutcome) {
        // Whoever offered it may have stopped waiting.
        let _ = self.reply.send(reception);
    }
}

/// A frame on its way out.
#[derive(Debug)]
struct Writing {
    until: Monotonic,
    /// The offer in it, until that is acknowledged.
    offer: Option<Offered>,
}

/// A conversation with a device that is known.
#[derive(Debug)]
pub(super) struct Linked {
    writing: Option<Writing>,
    /// In the order of writing, and so of the instants until which an ack counts.
    unacknowledged: VecDeque<(Monotonic, Offered)>,
    last_heard: Monotonic,
    next_ping: Monotonic,
    ends_at: Monotonic,
}

impl Linked {
    /// Begins the conversation, and gives the frame that says so. It lasts `life` at most.
    pub(super) fn begin(factor: FactorSid, now: Now, life: Duration) -> (Self, String) {
        let Now { at: now, day } = now;
        let linked = Self {
            writing: Some(Writing { until: now + WRITE_WITHIN, offer: None }),
            unacknowledged: VecDeque::new(),
            last_heard: now,
            next_ping: now + PING_EVERY,
            ends_at: now + life.min(LONGEST_LIFE),
        };
        (linked, frames::linked(factor, day, PING_EVERY.as_secs()))
    }

    /// Whether an offer may be brought.
    pub(super) fn has_room(&self) -> bool {
        self.writing.is_none() && self.unacknowledged.len() < MOST_UNACKNOWLEDGED
    }

    /// Takes an offer, and gives the frame to write. Only while there is [room](Self::has_room); without it, and once
    /// the prompt must not be shown any more, the offer is turned away.
    pub(super) fn offer(&mut self, pending: PendingOffer, now: Now) -> Option<String> {
        let PendingOffer { offer, reply } = pending;
        let offered = Offered { notification: offer.notification, reply };
        if now.day >= offer.expires_at || !self.has_room() {
            offered.settle(OfferOutcome::NotConnected);
            return None;
        }
        self.writing = Some(Writing { until: now.at + WRITE_WITHIN, offer: Some(offered) });
        Some(frames::prompt(&offer))
    }

    /// The frame that was being written has left.
    pub(super) fn written(&mut self, now: Monotonic) {
        if let Some(offer) = self.writing.take().and_then(|writing| writing.offer) {
            self.unacknowledged.push_back((now + ACK_WITHIN, offer));
        }
    }

    /// Takes what the device said.
    pub(super) fn hear(&mut self, heard: Heard<'_>, now: Monotonic) -> Result<(), End> {
        self.last_heard = now;
        match heard {
            Heard::Beat => Ok(()),
            Heard::Text(text) => {
                let DeviceFrame::Ack { notification_sid } =
                    DeviceFrame::parse(text).map_err(Close::from)?;
                self.acknowledge(notification_sid);
                Ok(())
            }
            other => Err(other.ending()),
        }
    }

    fn acknowledge(&mut self, notification: NotificationSid) {
        let is_it = |offered: &mut Offered| offered.notification == notification;
        // Its last bytes may have arrived before we were told that they left.
        let writing = self.writing.as_mut().and_then(|writing| writing.offer.take_if(is_it));
        let at = self.unacknowledged.iter_mut().position(|(_, offered)| is_it(offered));
        let written = at.and_then(|at| self.unacknowledged.remove(at)).map(|(_, offered)| offered);
        for offered in writing.into_iter().chain(written) {
            offered.settle(OfferOutcome::Acknowledged);
        }
        self.tidy();
    }

    /// Does what is due at `now`; true means that a ping is to be written.
    pub(super) fn tick(&mut self, now: Monotonic) -> Result<bool, End> {
        while let Some((_, offered)) = self.unacknowledged.pop_front_if(|(until, _)| *until <= now)
        {
            offered.settle(OfferOutcome::Unacknowledged);
        }
        self.tidy();
        if self.writing.as_ref().is_some_and(|writing| writing.until <= now) {
            return Err(End::Lost);
        }
        if self.ends_at <= now {
            return Err(Close::OLD.into());
        }
        if self.last_heard + SILENCE <= now {
            return Err(Close::SILENT.into());
        }
        if now < self.next_ping {
            return Ok(false);
        }
        self.next_ping = now + PING_EVERY;
        // What is being written serves as well: either it leaves in time, or the connection has ended.
        let is_free = self.writing.is_none();
        if is_free {
            self.writing = Some(Writing { until: now + WRITE_WITHIN, offer: None });
        }
        Ok(is_free)
    }

    /// When [`tick`](Self::tick) wants to be called.
    pub(super) fn deadline(&self) -> Monotonic {
        let ack = self.unacknowledged.front().map(|(until, _)| *until);
        let write = self.writing.as_ref().map(|writing| writing.until);
        let fixed = self.next_ping.min(self.ends_at).min(self.last_heard + SILENCE);
        [ack, write].into_iter().flatten().fold(fixed, Monotonic::min)
    }

    /// A burst of prompts must not cost memory for the rest of an idle connection.
    fn tidy(&mut self) {
        if self.unacknowledged.is_empty() && self.unacknowledged.capacity() > 4 {
            self.unacknowledged = VecDeque::new();
        }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        for (_, offered) in self.unacknowledged.drain(..) {
            offered.settle(OfferOutcome::Unacknowledged);
        }
    }
}

/// How a conversation ends whose hold on the device ended; `None` if the bus let go without a word.
pub(super) const fn parted(parting: Option<Detached>) -> Close {
    match parting {
        Some(Detached::Replaced) => Close::REPLACED,
        Some(Detached::Dismissed) => Close::DISMISSED,
        None => Close::LOST_HOLD,
    }
}
