//! Parameters of a form or a query (Twilio documentation).
//!
//! Pairs are split at `&` and at the *first* `=`, because iOS does not escape the padding of base64. Names are matched without
//! regard to case. Unknown parameters are ignored. A scalar parameter that is given twice is an error.

use std::borrow::Cow;

use countersign_domain::invalid::Invalid;
pub(crate) use countersign_domain::numbers::{boolean, integer};

use crate::error::ApiError;
use crate::rows::{self, Row};

/// Largest number of pairs that are read. No operation has a quarter as many.
const MOST_PAIRS: usize = 256;

/// The parameters of one request, with the row for invalid ones.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    bad: &'static Row,
    /// The reason for a missing required parameter.
    missing: &'static str,
}

impl<'a> Params<'a> {
    /// Decodes a form or a query.
    ///
    /// # Errors
    /// The decoded text is not UTF-8, or there are too many pairs.
    pub(crate) fn parse(bytes: &'a [u8], bad: &'static Row) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for pair in bytes.split(|c| *c == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST_PAIRS {
                return Err(ApiError::because(&rows::UNREADABLE_BODY, "too many parameters"));
            }
            let (name, value) = match pair.iter().position(|c| *c == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self { pairs, bad, missing: "is required" })
    }

    /// Sets the reason for missing required parameters.
    pub(crate) fn missed_since(self, missing: &'static str) -> Self {
        Self { missing, ..self }
    }

    /// All values of a list parameter, in the order of the request.
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = move |pair: &&(Cow<'a, str>, Cow<'a, str>)| pair.0.eq_ignore_ascii_case(name);
        self.pairs.iter().filter(named).map(|(_, value)| value.as_ref())
    }

    /// The text of a scalar parameter, which may be empty.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        self.scalar(name).map_err(|why| self.bad(name, why))
    }

    /// Like [`text`](Self::text), for callers that add the parameter's name themselves.
    pub(crate) fn scalar(&self, name: &'static str) -> Result<Option<&str>, Invalid> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Invalid::because("is given more than once"));
        }
        Ok(first)
    }

    /// An optional scalar parameter, parsed by `parse`.
    pub(crate) fn optional<'p, T>(
        &'p self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, ApiError> {
        let text = self.text(name)?;
        text.map(parse).transpose().map_err(|why| self.bad(name, why))
    }

    /// A required scalar parameter.
    pub(crate) fn required<'p, T>(
        &'p self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<T, ApiError> {
        self.optional(name, parse)?.ok_or_else(|| self.missing(name))
    }

    /// A scalar parameter whose absence counts as an invalid value.
    pub(crate) fn needed<'p, T>(
        &'p self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<T, ApiError> {
        self.optional(name, parse)?.ok_or_else(|| self.bad(name, Invalid::because(self.missing)))
    }

    /// The reason for a missing required parameter.
    pub(crate) fn why_missing(&self) -> &'static str {
        self.missing
    }

    /// The error for a missing parameter.
    pub(crate) fn missing(&self, name: &'static str) -> ApiError {
        ApiError::missing(name, self.missing)
    }

    /// The error for an invalid parameter.
    pub(crate) fn bad(&self, name: &'static str, why: Invalid) -> ApiError {
        ApiError::parameter(self.bad, name, why)
    }
}

/// Decodes `+` as a space and `%XX` as a byte. A `%` without two hexadecimal digits is kept, as browsers do.
///
/// No library does exactly this: `form_urlencoded` replaces invalid UTF-8 instead of rejecting it.
fn decode(part: &[u8]) -> Result<Cow<'_, str>, ApiError> {
    let not_utf8 = |_| ApiError::because(&rows::UNREADABLE_BODY, "must be UTF-8");
    if !part.iter().any(|c| matches!(c, b'+' | b'%')) {
        return std::str::from_utf8(part).map(Cow::Borrowed).map_err(not_utf8);
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(first),
            },
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|error| not_utf8(error.utf8_error()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
