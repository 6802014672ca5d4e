//! Notifications.

use async_trait::async_trait;
use countersign_domain::challenge::ChallengeClosedError;
use countersign_domain::delivery::NewNotification;
use countersign_domain::notification::Notification;
use countersign_domain::prospect::Prospect;
use countersign_domain::sid::{ChallengeSid, NotificationSid};
use countersign_domain::time::Instant;

use crate::error::StoreResult;
use crate::page::{Page, PageQuery};

/// The result of storing a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notified {
    /// The notification is stored, with its delivery in the state that it was planned for. If an attempt begins at once, with
    /// what the attempt must know, unless the command could not read that.
    Done(Option<Prospect>),
    /// The challenge is not open.
    Refused(ChallengeClosedError),
    /// The factor does not exist, or is not reached by [`NewNotification::platform`]: plan again.
    PlatformChanged,
    /// The challenge has as many notifications as it may have.
    TooMany,
    /// The challenge does not exist.
    NotFound,
}

/// Notifications.
#[async_trait]
pub trait Notifications {
    /// Stores a notification and its delivery, only while the challenge is pending and unexpired at the notification's
    /// creation, its factor is reached by the platform that the notification was planned for, and it has fewer than `most`
    /// notifications, the automatic one not counted (0: no limit). Returns the first condition that fails.
    async fn notify(&self, new: &NewNotification, most: u32) -> StoreResult<Notified>;
    /// Reads a notification of a challenge.
    async fn notification(
        &self,
        challenge: ChallengeSid,
        sid: NotificationSid,
    ) -> StoreResult<Option<Notification>>;
    /// Lists the notifications of a challenge, the automatic one first.
    async fn notifications(
        &self,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> StoreResult<Page<Notification>>;
    /// Records that the device has fetched this challenge: notifications that are `sent`, or written to the stream and
    /// unacknowledged, become `delivered`, and the deliveries of the latter end. Writes only if there are such notifications.
    async fn mark_fetched(&self, challenge: ChallengeSid, at: Instant) -> StoreResult<()>;
}
