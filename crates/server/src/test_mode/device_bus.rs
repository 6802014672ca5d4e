//! The bus between the engine and the sockets of devices, some of which go away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use countersign_bus::seam::Listener;
use countersign_bus::{Attachment, Bus, Changed, Link, Offer, OfferOutcome, Watch};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{ChallengeSid, FactorSid};
use tokio::sync::{oneshot, watch};

use super::manners::Kind;
use super::mode::TestMode;

/// A bus whose devices go away with a prompt on its way to them: the connection ends, and the prompt is lost.
pub(crate) struct DeviceBus {
    inner: Arc<dyn Bus>,
    mode: Arc<TestMode>,
    /// Cuts the connection of a device. One for each device that has ever connected.
    cuts: Mutex<HashMap<FactorSid, oneshot::Sender<()>>>,
}

impl DeviceBus {
    pub(crate) fn new(inner: Arc<dyn Bus>, mode: Arc<TestMode>) -> Self {
        Self { inner, mode, cuts: Mutex::default() }
    }

    fn cuts(&self) -> MutexGuard<'_, HashMap<FactorSid, oneshot::Sender<()>>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Bus for DeviceBus {
    async fn offer(&self, offer: Offer) -> OfferOutcome {
        let factor = offer.factor;
        if self.inner.is_attached(factor).await && self.mode.manners.happens(Kind::DevicesVanish) {
            let cut = self.cuts().remove(&factor);
            // The connection may have ended meanwhile.
            cut.map(|cut| cut.send(()));
            return OfferOutcome::Unacknowledged;
        }
        self.inner.offer(offer).await
    }

    async fn attach(&self, factor: FactorSid, now: Monotonic) -> Option<Attachment> {
        let mut attachment = self.inner.attach(factor, now).await?;
        let (detach, detached) = oneshot::channel();
        let parted = std::mem::replace(&mut attachment.detached, detached);
        let (cut, is_cut) = oneshot::channel();
        self.cuts().insert(factor, cut);
        tokio::spawn(async move {
            tokio::select! {
                // Dropped without a word, `detach` ends the connection so that the device comes back.
                Ok(()) = is_cut => drop(detach),
                parted = parted => {
                    if let Ok(parted) = parted {
                        let _ = detach.send(parted);
                    }
                }
            }
        });
        Some(attachment)
    }

    async fn is_attached(&self, factor: FactorSid) -> bool {
        self.inner.is_attached(factor).await
    }

    async fn dismiss(&self, factor: FactorSid) {
        self.inner.dismiss(factor).await;
    }

    async fn answered_elsewhere(&self, factor: FactorSid, challenge: ChallengeSid) {
        self.inner.answered_elsewhere(factor, challenge).await;
    }

    async fn watch(&self, challenge: ChallengeSid) -> Watch {
        self.inner.watch(challenge).await
    }

    async fn challenge_changed(&self, challenge: ChallengeSid) {
        self.inner.challenge_changed(challenge).await;
    }

    async fn announce(&self, changed: Changed) {
        self.inner.announce(changed).await;
    }

    fn listen(&self, listener: Listener) {
        self.inner.listen(listener);
    }

    fn held(&self) -> Vec<FactorSid> {
        self.inner.held()
    }

    fn link(&self) -> Option<watch::Receiver<Link>> {
        self.inner.link()
    }

    async fn flush(&self) {
        self.inner.flush().await;
    }
}
