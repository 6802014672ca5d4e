//! `[radius]`: the door for RADIUS clients.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::values::address_if_any;

/// `[radius]`: the door for RADIUS clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RadiusSection {
    /// The UDP address that RADIUS clients send to, such as `0.0.0.0:1812`. Without it the door is closed.
    #[serde(deserialize_with = "address_if_any")]
    pub address: Option<SocketAddr>,
}
