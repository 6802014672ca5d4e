//! Why a value from outside was not taken.

use std::borrow::Cow;
use std::fmt;

/// A sentence for the caller that says what the value must be; the caller's door adds the parameter's name.
/// Never holds the value itself, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Cow<'static, str>);

impl Invalid {
    /// From a fixed sentence.
    pub const fn because(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }

    /// "must have `least` to `most` characters, has `found`".
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
