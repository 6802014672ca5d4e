//! The entry of one socket among the open sockets.

use std::sync::Arc;

use countersign_domain::entity::Owner;
use countersign_domain::sid::{AccountSid, FactorSid, ServiceSid};
use countersign_verify::services::ServiceStatus;

use super::close::Close;
use super::context::SocketContext;

/// One socket of a device. Dropping it removes it.
pub(super) struct SocketEntry {
    context: Arc<SocketContext>,
    account: AccountSid,
    service: ServiceSid,
    factor: FactorSid,
}

impl SocketEntry {
    /// Adds a socket.
    pub(super) fn enter(context: &Arc<SocketContext>, owner: &Owner, factor: FactorSid) -> Self {
        context.open_sockets.add(owner, factor);
        let context = Arc::clone(context);
        Self { context, account: owner.account, service: owner.service, factor }
    }

    /// The close frame for a device that is dismissed. A device of a suspended account must come back later, because its key
    /// stays valid.
    pub(super) async fn dismissal(&self) -> Close {
        match self.context.auth.standing(self.account, self.service).await {
            Ok(ServiceStatus::Suspended) | Err(_) => Close::SUSPENDED,
            Ok(ServiceStatus::Active | ServiceStatus::Deleted) => Close::DISMISSED,
        }
    }

    /// Whether the stream may continue.
    pub(super) async fn may_stay(&self) -> bool {
        // While the database cannot tell, the stream continues.
        let standing = self.context.auth.standing(self.account, self.service).await;
        matches!(standing, Ok(ServiceStatus::Active) | Err(_))
    }
}

impl Drop for SocketEntry {
    fn drop(&mut self) {
        self.context.open_sockets.remove(self.service, self.factor);
    }
}
