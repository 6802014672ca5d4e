//! The use cases over a database, without a server.

use std::sync::Arc;

use anyhow::Context as _;
use countersign_bus::{Bus, HandOver};
use countersign_domain::node::NodeId;
use countersign_domain::world::random;
use countersign_store::Store;
use countersign_verify::{Keys, MasterKey, Verify, sealing};

use crate::config::Config;
use crate::push;
use crate::world::World;

/// Makes the use cases. Commands beside a server need nothing else.
///
/// # Errors
/// The database was made under another master key, or cannot be read.
pub async fn use_cases(
    config: &Config,
    world: &World,
    store: Arc<dyn Store>,
    key: &MasterKey,
    bus: Arc<dyn Bus>,
    handover: HandOver,
) -> anyhow::Result<Verify> {
    let keys = unlock(&*store, key, world).await?;
    let parts = countersign_verify::Dependencies {
        store,
        bus,
        handover,
        clock: Arc::clone(&world.clock),
        entropy: Arc::clone(&world.entropy),
        keys,
        credential_check: push::check_credential,
        node: NodeId(random(&*world.entropy)),
    };
    let options = countersign_verify::Settings {
        limits: config.limits,
        strict_tokens: config.devices.strict_push_tokens,
        lease: config.delivery.lease(),
        sessions: config.console.sessions(),
        sign_in: config.console.sign_in(),
    };
    Ok(Verify::new(parts, options))
}

/// The keys of a database.
///
/// # Errors
/// The database was made under another master key, or cannot be read.
pub async fn unlock(store: &dyn Store, key: &MasterKey, world: &World) -> anyhow::Result<Keys> {
    let keys = sealing::unlock(store, key, world.clock.now()).await?;
    keys.context(
        "the master key does not belong to this database, or a countersign migrate-data into it has not finished",
    )
}
