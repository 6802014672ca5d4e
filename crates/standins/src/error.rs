//! Why a stand-in cannot start.

/// Why a stand-in cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its address is taken, or is not of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's error.
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
