//! Why a stand-in does not start.

/// A stand-in does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// A key could not be made.
    #[error("cannot make a key")]
    Key(#[from] aws_lc_rs::error::Unspecified),
}
