//! Creates, reads and lists notifications.

use std::sync::Arc;

use countersign_bus::{Leased, Slot};
use countersign_domain::address::Platform;
use countersign_domain::delivery::{Delivery, InitialState, NewNotification};
use countersign_domain::ending::Ending;
use countersign_domain::entity::Owner;
use countersign_domain::factor::FactorType;
use countersign_domain::invalid::Invalid;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::notification::{Notification, deadline};
use countersign_domain::prospect::{Prospect, TimedProspect};
use countersign_domain::sid::{AccountSid, ChallengeSid, NotificationSid, ServiceSid};
use countersign_domain::text::Identity;
use countersign_domain::time::Instant;
use countersign_store::seam::Notified;
use countersign_store::{Page, PageQuery};

use crate::caller::Caller;
use crate::error::{VerifyError, VerifyResult};
use crate::notification_target::NotificationTarget;
use crate::parameter::Parameter;
use crate::verify::{MAX_TRIES, Verify};

/// A notification that is about to be stored, and its reserved slot in the queue of the dispatcher.
pub(crate) struct PlannedNotification {
    pub(crate) new: NewNotification,
    slot: Option<Slot>,
    at: Monotonic,
}

impl Verify {
    /// Pushes a challenge again. `ttl` is within [`countersign_domain::notification::TTL`].
    ///
    /// # Errors
    /// In this order: [`VerifyError::NotFound`], [`VerifyError::ChallengeClosed`], [`VerifyError::Parameter`] for a challenge
    /// of a TOTP factor, [`VerifyError::NotFound`] when the factor was deleted, [`VerifyError::PlatformNone`],
    /// [`VerifyError::TooManyNotifications`].
    pub async fn notify(
        &self,
        account: AccountSid,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
        ttl: u16,
    ) -> VerifyResult<(Owner, NewNotification)> {
        self.service(account, service).await?;
        let cached = self.targets.get(&sid);
        let mut cached = cached
            .filter(|target| target.owner.service == service && target.owner.identity == *identity);
        for _ in 0..MAX_TRIES {
            let target = match cached.take() {
                Some(target) => target,
                None => self.read_target(service, identity, sid).await?,
            };
            let planned = self.plan(&target, ttl, false, self.time().await?).await;
            let new = planned.new;
            let most = self.settings.limits.notifications_per_challenge;
            let notified = match self.store.notify(&new, most).await {
                Ok(notified) => notified,
                Err(error) => {
                    self.hand_over_in_doubt(planned).await;
                    return Err(error.into());
                }
            };
            match notified {
                Notified::Done(prospect) => {
                    self.hand_over(planned, prospect).await;
                    return Ok((target.owner.clone(), new));
                }
                Notified::Refused(why) => return Err(why.into()),
                // The factor's platform has changed since the target was read.
                Notified::PlatformChanged => self.targets.invalidate(&sid),
                Notified::TooMany => return Err(VerifyError::TooManyNotifications),
                Notified::NotFound => return Err(VerifyError::NotFound),
            }
        }
        Err(VerifyError::Conflict)
    }

    /// Reads a challenge and its factor, and checks that the challenge can be pushed.
    async fn read_target(
        &self,
        service: ServiceSid,
        identity: &Identity,
        sid: ChallengeSid,
    ) -> VerifyResult<Arc<NotificationTarget>> {
        let found = self.store.challenge(service, identity, sid).await?;
        let (challenge, factor) = found.ok_or(VerifyError::NotFound)?;
        self.open_at(&challenge).await?;
        if challenge.factor_type == FactorType::Totp {
            let reason = Invalid::because("must be the challenge of a push factor");
            return Err(VerifyError::Parameter(Parameter::Challenge, reason));
        }
        let factor = factor.ok_or(VerifyError::NotFound)?;
        if !factor.address.can_be_reached() {
            return Err(VerifyError::PlatformNone);
        }
        let target = Arc::new(NotificationTarget::of(&challenge, &factor));
        self.targets.insert(sid, Arc::clone(&target));
        Ok(target)
    }

    /// Returns a notification of a challenge, and the entity that it belongs to.
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
    ) -> VerifyResult<(Owner, Notification)> {
        let caller = Caller::Application(account);
        let owner = self.challenge(&caller, service, identity, challenge).await?.owner;
        let notification = self.store.notification(challenge, sid).await?;
        Ok((owner, notification.ok_or(VerifyError::NotFound)?))
    }

    /// Lists the notifications of a challenge, the automatic one first, and returns the entity that they belong to.
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
    ) -> VerifyResult<(Owner, Page<Notification>)> {
        let caller = Caller::Application(account);
        let owner = self.challenge(&caller, service, identity, challenge).await?.owner;
        Ok((owner, self.store.notifications(challenge, page).await?))
    }

    /// Decides the initial state of a notification's delivery. A slot in the queue of the dispatcher is reserved before the row
    /// is stored, so that a row that is stored as leased is certain to be handed over.
    pub(crate) async fn plan(
        &self,
        target: &NotificationTarget,
        ttl: u16,
        automatic: bool,
        now: Instant,
    ) -> PlannedNotification {
        let once = ttl == 0;
        // `Ttl=0` is attempted whether or not the device is present: asking other nodes could take as long as the attempt.
        let is_away = !once
            && target.platform == Platform::Stream
            && !self.bus.is_attached(target.factor).await;
        let slot = if is_away { None } else { self.handover.reserve() };
        let initial_state = match &slot {
            Some(_) if once => InitialState::Immediate,
            None if once => InitialState::Ended(Ending::NOT_ATTEMPTED),
            Some(_) => InitialState::Leased { until: now + self.settings.lease },
            None if is_away => InitialState::Parked,
            None => InitialState::Due,
        };
        let delivery = Delivery {
            notification: NotificationSid::mint(now, &*self.entropy),
            challenge: target.challenge,
            factor: target.factor,
            entity: target.owner.entity,
            deadline: deadline(now, ttl, target.expires_at),
            once,
            attempts: 0,
        };
        let new = NewNotification {
            delivery,
            automatic,
            ttl,
            created_at: now,
            node: self.node,
            platform: target.platform,
            initial_state,
        };
        PlannedNotification { new, slot, at: self.clock.monotonic() }
    }

    /// Hands over a notification that may have been stored although the command failed. The engine looks for it before the
    /// attempt. Only one with `Ttl=0`: no row of `deliveries` would bring it back, and it would never end.
    async fn hand_over_in_doubt(&self, planned: PlannedNotification) {
        if matches!(planned.new.initial_state, InitialState::Immediate) {
            self.hand_over(planned, None).await;
        }
    }

    /// Makes sure, after the commit, that the delivery is worked on.
    pub(crate) async fn hand_over(&self, planned: PlannedNotification, prospect: Option<Prospect>) {
        let PlannedNotification { new, slot, at } = planned;
        match (new.initial_state, new.lease(), slot) {
            (_, Some(lease), Some(slot)) => {
                let prospect = prospect.map(|prospect| TimedProspect { prospect, at });
                slot.hand_over(Leased { lease, known: prospect });
            }
            (InitialState::Parked, ..) => {
                // The device may have connected before this was stored, and found nothing.
                if self.bus.is_attached(new.delivery.factor).await {
                    self.handover.connected(new.delivery.factor).await;
                }
            }
            (InitialState::Due, ..) => self.handover.wake(),
            (
                InitialState::Leased { .. } | InitialState::Immediate | InitialState::Ended(_),
                ..,
            ) => {}
        }
    }
}
