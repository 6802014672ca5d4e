//! Notifications: the heart.

use std::sync::Arc;

use countersign_bus::{Leased, Slot};
use countersign_domain::address::Platform;
use countersign_domain::challenge::Challenge;
use countersign_domain::delivery::{Birth, Delivery, Known, NewNotification, Prospect};
use countersign_domain::entity::Owner;
use countersign_domain::factor::{Factor, FactorType};
use countersign_domain::invalid::Invalid;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::notification::{Ending, Notification, deadline};
use countersign_domain::sid::{AccountSid, ChallengeSid, FactorSid, NotificationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::seam::Notified;
use countersign_store::{Page, PageQuery};

use crate::accounts::TRIES;
use crate::{Answer, Caller, Verify, VerifyError};

/// What a notification must know of its challenge and of whom it goes to. All of it but the platform never changes, and
/// the store looks at that once more, so it may come from memory.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    challenge: ChallengeSid,
    owner: Owner,
    factor: FactorSid,
    platform: Platform,
    expires_at: Instant,
}

impl Asked {
    /// Of a challenge and its factor.
    pub(crate) fn of(challenge: &Challenge, factor: &Factor) -> Self {
        Self {
            challenge: challenge.sid,
            owner: challenge.owner.clone(),
            factor: factor.sid,
            platform: factor.address.platform(),
            expires_at: challenge.expires_at,
        }
    }
}

/// A notification that is about to be stored, and its reserved slot in the queue of the dispatcher.
pub(crate) struct Planned {
    pub(crate) new: NewNotification,
    slot: Option<Slot>,
    at: Monotonic,
}

impl Verify {
    /// Pushes a challenge again. `ttl` is within [`countersign_domain::notification::TTL`].
    ///
    /// # Errors
    /// In this order: [`VerifyError::NotFound`], [`VerifyError::CannotAnswer`], a challenge of a TOTP factor,
    /// [`VerifyError::NotFound`] when the factor is gone, [`VerifyError::PlatformNone`],
    /// [`VerifyError::TooManyNotifications`].
    pub async fn notify(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        ttl: u16,
    ) -> Answer<(Owner, NewNotification)> {
        self.service(account, service).await?;
        let known = self.asked.get(&sid);
        let mut known = known
            .filter(|known| known.owner.service == service && known.owner.identity == *identity);
        for _ in 0..TRIES {
            let asked = match known.take() {
                Some(asked) => asked,
                None => self.ask_afresh(service, identity, sid).await?,
            };
            let planned = self.plan(&asked, ttl, false, self.time().await?).await;
            let new = planned.new;
            let most = self.options.limits.notifications_per_challenge;
            match self.store.notify(&new, most).await? {
                Notified::Done(prospect) => {
                    self.hand_over(planned, prospect).await;
                    return Ok((asked.owner.clone(), new));
                }
                Notified::Refused(why) => return Err(why.into()),
                // What is known of it is old, or changed this very moment.
                Notified::Moved => self.asked.invalidate(&sid),
                Notified::TooMany => return Err(VerifyError::TooManyNotifications),
                Notified::Gone => return Err(VerifyError::NotFound),
            }
        }
        Err(VerifyError::Conflict)
    }

    /// Reads a challenge and its factor and judges whether a notification makes sense.
    async fn ask_afresh(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> Answer<Arc<Asked>> {
        let found = self.store.challenge(service, identity, sid).await?;
        let (challenge, factor) = found.ok_or(VerifyError::NotFound)?;
        self.open_at(&challenge).await?;
        if challenge.factor_type == FactorType::Totp {
            let reason = Invalid::because("must be the challenge of a push factor");
            return Err(VerifyError::Parameter("ChallengeSid", reason));
        }
        let factor = factor.ok_or(VerifyError::NotFound)?;
        if !factor.address.can_be_reached() {
            return Err(VerifyError::PlatformNone);
        }
        let asked = Arc::new(Asked::of(&challenge, &factor));
        self.asked.insert(sid, Arc::clone(&asked));
        Ok(asked)
    }

    /// A notification of a challenge, and whose it is.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`].
    pub async fn notification(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        challenge: ChallengeSid,
        sid: NotificationSid,
    ) -> Answer<(Owner, Notification)> {
        let caller = Caller::Application(account);
        let owner = self.challenge(&caller, service, identity, challenge).await?.owner;
        let notification = self.store.notification(challenge, sid).await?;
        Ok((owner, notification.ok_or(VerifyError::NotFound)?))
    }

    /// Lists the notifications of a challenge, the automatic one first, and whose they are.
    ///
    /// # Errors
    /// [`VerifyError::NotFound`] without the challenge.
    pub async fn notifications(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        challenge: ChallengeSid,
        page: PageQuery<NotificationSid>,
    ) -> Answer<(Owner, Page<Notification>)> {
        let caller = Caller::Application(account);
        let owner = self.challenge(&caller, service, identity, challenge).await?.owner;
        Ok((owner, self.store.notifications(challenge, page).await?))
    }

    /// Decides how a notification comes into the world. A slot in the queue of the dispatcher is reserved before it is stored, so
    /// that a row which is born leased is surely handed over.
    pub(crate) async fn plan(
        &self,
        asked: &Asked,
        ttl: u16,
        automatic: bool,
        now: Instant,
    ) -> Planned {
        let once = ttl == 0;
        // Now or never is attempted wherever the device may be; to ask for it can take as long as the whole attempt.
        let is_away = !once
            && asked.platform == Platform::Stream
            && !self.bus.is_attached(asked.factor).await;
        let slot = if is_away { None } else { self.handover.reserve() };
        let birth = match &slot {
            Some(_) if once => Birth::Immediate,
            None if once => Birth::Stillborn(Ending::NOT_ATTEMPTED),
            Some(_) => Birth::Leased { until: now + self.options.lease },
            None if is_away => Birth::Parked,
            None => Birth::Due,
        };
        let delivery = Delivery {
            notification: NotificationSid::mint(now, &*self.entropy),
            challenge: asked.challenge,
            factor: asked.factor,
            entity: asked.owner.entity,
            deadline: deadline(now, ttl, asked.expires_at),
            once,
            attempts: 0,
        };
        let new = NewNotification {
            delivery,
            automatic,
            ttl,
            created_at: now,
            node: self.node,
            platform: asked.platform,
            birth,
        };
        Planned { new, slot, at: self.clock.monotonic() }
    }

    /// Sees to it, after the commit, that somebody takes the delivery up.
    pub(crate) async fn hand_over(&self, planned: Planned, prospect: Option<Prospect>) {
        let Planned { new, slot, at } = planned;
        match (new.birth, new.lease(), slot) {
            (_, Some(lease), Some(slot)) => {
                let known = prospect.map(|prospect| Known { prospect, at });
                slot.hand_over(Leased { lease, known });
            }
            (Birth::Parked, ..) => {
                // The device may have connected, and found nothing, while this was being stored.
                if self.bus.is_attached(new.delivery.factor).await {
                    self.handover.connected(new.delivery.factor).await;
                }
            }
            (Birth::Due, ..) => self.handover.wake(),
            (Birth::Leased { .. } | Birth::Immediate | Birth::Stillborn(_), ..) => {}
        }
    }
}
