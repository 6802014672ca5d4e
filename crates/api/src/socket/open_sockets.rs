//! The devices with sockets in this process, by service.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_domain::entity::Owner;
use countersign_domain::sid::{AccountSid, EntitySid, FactorSid, ServiceSid};

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

impl OpenSockets {
    /// Adds a socket of a device.
    pub(super) fn add(&self, owner: &Owner, factor: FactorSid) {
        let mut services = self.lock();
        let sockets_of_service = services
            .entry(owner.service)
            .or_insert_with(|| ServiceSockets { account: owner.account, devices: HashMap::new() });
        let new = Device { entity: owner.entity, sockets: 0 };
        sockets_of_service.devices.entry(factor).or_insert(new).sockets += 1;
    }

    /// Removes a socket of a device.
    pub(super) fn remove(&self, service: ServiceSid, factor: FactorSid) {
        let mut services = self.lock();
        let Some(sockets_of_service) = services.get_mut(&service) else { return };
        if let Some(device) = sockets_of_service.devices.get_mut(&factor) {
            device.sockets -= 1;
            if device.sockets == 0 {
                sockets_of_service.devices.remove(&factor);
            }
        }
        if sockets_of_service.devices.is_empty() {
            services.remove(&service);
        }
    }

    pub(super) fn services(&self) -> Vec<(ServiceSid, AccountSid)> {
        self.lock()
            .iter()
            .map(|(service, sockets_of_service)| (*service, sockets_of_service.account))
            .collect()
    }

    pub(super) fn devices(&self, service: ServiceSid) -> Vec<FactorSid> {
        let services = self.lock();
        services
            .get(&service)
            .map(|sockets_of_service| sockets_of_service.devices.keys().copied().collect())
            .unwrap_or_default()
    }

    /// All devices, with their entities.
    pub(super) fn all(&self) -> Vec<(EntitySid, FactorSid)> {
        let services = self.lock();
        let devices = services.values().flat_map(|sockets_of_service| &sockets_of_service.devices);
        devices.map(|(factor, device)| (device.entity, *factor)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServiceSid, ServiceSockets>> {
        // No code that holds the lock can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
