//! The bus that the configuration names.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use countersign_bus::nats::SealingKey;
use countersign_bus::{Bus, LocalBus, NatsBus};
use countersign_domain::world::random;

use crate::config::Config;
use crate::world::World;

/// Checks that the bus and the database fit together. A bus between processes promises that other processes deliver
/// too, and no other process can open an SQLite database: one of the two settings is a mistake, which is better
/// reported at the start than when the only process fails.
///
/// # Errors
/// They do not fit.
pub fn suits_database(config: &Config) -> anyhow::Result<()> {
    ensure!(
        config.bus.nats.is_empty() || config.database.url.is_some(),
        "bus.nats is set, and the database is SQLite, which only one process can use: there are no other servers to reach"
    );
    Ok(())
}

/// Connects the bus: within this process, or to other processes, with messages sealed under `key`.
///
/// # Errors
/// A setting of `[bus]` is invalid; it is named. An unreachable server is no error.
pub async fn connect(
    config: &Config,
    world: &World,
    key: SealingKey,
) -> anyhow::Result<Arc<dyn Bus>> {
    let Some(options) = config.bus.options(key)? else {
        return Ok(Arc::new(LocalBus::default()));
    };
    let (clock, entropy) = (Arc::clone(&world.clock), Arc::clone(&world.entropy));
    match NatsBus::connect(&options, clock, entropy).await {
        Ok(bus) => Ok(Arc::new(bus)),
        Err(error) => {
            let blamed = config.bus.settings_behind(&error);
            Err(error).context(blamed)
        }
    }
}

/// Connects once, for `doctor`; `None` without a bus between processes.
///
/// # Errors
/// The bus cannot be used now; the settings to look at are named.
pub async fn probe(config: &Config, world: &World) -> anyhow::Result<Option<String>> {
    // This key is random: nothing is sent that another node would open.
    let key = SealingKey::new(&random(&*world.entropy));
    let Some(options) = config.bus.options(key)? else { return Ok(None) };
    let (clock, entropy) = (Arc::clone(&world.clock), Arc::clone(&world.entropy));
    match NatsBus::probe(&options, clock, entropy).await {
        Ok(server) => Ok(Some(format!("{server} accepts the login"))),
        Err(error) => {
            let blamed = config.bus.settings_behind(&error);
            Err(error).context(blamed)
        }
    }
}
