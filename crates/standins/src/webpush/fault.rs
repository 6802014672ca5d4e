//! Why a push is refused.

/// The HTTP status, and a sentence.
pub(super) type Fault = (u16, &'static str);
