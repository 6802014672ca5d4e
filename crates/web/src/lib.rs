//! What API and pages share: how a request's body is read, how files of pages are served, what a browser may do with them, and,
//! in the folder `shared/`, how they look. It knows neither challenges nor sessions.

mod assets;
pub mod body;
mod policy;

pub use assets::{Asset, Assets};
pub use policy::Policy;
