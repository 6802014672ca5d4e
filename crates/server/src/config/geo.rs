//! `[geo]`: places of addresses.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[geo]`: places of addresses.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GeoSection {
    /// A database of countries or cities in the MaxMind format (`.mmdb`). Without it no place is known.
    pub database: Option<PathBuf>,
}
