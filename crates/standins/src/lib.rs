//! Stand-ins for what cannot run on a developer's machine: Apple's push service, Google's, a browser vendor's, and an
//! application that takes webhooks.
//!
//! They speak the real protocols over real TLS and HTTP/2, and check what the real ones check: an error that they do
//! not see would be seen in production. Everything that goes wrong out there can be asked for: any refusal, delays,
//! silence, `GOAWAY`, resets, cut connections, a service that is down. Asked for one by one in a [`Script`], or by the
//! share and from a seed in [`Manners`]. They are calm unless asked.
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
//! | file | what it knows |
//! | --- | --- |
//! | `apns`, `fcm`, `webpush`, `webhook` | one outside system each: who may call, what is right, how it says no |
//! | `script`, `manners` | what is to go wrong, on demand or from a seed |
//! | `ledger` | what arrived |
//! | `listener`, `connections` | TCP, TLS, HTTP, and their ends |
//! | `authority`, `jws`, `pem` | certificates, tokens, keys |

mod answer;
pub mod apns;
mod authority;
mod clock;
mod connections;
mod error;
pub mod fcm;
mod jws;
mod ledger;
mod listener;
mod manners;
mod payload;
mod pem;
mod random;
mod running;
mod script;
mod setting;
pub mod webhook;
pub mod webpush;

#[cfg(test)]
mod tests;

pub use answer::HttpAnswer;
pub use apns::Apns;
pub use authority::{Authority, ClientCertificate};
pub use clock::{Now, system_time};
pub use connections::Connections;
pub use error::Error;
pub use fcm::Fcm;
pub use ledger::Ledger;
pub use manners::{Lapse, Manners};
pub use running::{Options, Ports, Running, run};
pub use script::{Script, Turn};
pub use setting::Setting;
pub use webhook::Webhook;
pub use webpush::WebPush;
