//! Properties that hold for all inputs.

mod challenge;
mod delivery;
mod draw;
mod notification;
mod parsers;
mod presence;
mod sid;
mod time;
