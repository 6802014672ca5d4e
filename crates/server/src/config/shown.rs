//! The values of all settings, for people and for comparisons.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::names::keys;
use super::settings::Config;

/// Stands for a password.
const HIDDEN: &str = "***";

impl Config {
    /// The value of every setting. `database.url` may hold a password, and is always absent.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let all = serde_json::to_value(self).unwrap_or_default();
        let value = |key: &String| {
            let pointer = format!("/{}", key.replace('.', "/"));
            all.pointer(&pointer).cloned().unwrap_or_default()
        };
        keys().iter().map(|key| (key.clone(), value(key))).collect()
    }

    /// The value of every setting, without passwords.
    pub fn shown_values(&self) -> BTreeMap<String, Value> {
        let mut values = self.values();
        let url = self.database.url.as_ref().map(|url| url.expose_secret().to_owned());
        values.insert("database.url".to_owned(), url.into());
        values.values_mut().for_each(hide);
        values
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_password(text),
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

/// A URL without the password of its user, nor one among its parameters. Not every URL of PostgreSQL is one by the standard, so
/// its parts are found by their separators. If these stand where they could belong to a password, nothing but the scheme is shown.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(['/', '?']) => return format!("{scheme}://{HIDDEN}"),
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:{HIDDEN}@"), rest),
            None => (format!("{user}@"), rest),
        },
        None => (String::new(), rest),
    };
    let parameters = rest.split_inclusive(['?', '&']).map(|part| match part.split_once('=') {
        Some((name, value)) if name.to_ascii_lowercase().contains("pass") => {
            let end = if value.ends_with('&') { "&" } else { "" };
            format!("{name}={HIDDEN}{end}")
        }
        _ => part.to_owned(),
    });
    format!("{scheme}://{user}{}", parameters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://me:hunter2@h/d", "postgres://me:***@h/d"),
            (
                "postgres://me:hun@ter2@h1,h2:5433/d?sslmode=require",
                "postgres://me:***@h1,h2:5433/d?sslmode=require",
            ),
            ("postgres://h/d?user=me&password=hunter2", "postgres://h/d?user=me&password=***"),
            (
                "postgres://h/d?sslpassword=hunter2&user=me",
                "postgres://h/d?sslpassword=***&user=me",
            ),
            ("postgres://me:hunter2?x@h/d", "postgres://***"),
            ("http://me@proxy:3128/", "http://me@proxy:3128/"),
            ("mailto:me@example.com", "mailto:me@example.com"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
