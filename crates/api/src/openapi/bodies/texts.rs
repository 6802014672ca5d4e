//! Texts that several forms have.

use super::super::kind::Kind;

/// The application's own name for a person.
pub(crate) const IDENTITY: Kind = Kind::Matching(8, 64, "^[0-9A-Za-z-]+$");
/// What a person or an operator calls something.
pub(super) const NAME: Kind = Kind::Length(1, 64);
/// The text of a JSON object whose values are texts.
pub(super) const STRINGS: Kind = Kind::Json(1_024);
