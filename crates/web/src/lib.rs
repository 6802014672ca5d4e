//! What all pages share, whoever they are for: how the files that they are made of are served, what a browser may do with them,
//! and, in the folder `shared/`, how they look. It knows neither challenges nor sessions.

mod assets;
mod policy;

pub use assets::{Asset, Assets};
pub use policy::Policy;
