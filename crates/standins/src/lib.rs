//! Stand-ins for services that cannot run on a developer's machine: the push services of Apple, Google and a browser vendor, and
//! an application that receives webhooks.
//!
//! They speak the real protocols over real TLS and HTTP/2, and check what the real services check. Every failure of a real
//! service can be requested: any refusal, delays, no response, `GOAWAY`, resets, cut connections, a service that is down. A
//! [`Script`] requests them one by one, [`Faults`] by rates and from a seed. Without either, every valid request succeeds.
//!
//! ```no_run
//! # async fn demo() -> Result<(), countersign_standins::Error> {
//! use countersign_standins::{Options, apns, run};
//!
//! let running = run(Options::default()).await?;
//! println!("{}", running.authority.pem());
//! println!("{} {}", running.apns.url(), running.apns.key().pem);
//!
//! running.apns.script().next(apns::Reason::TooManyRequests);
//! let pushes = running.apns.pushes().wait_for(2).await;
//! # Ok(()) }
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `apns`, `fcm`, `webpush`, `webhook` | one service each: authentication, checks, refusals |
//! | `script`, `faults` | planned failures, on demand or from a seed |
//! | `ledger` | received requests |
//! | `listener`, `connections` | TCP, TLS and HTTP |
//! | `authority`, `jws`, `pem` | certificates, tokens, keys |

pub mod apns;
mod authority;
mod clock;
mod common_options;
mod connections;
mod error;
mod faults;
pub mod fcm;
mod jws;
mod ledger;
mod listener;
mod payload;
mod pem;
mod random;
mod running;
mod script;
mod scripted_response;
pub mod webhook;
pub mod webpush;

#[cfg(test)]
mod tests;

pub use apns::Apns;
pub use authority::{Authority, ClientCertificate};
pub use clock::{Now, system_time};
pub use common_options::CommonOptions;
pub use connections::Connections;
pub use error::Error;
pub use faults::{Fault, Faults};
pub use fcm::Fcm;
pub use ledger::Ledger;
pub use running::{Options, Ports, Running, run};
pub use script::{Action, Script};
pub use scripted_response::ScriptedResponse;
pub use webhook::Webhook;
pub use webpush::WebPush;
