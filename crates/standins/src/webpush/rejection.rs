//! Why a push is refused.

/// The HTTP status, and the reason in a sentence.
pub(super) type Rejection = (u16, &'static str);
