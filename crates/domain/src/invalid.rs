//! Why a value was refused.

use std::borrow::Cow;
use std::fmt;

/// Says what a value must be, for the caller that sent it. The interface that received the value adds the name of the parameter.
/// Does not contain the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Cow<'static, str>);

impl Invalid {
    /// Creates one from a fixed text.
    pub const fn because(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// A text has a wrong length: "must have `least` to `most` characters, has `found`".
    pub fn length(least: usize, most: usize, found: usize) -> Self {
        Self(Cow::Owned(format!("must have {least} to {most} characters, has {found}")))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}
