//! The texts of the page, in the language that the browser prefers. Each language is one data file; no other file has text for
//! people.

use std::sync::LazyLock;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use serde::Deserialize;

/// The texts of one language. `{name}` is the integration, `{user}` the user name, `{place}` the site, `{minutes}` a number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) heading: String,
    pub(super) user: String,
    pub(super) user_missing: String,
    pub(super) remember: String,
    pub(super) remember_hint: String,
    pub(super) go_on: String,
    pub(super) check_device: String,
    pub(super) signing_in: String,
    pub(super) enter_number: String,
    pub(super) approve: String,
    pub(super) waiting: String,
    pub(super) unreachable: String,
    pub(super) answered: String,
    pub(super) use_code: String,
    pub(super) code: String,
    pub(super) code_hint: String,
    pub(super) check_code: String,
    pub(super) code_wrong: String,
    pub(super) type_code: String,
    pub(super) denied: String,
    pub(super) wrong_number: String,
    pub(super) not_me: String,
    pub(super) expired: String,
    pub(super) paused: String,
    pub(super) no_device: String,
    pub(super) too_many: String,
    pub(super) not_signed_in: String,
    pub(super) again: String,
    pub(super) signed_in: String,
    pub(super) continue_to: String,
    pub(super) signed_out: String,
    pub(super) gone: String,
    pub(super) not_from_here: String,
    pub(super) unavailable: String,
}

/// A language with its texts.
#[derive(Debug)]
pub(super) struct Language {
    pub(super) tag: &'static str,
    pub(super) words: Words,
}

impl Language {
    /// Whether it is written from right to left.
    pub(super) fn is_from_right(&self) -> bool {
        self.tag == "ar"
    }
}

/// The languages. The first is used if the browser prefers none of them.
static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let files = [
        ("en", include_str!("../../languages/en.json")),
        ("de", include_str!("../../languages/de.json")),
        ("fr", include_str!("../../languages/fr.json")),
        ("es", include_str!("../../languages/es.json")),
        ("pt", include_str!("../../languages/pt.json")),
        ("ar", include_str!("../../languages/ar.json")),
    ];
    let read = |(tag, text)| {
        let words = serde_json::from_str(text);
        Language { tag, words: words.unwrap_or_else(|error| panic!("{tag}.json: {error}")) }
    };
    files.into_iter().map(read).collect()
});

/// The language that a browser prefers: the first of its list that there is.
pub(super) fn language(headers: &HeaderMap) -> &'static Language {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let tags = wanted.unwrap_or_default().split(',').map(|one| {
        let tag = one.split([';', '-']).next().unwrap_or_default();
        tag.trim().to_ascii_lowercase()
    });
    let found = tags.take(16).find_map(|tag| LANGUAGES.iter().find(|known| known.tag == tag));
    found.unwrap_or(&LANGUAGES[0])
}

/// A text with a value in place of its name.
pub(super) fn fill(text: &str, name: &str, value: &str) -> String {
    text.replace(&format!("{{{name}}}"), value)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(wanted: &'static str) -> &'static str {
        let headers = [(ACCEPT_LANGUAGE, HeaderValue::from_static(wanted))];
        language(&headers.into_iter().collect()).tag
    }

    #[test]
    fn the_first_wanted_language_that_there_is_is_used() {
        assert_eq!(chosen("de-AT,de;q=0.9,en;q=0.8"), "de");
        assert_eq!(chosen("ja, FR;q=0.5, en"), "fr");
        assert_eq!((chosen("ja"), chosen(""), chosen(";;,,--")), ("en", "en", "en"));
        assert_eq!(language(&HeaderMap::new()).tag, "en");
    }

    #[test]
    fn every_language_fills_in_the_same_values() {
        let values = |words: &Words| {
            let texts = [&words.heading, &words.signing_in, &words.continue_to, &words.too_many];
            let expected = ["{name}", "{user}", "{place}", "{minutes}"];
            texts.into_iter().zip(expected).all(|(text, value)| text.matches(value).count() == 1)
        };
        assert_eq!(LANGUAGES.len(), 6);
        for language in LANGUAGES.iter() {
            assert!(values(&language.words), "{}", language.tag);
        }
    }
}
