//! The surroundings of the use cases: the push services and the disk.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_domain::attention::Disk;
use countersign_domain::outage::Outage;
use countersign_providers::Providers;
use countersign_verify::vitals::Surroundings;

use crate::config::Config;

/// The surroundings of a server.
pub(crate) struct ServerSurroundings {
    providers: Arc<Providers>,
    /// The folder of the database; `None` if the database is on a server of its own.
    folder: Option<PathBuf>,
}

impl ServerSurroundings {
    pub(crate) fn new(config: &Config, providers: Arc<Providers>) -> Self {
        let folder = config.database.url.is_none().then(|| config.data_dir.clone());
        Self { providers, folder }
    }
}

impl Surroundings for ServerSurroundings {
    fn outages(&self) -> Vec<Outage> {
        self.providers.outages()
    }

    fn disk(&self) -> Option<Disk> {
        let found = rustix::fs::statvfs(self.folder.as_ref()?).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Disk { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }
}

#[cfg(test)]
mod tests {
    use countersign_bus::LocalBus;

    use super::*;

    #[test]
    fn the_space_of_the_disk_with_the_data_is_told() {
        let of = |folder| {
            let providers = Arc::new(Providers::new(Arc::new(LocalBus::default())));
            ServerSurroundings { providers, folder }.disk()
        };
        let disk = of(Some(std::env::temp_dir())).expect("there is a disk");
        assert!(0 < disk.total && disk.free <= disk.total, "{disk:?}");
        assert_eq!(of(None), None, "the database has a server of its own");
        assert_eq!(of(Some(PathBuf::from("/nowhere/at/all"))), None);
    }
}
