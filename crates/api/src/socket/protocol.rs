//! The conversation with an authenticated device, without a socket.
//!
//! Input are messages and the time, output are frames to write. Frames are written one at a time: [`Linked::written`] must be
//! called before there is [room](Linked::has_room) for the next. Every offer gets exactly one reception. When the conversation
//! is dropped, offers that were written and not acknowledged are [`OfferOutcome::Unacknowledged`], offers that were not written
//! are [`OfferOutcome::NotConnected`].

use std::collections::VecDeque;
use std::time::Duration;

use countersign_bus::{Detached, OfferOutcome, PendingOffer, ToDevice};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{FactorSid, NotificationSid};
use tokio::sync::oneshot;

use super::close::{Close, End};
use super::frames::{self, DeviceFrame};
use super::now::Now;

/// Largest number of unacknowledged prompts; further ones wait in the database.
pub(super) const MOST_UNACKNOWLEDGED: usize = 100;
/// Time for a device to acknowledge a prompt.
const ACK_WITHIN: Duration = Duration::from_secs(10);
/// Time for the connection to accept a written frame.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Interval of pings. Shorter than the minute after which many middleboxes drop an idle connection.
const PING_EVERY: Duration = Duration::from_secs(45);
/// A device that is silent for this long is gone: two pings, and some time for a slow network.
const SILENCE: Duration = Duration::from_secs(2 * PING_EVERY.as_secs() + 10);
/// Largest lifetime of a connection. Afterwards the device must authenticate again.
pub(super) const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);

/// A message of the device, independent of the WebSocket library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary,
    /// A ping or a pong.
    Beat,
    /// A close frame.
    Farewell,
    /// The connection broke.
    Silence,
    /// A message that is too large.
    TooLarge,
    /// A text message that is not UTF-8.
    NotUtf8,
    /// A violation of the WebSocket protocol.
    Violation,
}

impl Received<'_> {
    /// The end of a conversation in which this message is not allowed.
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

/// An offer that is written or being written.
#[derive(Debug)]
struct Offered {
    notification: NotificationSid,
    reply: oneshot::Sender<OfferOutcome>,
}

impl Offered {
    fn settle(self, reception: OfferOutcome) {
        // The sender of the offer may have stopped waiting.
        let _ = self.reply.send(reception);
    }
}

/// A frame that is being written.
#[derive(Debug)]
struct Writing {
    until: Monotonic,
    /// The offer in the frame, until it is acknowledged.
    offer: Option<Offered>,
}

/// A conversation with an authenticated device.
#[derive(Debug)]
pub(super) struct Linked {
    writing: Option<Writing>,
    /// Deadlines of the acks, with their offers, in the order of writing.
    unacknowledged: VecDeque<(Monotonic, Offered)>,
    last_heard: Monotonic,
    next_ping: Monotonic,
    ends_at: Monotonic,
}

impl Linked {
    /// Begins the conversation and returns its first frame. `life` is its largest lifetime.
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

    /// Whether an offer can be accepted.
    pub(super) fn has_room(&self) -> bool {
        self.writing.is_none() && self.unacknowledged.len() < MOST_UNACKNOWLEDGED
    }

    /// Accepts an offer and returns the frame to write. The offer is error down if there is no [room](Self::has_room), or if
    /// the prompt has expired.
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

    /// Accepts a message for the device and returns the frame to write, if there is one. Needs [room](Self::has_room).
    pub(super) fn take(&mut self, message: ToDevice, now: Now) -> Option<String> {
        match message {
            ToDevice::Offer(pending) => self.offer(pending, now),
            ToDevice::AnsweredElsewhere { factor, challenge } => {
                self.writing = Some(Writing { until: now.at + WRITE_WITHIN, offer: None });
                Some(frames::answered_elsewhere(factor, challenge))
            }
        }
    }

    /// Must be called when the frame has been written.
    pub(super) fn written(&mut self, now: Monotonic) {
        if let Some(offer) = self.writing.take().and_then(|writing| writing.offer) {
            self.unacknowledged.push_back((now + ACK_WITHIN, offer));
        }
    }

    /// Processes a message of the device.
    pub(super) fn receive(&mut self, received: Received<'_>, now: Monotonic) -> Result<(), End> {
        self.last_heard = now;
        match received {
            Received::Beat => Ok(()),
            Received::Text(text) => {
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
        // The ack may arrive before the notice that the frame has been written.
        let writing = self.writing.as_mut().and_then(|writing| writing.offer.take_if(is_it));
        let at = self.unacknowledged.iter_mut().position(|(_, offered)| is_it(offered));
        let written = at.and_then(|at| self.unacknowledged.remove(at)).map(|(_, offered)| offered);
        for offered in writing.into_iter().chain(written) {
            offered.settle(OfferOutcome::Acknowledged);
        }
        self.tidy();
    }

    /// Does what is due at `now`. Returns true if a ping must be written.
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
        // A frame that is being written replaces the ping: either it is written in time, or the connection ends.
        let is_free = self.writing.is_none();
        if is_free {
            self.writing = Some(Writing { until: now + WRITE_WITHIN, offer: None });
        }
        Ok(is_free)
    }

    /// When [`tick`](Self::tick) must be called.
    pub(super) fn deadline(&self) -> Monotonic {
        let ack = self.unacknowledged.front().map(|(until, _)| *until);
        let write = self.writing.as_ref().map(|writing| writing.until);
        let fixed = self.next_ping.min(self.ends_at).min(self.last_heard + SILENCE);
        [ack, write].into_iter().flatten().fold(fixed, Monotonic::min)
    }

    /// Releases the memory that a burst of prompts has used.
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

/// The close frame after the bus released the device; `None` if it gave no reason.
pub(super) const fn parted(parting: Option<Detached>) -> Close {
    match parting {
        Some(Detached::Replaced) => Close::REPLACED,
        Some(Detached::Dismissed) => Close::DISMISSED,
        None => Close::DETACHED,
    }
}
