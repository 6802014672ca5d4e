//! What goes wrong between a node and its database.

use async_trait::async_trait;
use countersign_store::StoreError;
use countersign_store::error::StoreResult;
use countersign_store_sqlite::Faults;

use crate::gate::Gate;
use crate::weather::Weather;

/// The way of one node to the database.
pub(crate) struct Way {
    /// The gate of the node.
    pub(crate) gate: Gate,
    /// The weather.
    pub(crate) weather: Weather,
}

fn failed(why: &str) -> StoreResult<()> {
    Err(StoreError::Unavailable(why.to_owned()))
}

#[async_trait]
impl Faults for Way {
    async fn before(&self, _: &'static str) -> StoreResult<()> {
        self.gate.pass().await;
        self.weather.travel().await;
        self.gate.pass().await;
        if self.weather.is_outage() {
            // As long as a connection takes to fail.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            return failed("the database cannot be reached");
        }
        if self.weather.strikes(self.weather.plan.refused) { failed("refused") } else { Ok(()) }
    }

    async fn after(&self, _: &'static str) -> StoreResult<()> {
        self.weather.travel().await;
        self.gate.pass().await;
        let is_forgotten = self.weather.strikes(self.weather.plan.forgotten);
        if is_forgotten { failed("the response was lost") } else { Ok(()) }
    }

    fn before_read(&self) -> StoreResult<()> {
        let fails = self.weather.is_outage() || self.weather.strikes(self.weather.plan.refused);
        if fails { failed("cannot read") } else { Ok(()) }
    }
}
