//! One engine and its surroundings.

mod device;
mod faulty;
mod hooks;
mod script;
mod world;

pub(crate) use device::Device;
pub(crate) use script::Act;
pub(crate) use world::{World, secs};
