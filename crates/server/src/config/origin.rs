//! The origins of settings, for messages.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::anyhow;

/// The origin of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file, counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A flag of the command line, such as `--listen`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "the command line ({name})"),
        }
    }
}

/// The origin of every setting that was given.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Records the origin of a setting.
    pub fn set(&mut self, key: &str, origin: Origin) {
        self.0.insert(key.to_owned(), origin);
    }

    /// The origin of a setting for a message; "the default" if it was not given.
    pub fn of(&self, key: &str) -> String {
        self.0.get(key).map_or_else(|| "the default".to_owned(), Origin::to_string)
    }

    /// The origin of a setting that was given.
    pub fn find(&self, key: &str) -> Option<&Origin> {
        self.0.get(key)
    }

    /// Adds to an error the origins of all settings that it names.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        let named: Vec<String> = self
            .0
            .iter()
            .filter(|(key, origin)| names(&text, key) && !text.contains(&origin.to_string()))
            .map(|(key, origin)| format!("{key} is from {origin}"))
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
    fn an_error_tells_the_origins_of_the_settings_that_it_names() {
        let mut origins = Origins::default();
        origins.set("http.tls_key", Origin::File("/etc/c.toml".into(), 3));
        origins.set("http.tls", Origin::Variable("COUNTERSIGN_HTTP__TLS".into()));
        origins.set("data_dir", Origin::Flag("--data-dir".into()));
        let explained = |text: &'static str| origins.explain(anyhow!(text)).to_string();
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
