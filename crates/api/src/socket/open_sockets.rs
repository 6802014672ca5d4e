//! The devices with sockets in this process, by service. Their streams end together with the service or its account.
//!
//! The deletion of a factor or an entity is announced to its sockets by name. A service can have any number of sockets on any
//! node, so each node checks its own: at once when a service or an account has changed, and periodically, because announcements
//! between nodes can be lost. For the same reason, the factors that have sockets here are looked up once a minute, many with
//! one read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_bus::Changed;
use countersign_domain::entity::Owner;
use countersign_domain::sid::{AccountSid, EntitySid, FactorSid, ServiceSid};
use countersign_verify::services::ServiceStatus;
use tokio::sync::Notify;

use super::SocketContext;
use super::close::Close;

/// Interval of checks for services that ended without an announcement.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Interval of checks for factors that ended without an announcement, and the number that one read looks up. Other work runs in
/// between.
const LOOK_FOR_FACTORS_EVERY: Duration = Duration::from_secs(60);
const FACTORS_AT_ONCE: usize = 500;
const PAUSE: Duration = Duration::from_millis(50);

/// The open sockets.
#[derive(Default)]
pub struct OpenSockets(Mutex<HashMap<ServiceSid, ServiceSockets>>);

/// The devices of one service.
struct ServiceSockets {
    account: AccountSid,
    devices: HashMap<FactorSid, Device>,
}

/// A device with a socket.
struct Device {
    entity: EntitySid,
    /// Number of sockets. An older one may still be closing.
    sockets: u32,
}

/// One socket of a device. Dropping it removes it.
pub(super) struct SocketEntry {
    context: Arc<SocketContext>,
    account: AccountSid,
    service: ServiceSid,
    factor: FactorSid,
}

impl SocketEntry {
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

impl OpenSockets {
    /// Adds a socket.
    pub(super) fn enter(
        context: &Arc<SocketContext>,
        owner: &Owner,
        factor: FactorSid,
    ) -> SocketEntry {
        let mut services = context.open_sockets.lock();
        let house = services
            .entry(owner.service)
            .or_insert_with(|| ServiceSockets { account: owner.account, devices: HashMap::new() });
        let nobody = Device { entity: owner.entity, sockets: 0 };
        house.devices.entry(factor).or_insert(nobody).sockets += 1;
        SocketEntry {
            context: Arc::clone(context),
            account: owner.account,
            service: owner.service,
            factor,
        }
    }

    fn services(&self) -> Vec<(ServiceSid, AccountSid)> {
        self.lock().iter().map(|(service, house)| (*service, house.account)).collect()
    }

    fn devices(&self, service: ServiceSid) -> Vec<FactorSid> {
        let services = self.lock();
        services
            .get(&service)
            .map(|house| house.devices.keys().copied().collect())
            .unwrap_or_default()
    }

    /// All devices, with their entities.
    fn all(&self) -> Vec<(EntitySid, FactorSid)> {
        let services = self.lock();
        let devices = services.values().flat_map(|house| &house.devices);
        devices.map(|(factor, device)| (device.entity, *factor)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceSid, ServiceSockets>> {
        // No code that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SocketEntry {
    fn drop(&mut self) {
        let mut services = self.context.open_sockets.lock();
        let Some(house) = services.get_mut(&self.service) else { return };
        if let Some(device) = house.devices.get_mut(&self.factor) {
            device.sockets -= 1;
            if device.sockets == 0 {
                house.devices.remove(&self.factor);
            }
        }
        if house.devices.is_empty() {
            services.remove(&self.service);
        }
    }
}

/// Ends the streams of services that are gone or closed, until the process stops. Must be called once, within a runtime.
pub fn watch_revocations(context: &Arc<SocketContext>) {
    let changes = Arc::new(Changes::default());
    context.bus.listen({
        let changes = Arc::clone(&changes);
        Box::new(move |changed| changes.note(changed))
    });
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let shutdown = context.shutdown.clone();
        let both = async { tokio::join!(watch(&context, &changes), watch_factors(&context)) };
        shutdown.run_until_cancelled(both).await;
    });
}

/// The services and accounts that changed since the last check. Bounded, because each check empties it.
#[derive(Default)]
struct Changes {
    services: Mutex<HashSet<ServiceSid>>,
    accounts: Mutex<HashSet<AccountSid>>,
    news: Notify,
}

impl Changes {
    fn note(&self, changed: Changed) {
        match changed {
            Changed::Service(sid) => insert(&self.services, sid),
            Changed::Account(sid) => insert(&self.accounts, sid),
            Changed::ApiKey(_)
            | Changed::Credential(_)
            | Changed::Entity(_)
            | Changed::Factor(_) => return,
        }
        self.news.notify_one();
    }
}

fn insert<T: Eq + std::hash::Hash>(set: &Mutex<HashSet<T>>, item: T) {
    set.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
}

fn take<T>(set: &Mutex<HashSet<T>>) -> HashSet<T> {
    std::mem::take(&mut set.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn watch(context: &SocketContext, changes: &Changes) {
    let clock = &*context.clock;
    let mut round = clock.monotonic() + LOOK_EVERY;
    loop {
        let is_news = tokio::select! {
            biased;
            () = clock.sleep(round.since(clock.monotonic())) => false,
            () = changes.news.notified() => true,
        };
        if !is_news {
            round = clock.monotonic() + LOOK_EVERY;
        }
        let (services, accounts) = (take(&changes.services), take(&changes.accounts));
        for (service, account) in context.open_sockets.services() {
            if is_news && !services.contains(&service) && !accounts.contains(&account) {
                continue;
            }
            // While the database cannot tell, the streams continue.
            if let Ok(ServiceStatus::Deleted | ServiceStatus::Suspended) =
                context.auth.standing(account, service).await
            {
                for device in context.open_sockets.devices(service) {
                    context.bus.dismiss(device).await;
                }
            }
        }
    }
}

/// Ends the streams of factors that are deleted or have another platform now.
async fn watch_factors(context: &SocketContext) {
    loop {
        context.clock.sleep(LOOK_FOR_FACTORS_EVERY).await;
        for factors in context.open_sockets.all().chunks(FACTORS_AT_ONCE) {
            // While the database cannot tell, the streams continue.
            for factor in context.auth.not_streamed(factors).await.unwrap_or_default() {
                context.bus.dismiss(factor).await;
            }
            context.clock.sleep(PAUSE).await;
        }
    }
}
