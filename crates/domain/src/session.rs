//! Sessions of operators.

/// Tells the sessions of an account apart: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);
