//! Configuration from one TOML file, the environment (`COUNTERSIGN_LIMITS__X` for `limits.x`) and `--set limits.x=…`;
//! the later wins. Unknown names are errors, in the environment warnings. Each section turns into the options of the
//! crate that it configures; no crate below reads a file or a variable.
//!
//! `sources` gathers the given settings by the names in `names`, and `reader` reads them into the sections, which
//! check the bounds.

mod bus;
mod console;
mod database;
mod delivery;
mod geo;
mod http;
mod load;
mod log;
mod names;
mod origin;
mod outgoing;
mod radius;
mod reader;
mod reference;
mod settings;
mod shown;
mod sources;
mod transparency;
mod values;

#[cfg(test)]
mod tests;

pub use bus::BusSection;
pub use console::{AdminSection, ConsoleListener, ConsoleSection};
pub use database::{DatabaseSection, StoreSection};
pub use delivery::{DeliverySection, DevicesSection, RetentionSection, StreamSection};
pub use geo::GeoSection;
pub use http::{HttpSection, ProxyHeader};
pub use log::{LogFormat, LogSection, TracesSection};
pub use names::{keys, variable};
pub use origin::{Origin, Origins};
pub use outgoing::OutgoingSection;
pub use radius::RadiusSection;
pub use reference::example;
pub use settings::Config;
pub use sources::{Flag, Sources};
pub use transparency::TransparencySection;
