//! Shared by the API and the pages: reading request bodies, serving the files of pages, the headers that restrict a browser, and
//! the common styles in `shared/`. It knows neither challenges nor sessions.

mod assets;
pub mod body;
mod compress;
mod policy;

pub use assets::{Asset, Assets};
pub use compress::compressed;
pub use policy::Policy;
