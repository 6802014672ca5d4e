//! Configuration: one TOML file, the environment (`COUNTERSIGN_LIMITS__X` for `limits.x`), `--set limits.x=…`; the
//! later wins. Unknown names are errors, except in the environment, where they are warnings. Each section turns into the
//! plain options of the crate it configures; nothing below this crate reads a file or a variable.
//!
//! `sources` gathers what is given, by the names in `names`; `reader` reads it into the sections, and checks no bounds:
//! the sections do.

mod bus;
mod console;
mod database;
mod delivery;
mod http;
mod load;
mod log;
mod names;
mod outgoing;
mod place;
mod reader;
mod settings;
mod sources;
mod values;

#[cfg(test)]
mod tests;

pub use bus::Bus;
pub use console::{Admin, ConsoleListener, ConsoleSection};
pub use database::{DatabaseSection, StoreSection};
pub use delivery::{Delivery, Devices, Retention, Stream};
pub use http::{Http, ProxyHeader};
pub use log::{Log, LogFormat, Traces};
pub use names::{keys, variable};
pub use outgoing::Outgoing;
pub use place::{Place, Places};
pub use settings::Config;
pub use sources::{Flag, Sources};
