//! The engine on a real database with a manual clock. Tests wait for events, never for time.

mod beside;
mod deadlines;
mod outages;
mod providers;
mod races;
mod restarts;
mod streams;
#[expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
mod support;
mod webhooks;
