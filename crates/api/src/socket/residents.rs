//! The devices whose sockets are here, by service: their streams end when the service, or its account, does.
//!
//! That a factor or an entity was deleted is told to its sockets by name. A service has any number of them, on any node, so
//! each node looks for itself: at once when it hears that a service or an account has changed, and at intervals, since what
//! nodes tell each other may be lost. So may be what is told of one factor: those that have sockets here are looked up, many
//! with one read, once in a minute.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_bus::Changed;
use countersign_domain::entity::Owner;
use countersign_domain::sid::{AccountSid, EntitySid, FactorSid, ServiceSid};
use countersign_verify::services::ServiceStatus;
use tokio::sync::Notify;

use super::SocketParts;
use super::close::Close;

/// How often to look for services that have ended unheard.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often to look for factors that have ended unheard, and how many are looked up with one read. In between others have a turn.
const LOOK_FOR_FACTORS_EVERY: Duration = Duration::from_secs(60);
const FACTORS_AT_ONCE: usize = 500;
const BREATH: Duration = Duration::from_millis(50);

/// Who is here.
#[derive(Default)]
pub struct Residents(Mutex<HashMap<ServiceSid, House>>);

/// The devices of one service.
struct House {
    account: AccountSid,
    devices: HashMap<FactorSid, Device>,
}

/// A device that has a socket.
struct Device {
    entity: EntitySid,
    /// How many sockets: an older one may still be on its way out.
    sockets: u32,
}

/// One socket of a device. Dropped, it is struck off.
pub(super) struct Resident {
    parts: Arc<SocketParts>,
    account: AccountSid,
    service: ServiceSid,
    factor: FactorSid,
}

impl Resident {
    /// How the stream of one that is dismissed is closed. A device whose account is suspended is told to come back later:
    /// its key is as good as before.
    pub(super) async fn dismissal(&self) -> Close {
        match self.parts.auth.standing(self.account, self.service).await {
            Ok(ServiceStatus::Suspended) | Err(_) => Close::SUSPENDED,
            Ok(ServiceStatus::Active | ServiceStatus::Deleted) => Close::DISMISSED,
        }
    }

    /// Whether it may stay.
    pub(super) async fn is_welcome(&self) -> bool {
        // While that cannot be said, it stays.
        let standing = self.parts.auth.standing(self.account, self.service).await;
        matches!(standing, Ok(ServiceStatus::Active) | Err(_))
    }
}

impl Residents {
    /// Enters a socket.
    pub(super) fn enter(parts: &Arc<SocketParts>, owner: &Owner, factor: FactorSid) -> Resident {
        let mut houses = parts.residents.lock();
        let house = houses
            .entry(owner.service)
            .or_insert_with(|| House { account: owner.account, devices: HashMap::new() });
        let nobody = Device { entity: owner.entity, sockets: 0 };
        house.devices.entry(factor).or_insert(nobody).sockets += 1;
        Resident {
            parts: Arc::clone(parts),
            account: owner.account,
            service: owner.service,
            factor,
        }
    }

    fn houses(&self) -> Vec<(ServiceSid, AccountSid)> {
        self.lock().iter().map(|(service, house)| (*service, house.account)).collect()
    }

    fn devices(&self, service: ServiceSid) -> Vec<FactorSid> {
        let houses = self.lock();
        houses
            .get(&service)
            .map(|house| house.devices.keys().copied().collect())
            .unwrap_or_default()
    }

    /// All of them, with their entities.
    fn all(&self) -> Vec<(EntitySid, FactorSid)> {
        let houses = self.lock();
        let devices = houses.values().flat_map(|house| &house.devices);
        devices.map(|(factor, device)| (device.entity, *factor)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceSid, House>> {
        // Counting cannot panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let mut houses = self.parts.residents.lock();
        let Some(house) = houses.get_mut(&self.service) else { return };
        if let Some(device) = house.devices.get_mut(&self.factor) {
            device.sockets -= 1;
            if device.sockets == 0 {
                house.devices.remove(&self.factor);
            }
        }
        if house.devices.is_empty() {
            houses.remove(&self.service);
        }
    }
}

/// Ends the streams of services that are gone or closed, until the process stops. To be called once, within a runtime.
pub fn keep_watch(parts: &Arc<SocketParts>) {
    let heard = Arc::new(Heard::default());
    parts.bus.listen({
        let heard = Arc::clone(&heard);
        Box::new(move |changed| heard.note(changed))
    });
    let parts = Arc::clone(parts);
    tokio::spawn(async move {
        let shutdown = parts.shutdown.clone();
        let both = async { tokio::join!(watch(&parts, &heard), watch_factors(&parts)) };
        shutdown.run_until_cancelled(both).await;
    });
}

/// The services and accounts that changed since the last look. Bounded: each look empties it.
#[derive(Default)]
struct Heard {
    services: Mutex<HashSet<ServiceSid>>,
    accounts: Mutex<HashSet<AccountSid>>,
    news: Notify,
}

impl Heard {
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

async fn watch(parts: &SocketParts, heard: &Heard) {
    let clock = &*parts.clock;
    let mut round = clock.monotonic() + LOOK_EVERY;
    loop {
        let is_news = tokio::select! {
            biased;
            () = clock.sleep(round.since(clock.monotonic())) => false,
            () = heard.news.notified() => true,
        };
        if !is_news {
            round = clock.monotonic() + LOOK_EVERY;
        }
        let (services, accounts) = (take(&heard.services), take(&heard.accounts));
        for (service, account) in parts.residents.houses() {
            if is_news && !services.contains(&service) && !accounts.contains(&account) {
                continue;
            }
            // While that cannot be said, they stay.
            if let Ok(ServiceStatus::Deleted | ServiceStatus::Suspended) =
                parts.auth.standing(account, service).await
            {
                for device in parts.residents.devices(service) {
                    parts.bus.dismiss(device).await;
                }
            }
        }
    }
}

/// Ends the streams of factors that are gone, or are reached by another way, whoever was to tell of it.
async fn watch_factors(parts: &SocketParts) {
    loop {
        parts.clock.sleep(LOOK_FOR_FACTORS_EVERY).await;
        for factors in parts.residents.all().chunks(FACTORS_AT_ONCE) {
            // While that cannot be said, they stay.
            for factor in parts.auth.not_streamed(factors).await.unwrap_or_default() {
                parts.bus.dismiss(factor).await;
            }
            parts.clock.sleep(BREATH).await;
        }
    }
}
