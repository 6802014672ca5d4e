//! The use cases over a database, without a server.

use std::sync::Arc;

use anyhow::ensure;
use countersign_bus::{Bus, HandOver};
use countersign_domain::node::NodeId;
use countersign_domain::world::random;
use countersign_store::Store;
use countersign_verify::{Keys, MasterKey, Verify};

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
    let parts = countersign_verify::Dependencies {
        store,
        bus,
        handover,
        clock: Arc::clone(&world.clock),
        entropy: Arc::clone(&world.entropy),
        keys: Keys::derive(key),
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
    let verify = Verify::new(parts, options);
    ensure!(
        verify.has_right_key().await?,
        "the master key does not belong to this database, or a countersign migrate-data into it has not finished"
    );
    Ok(verify)
}
