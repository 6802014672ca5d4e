//! The use cases for a command that works beside a running server.

use std::sync::Arc;

use countersign_bus::{HandOver, LocalBus};
use countersign_verify::Verify;

use crate::config::Config;
use crate::database::Database;
use crate::master_key;
use crate::wiring::use_cases;
use crate::world::World;

/// Opens the database that a server has created and may be using. The world has the clock that the server uses.
///
/// # Errors
/// There is no database or no master key, or they do not belong together.
pub(super) async fn open(config: &Config) -> anyhow::Result<(Verify, World)> {
    let database = Database::open_beside(config).await?;
    let world = database.set_clock(&World::real()).await?;
    let key = master_key::find(config, |name| std::env::var(name).ok())?;
    // No engine takes deliveries here; these commands cause none.
    let (handover, _) = HandOver::new(1);
    let bus = Arc::new(LocalBus::default());
    let verify = use_cases(config, &world, database.store(), &key, bus, handover).await?;
    Ok((verify, world))
}
