//! The places that settings come from, for messages.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::anyhow;

/// The place that a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a file, from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line, such as `--listen`.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "the command line ({name})"),
        }
    }
}

/// The place of every setting that does not have its default.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// Notes the place of a setting.
    pub fn set(&mut self, key: &str, place: Place) {
        self.0.insert(key.to_owned(), place);
    }

    /// The place of a setting, for a message; a setting that was not given has its default.
    pub fn of(&self, key: &str) -> String {
        self.0.get(key).map_or_else(|| "the default".to_owned(), Place::to_string)
    }

    /// The place of a setting that was given.
    pub fn find(&self, key: &str) -> Option<&Place> {
        self.0.get(key)
    }

    /// Adds the places of all settings that an error names, so that its reader finds what to change.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        let named: Vec<String> = self
            .0
            .iter()
            .filter(|(key, place)| names(&text, key) && !text.contains(&place.to_string()))
            .map(|(key, place)| format!("{key} is from {place}"))
            .collect();
        if named.is_empty() { error } else { anyhow!("{text} ({})", named.join("; ")) }
    }
}

/// Whether a text names a setting, and not a longer name that contains it.
fn names(text: &str, key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(key).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + key.len()..].chars();
        let goes_on = match after.next() {
            Some('.') => after.next().is_some_and(is_part),
            next => next.is_some_and(is_part),
        };
        !goes_on && !before.is_some_and(|c| is_part(c) || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_the_places_of_the_settings_that_it_names() {
        let mut places = Places::default();
        places.set("http.tls_key", Place::File("/etc/c.toml".into(), 3));
        places.set("http.tls", Place::Variable("COUNTERSIGN_HTTP__TLS".into()));
        places.set("data_dir", Place::Flag("--data-dir".into()));
        let explained = |text: &'static str| places.explain(anyhow!(text)).to_string();
        assert_eq!(
            explained("http.tls_key is set, and http.tls_certificate is not"),
            "http.tls_key is set, and http.tls_certificate is not (http.tls_key is from /etc/c.toml, line 3)"
        );
        assert_eq!(
            explained("correct data_dir."),
            "correct data_dir. (data_dir is from the command line (--data-dir))"
        );
        for untouched in ["no.data_dir", "data_dir.x", "it is in /etc/c.toml, line 3: http.tls_key"]
        {
            assert_eq!(explained(untouched), untouched);
        }
    }
}
