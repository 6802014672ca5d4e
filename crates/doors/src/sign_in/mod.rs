//! The sign-in page: asks who somebody is, has their devices ask them, and sends their browser back to where it was wanted.
//!
//! The server keeps nothing about a sign-in. A request and an attempt are sealed texts that the browser carries. Nothing that a page
//! says of a user tells a stranger whether the user exists: a stranger's attempt is answered before anybody is looked up.
//! A stranger's prompt always needs the number on the page or a code from the device; only a browser that signed in as the user
//! before, or that a client has vouched for, can do with less.

mod ask;
mod attempt;
mod back;
pub(crate) mod code;
mod codes;
mod door;
mod files;
mod limits;
mod looks;
mod pages;
mod record;
mod remembered;
pub(crate) mod request;
mod router;
mod serve;
mod standing;
mod submitted;
pub(crate) mod ticket;
mod words;

pub use door::{Dependencies, SignInDoor};
pub use router::router;
