//! A virtual phone: key, enrolment, inbox, approve, deny.
//!
//! Speaks the protocol of the mobile SDKs of Verify Push over real HTTP, and the device stream over a real WebSocket, with a
//! real P-256 key. Shares no code with the server: a mistake in shared code would pass every test. Is as strict as the SDKs: a
//! response that would crash an Android app is [`PhoneError::Malformed`].
//!
//! ```no_run
//! # async fn demo() -> Result<(), countersign_phone::PhoneError> {
//! use countersign_phone::{Authority, Enrolment, ServerOptions, Phone, Server, Verdict};
//!
//! let server = Server::new("http://127.0.0.1:8080", &ServerOptions::default())?;
//! let authority = Authority::AccessToken("…".into());
//! let phone = Phone::enrol(&server, &Enrolment::new("VA…", "alice-0001", authority)).await?;
//!
//! let mut stream = phone.connect().await?;
//! let prompt = stream.next_prompt().await?;
//! phone.answer(&prompt.challenge_sid, Verdict::Approved).await?;
//! # Ok(()) }
//! ```
//!
//! | file | what it knows |
//! | --- | --- |
//! | `key.rs`, `jwt.rs` | signatures, and the two tokens made with them |
//! | `clock.rs` | the device's own time, and how wrong it is |
//! | `server.rs` | addresses, TLS, headers, error bodies |
//! | `wire.rs`, `factor.rs`, `registration.rs` | what the server tells of a factor |
//! | `enrol.rs`, `phone.rs` | a factor's life: made, verified, changed, deleted |
//! | `challenge.rs`, `status.rs`, `presence.rs`, `inbox.rs` | what is asked, and the answer to it |
//! | `frame.rs`, `close.rs`, `stream.rs`, `listen.rs` | the device stream: its words, one connection, a loop of connections |
//! | `file.rs` | a phone that outlives its process |

mod challenge;
mod clock;
mod close;
mod enrol;
mod error;
mod factor;
mod file;
mod frame;
mod inbox;
pub mod jwt;
mod key;
mod listen;
mod phone;
mod presence;
mod registration;
mod server;
mod status;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

pub use challenge::{Challenge, Field};
pub use clock::{LocalTime, system_time};
pub use close::{Closed, Refusal};
pub use enrol::{Authority, Enrolment};
pub use error::{ApiError, PhoneError};
pub use factor::Platform;
pub use frame::{Ended, Linked, Prompt};
pub use inbox::Approval;
pub use key::DeviceKey;
pub use listen::{Backoff, Event, Listener};
pub use phone::Phone;
pub use presence::Presence;
pub use server::{Server, ServerOptions};
pub use status::{ChallengeStatus, DenialReason, Verdict};
pub use stream::{Stream, Told};
