//! Fields of a form or a query.

use std::fmt;

/// Largest number of fields. No form of the console has as many.
const MOST_PAIRS: usize = 64;

/// Names and values, some of which are secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl fmt::Debug for Form {
    /// The names alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The form has more than [`MOST_PAIRS`] fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyFields;

/// A form that was sent after its session had ended, and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptForm {
    pub(crate) path: String,
    pub(crate) form: Form,
}

impl Form {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, TooManyFields> {
        let pairs: Vec<_> =
            url::form_urlencoded::parse(bytes).into_owned().take(MOST_PAIRS + 1).collect();
        if pairs.len() > MOST_PAIRS {
            return Err(TooManyFields);
        }
        Ok(Self(pairs))
    }

    /// No field.
    pub(crate) const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Parses the query of a URL.
    pub(crate) fn of_query(query: Option<&str>) -> Result<Self, TooManyFields> {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    /// The first value of that name, if it was sent.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All fields but the form's token.
    pub(crate) fn typed(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| *name != "form_token")
    }

    /// All values of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of that name, trimmed; empty if it was not sent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default().trim()
    }
}
