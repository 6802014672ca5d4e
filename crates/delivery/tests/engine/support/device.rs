//! A device on the stream, controlled by a test.

use std::sync::{Arc, Mutex};

use countersign_bus::{
    Attachment, Bus as _, HandOver, LocalBus, OfferOutcome, PendingOffer, ToDevice,
};
use countersign_domain::monotonic::Monotonic;
use countersign_domain::sid::{FactorSid, NotificationSid};
use tokio::task::JoinHandle;

/// A connected device. Dropping it ends its socket.
pub(crate) struct Device {
    pub(crate) attachment: Attachment,
}

impl Device {
    /// Connects as a socket does: attaches first, then tells the engine.
    pub(crate) async fn connect(
        bus: &LocalBus,
        handover: &HandOver,
        factor: FactorSid,
        now: Monotonic,
    ) -> Self {
        let attachment = bus.attach(factor, now).await.expect("the older socket is old enough");
        handover.connected(factor).await;
        Self { attachment }
    }

    /// The next offer.
    pub(crate) async fn next(&mut self) -> PendingOffer {
        self.offer().await.expect("the socket is held")
    }

    async fn offer(&mut self) -> Option<PendingOffer> {
        match *self.attachment.messages.recv().await? {
            ToDevice::Offer(pending) => Some(pending),
            ToDevice::AnsweredElsewhere { challenge, .. } => panic!("{challenge} is nobody's here"),
        }
    }

    /// Whether no offer is queued.
    pub(crate) fn sees_nothing(&mut self) -> bool {
        self.attachment.messages.try_recv().is_err()
    }

    /// Acknowledges the next offer; returns its notification.
    pub(crate) async fn acknowledge(&mut self) -> NotificationSid {
        let pending = self.next().await;
        let sid = pending.offer.notification;
        let _ = pending.reply.send(OfferOutcome::Acknowledged);
        sid
    }

    /// Acknowledges all offers in the background.
    pub(crate) fn acknowledge_all(self) -> AutoAcknowledging {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // Captures the whole device and not only its offers: the device holds its socket.
            let mut device = self;
            while let Some(pending) = device.offer().await {
                noted.lock().unwrap().push(pending.offer.notification);
                let _ = pending.reply.send(OfferOutcome::Acknowledged);
            }
        });
        AutoAcknowledging { seen, task }
    }
}

/// A device that acknowledges every offer.
pub(crate) struct AutoAcknowledging {
    seen: Arc<Mutex<Vec<NotificationSid>>>,
    task: JoinHandle<()>,
}

impl AutoAcknowledging {
    pub(crate) fn seen(&self) -> Vec<NotificationSid> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for AutoAcknowledging {
    fn drop(&mut self) {
        self.task.abort();
    }
}
