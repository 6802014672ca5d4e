//! Reads the configuration from its sources, and checks it.

use anyhow::Context as _;
use serde::Deserialize as _;

use super::settings::Config;
use super::sources::{Flag, GatheredSettings, Sources};

impl Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// A file cannot be read, a setting does not exist, or a value has the wrong type or is out of bounds; each names
    /// the setting and its origin.
    pub fn load(sources: &Sources) -> anyhow::Result<Self> {
        Self::load_with(sources, &[])
    }

    /// Reads and checks the configuration with the flags of a command, which win over the environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(sources: &Sources, flags: &[Flag]) -> anyhow::Result<Self> {
        Self::read(sources, flags).context("the configuration is invalid")
    }

    fn read(sources: &Sources, flags: &[Flag]) -> anyhow::Result<Self> {
        let GatheredSettings { root, origins, warnings } = sources.gather(flags)?;
        let mut config = Self { warnings, ..Self::deserialize(&root)? };
        config.check().map_err(|error| origins.explain(error))?;
        config.warnings.extend(config.database.warning(&origins));
        Ok(Self { origins, ..config })
    }
}
