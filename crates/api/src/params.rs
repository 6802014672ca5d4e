//! Parameters of a form or a query (wire reference §1.1, §3.1).
//!
//! Pairs are split at `&` and at the *first* `=`, since iOS leaves the padding of base64 as it is. Names are matched
//! without regard to case, unknown ones are ignored, and a scalar that is given twice is refused rather than guessed.

use std::borrow::Cow;

use countersign_domain::invalid::Invalid;
pub(crate) use countersign_domain::service_form::{boolean, integer};

use crate::error::ApiError;
use crate::rows::{self, Row};

/// The most pairs that are looked at; nothing we serve takes a fourth of that.
const MOST_PAIRS: usize = 256;

/// The parameters of one request, and the row that a bad one of them belongs to.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    bad: &'static Row,
    /// The reason with which a required parameter is missed.
    missing: &'static str,
}

impl<'a> Params<'a> {
    /// Decodes a form or a query.
    ///
    /// # Errors
    /// Text that is not UTF-8 once decoded, or too many pairs.
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

    /// The same parameters, whose required ones are missed for another reason.
    pub(crate) fn missed_since(self, missing: &'static str) -> Self {
        Self { missing, ..self }
    }

    /// All values of a list parameter, in the order they were sent.
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = move |pair: &&(Cow<'a, str>, Cow<'a, str>)| pair.0.eq_ignore_ascii_case(name);
        self.pairs.iter().filter(named).map(|(_, value)| value.as_ref())
    }

    /// The text of a scalar parameter, which may be empty.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        self.scalar(name).map_err(|why| self.bad(name, why))
    }

    /// The same, for whoever names the parameter themselves.
    pub(crate) fn scalar(&self, name: &'static str) -> Result<Option<&str>, Invalid> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Invalid::because("is given more than once"));
        }
        Ok(first)
    }

    /// A scalar parameter, read by `parse`.
    pub(crate) fn optional<'p, T>(
        &'p self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, ApiError> {
        let text = self.text(name)?;
        text.map(parse).transpose().map_err(|why| self.bad(name, why))
    }

    /// A scalar parameter that must be there.
    pub(crate) fn required<'p, T>(
        &'p self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<T, ApiError> {
        self.optional(name, parse)?.ok_or_else(|| self.missing(name))
    }

    /// A scalar parameter without which the others make no sense: absent, it is as bad as wrong.
    pub(crate) fn needed<'p, T>(
        &'p self,
        name: &'static str,
        parse: impl FnOnce(&'p str) -> Result<T, Invalid>,
    ) -> Result<T, ApiError> {
        self.optional(name, parse)?.ok_or_else(|| self.bad(name, Invalid::because(self.missing)))
    }

    /// Why a required parameter is missed.
    pub(crate) fn why_missing(&self) -> &'static str {
        self.missing
    }

    /// A refusal for want of that parameter.
    pub(crate) fn missing(&self, name: &'static str) -> ApiError {
        ApiError::missing(name, self.missing)
    }

    /// A refusal of that parameter.
    pub(crate) fn bad(&self, name: &'static str, why: Invalid) -> ApiError {
        ApiError::parameter(self.bad, name, why)
    }
}

/// `+` is a space, `%XX` a byte; a `%` that begins no escape stands for itself, as in browsers.
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
