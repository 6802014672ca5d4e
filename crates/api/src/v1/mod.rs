//! Resources of Notify v1.

pub(crate) mod credentials;
