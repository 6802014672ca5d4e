//! Reads the configuration from its sources, and checks it.

use anyhow::Context as _;
use serde::Deserialize as _;

use super::settings::Config;
use super::sources::{Flag, Gathered, Sources};

impl Config {
    /// Reads and checks it.
    ///
    /// # Errors
    /// A file that cannot be read, a setting that does not exist, a value of the wrong type or out of bounds; each names
    /// the setting and its place.
    pub fn load(sources: &Sources) -> anyhow::Result<Self> {
        Self::load_with(sources, &[])
    }

    /// The same, with a command's own flags, which win over the environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(sources: &Sources, flags: &[Flag]) -> anyhow::Result<Self> {
        Self::read(sources, flags).context("the configuration is not right")
    }

    fn read(sources: &Sources, flags: &[Flag]) -> anyhow::Result<Self> {
        let Gathered { root, places, warnings } = sources.gather(flags)?;
        let mut config = Self { warnings, ..Self::deserialize(&root)? };
        config.check().map_err(|error| places.explain(error))?;
        config.warnings.extend(config.database.warning(&places));
        Ok(Self { places, ..config })
    }
}
