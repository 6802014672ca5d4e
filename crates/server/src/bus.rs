//! The wire between parts, as the configuration has it.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use countersign_bus::nats::SealingKey;
use countersign_bus::{Bus, LocalBus, NatsBus};
use countersign_domain::world::random;

use crate::config::Config;
use crate::world::World;

/// Whether the configured bus and the configured database go together. A bus to other processes promises that these
/// deliver too, and no other process can open this database: whoever sets it has misunderstood one of the two, and is
/// better told now than when the only process fails.
///
/// # Errors
/// They do not.
pub fn suits_database(config: &Config) -> anyhow::Result<()> {
    ensure!(
        config.bus.nats.is_empty() || config.database.url.is_some(),
        "bus.nats is set, and the database is SQLite, which one process alone can use: there are no others to reach"
    );
    Ok(())
}

/// Within this process, or between this and others, whose messages are sealed under `key`.
///
/// # Errors
/// Settings of `[bus]` that are no use; they are named. That no server is there now is no error.
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
            let blamed = config.bus.blame(&error);
            Err(error).context(blamed)
        }
    }
}

/// Tries it once, for `doctor`; `None` without a bus between processes.
///
/// # Errors
/// It cannot be used now; the settings are named.
pub async fn probe(config: &Config, world: &World) -> anyhow::Result<Option<String>> {
    // Nothing is said that another node would open.
    let key = SealingKey::new(&random(&*world.entropy));
    let Some(options) = config.bus.options(key)? else { return Ok(None) };
    let (clock, entropy) = (Arc::clone(&world.clock), Arc::clone(&world.entropy));
    match NatsBus::probe(&options, clock, entropy).await {
        Ok(server) => Ok(Some(format!("{server} takes us in"))),
        Err(error) => {
            let blamed = config.bus.blame(&error);
            Err(error).context(blamed)
        }
    }
}
