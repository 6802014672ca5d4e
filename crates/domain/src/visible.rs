//! Removes or marks characters that are invisible, or that change the order of others.
//!
//! A person approves the text of a notification. A text that hides a part of itself, or shows it in another order, could make them
//! approve something else. The console shows a mark in the place of each such character.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Removes invisible characters and line breaks; `None` if the text has none.
pub fn line(text: &str) -> Option<String> {
    keep(text, |_| false)
}

/// Removes invisible characters, and keeps line feeds and tabs; `None` if the text has none.
pub fn lines(text: &str) -> Option<String> {
    keep(text, is_layout)
}

/// Removes letters without a shape; `None` if the text has none.
pub fn word(text: &str) -> Option<String> {
    let is_clean = !text.contains(is_filler);
    (!is_clean).then(|| text.chars().filter(|c| !is_filler(*c)).collect())
}

/// The text with a mark such as `‹U+202E›` in the place of each character that [`lines`] removes.
pub fn marked(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut marked = String::with_capacity(text.len());
    for (c, is_kept) in judged(text, is_layout) {
        if is_kept {
            marked.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(marked, "‹U+{:04X}›", u32::from(c));
        }
    }
    Cow::Owned(marked)
}

const fn is_layout(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn keep(text: &str, is_layout: impl Fn(char) -> bool) -> Option<String> {
    if is_plain(text) {
        return None;
    }
    let kept = judged(text, is_layout).filter(|(_, is_kept)| *is_kept).map(|(c, _)| c);
    let kept: String = kept.collect();
    (kept.len() < text.len()).then_some(kept)
}

/// The characters of a text, each with whether people can see it.
fn judged(text: &str, is_layout: impl Fn(char) -> bool) -> impl Iterator<Item = (char, bool)> {
    let mut last_kept = None;
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let is_kept = match c {
            // Joiners and non-joiners shape the letters of many scripts, and emoji. Beside other characters they are invisible.
            '\u{200c}' | '\u{200d}' => {
                let shapes = |c: char| !c.is_ascii() && !is_invisible(c);
                last_kept.is_some_and(shapes) && rest.peek().copied().is_some_and(shapes)
            }
            c => is_layout(c) || !is_invisible(c),
        };
        if is_kept {
            last_kept = Some(c);
        }
        Some((c, is_kept))
    })
}

/// Whether a character is a letter without a shape: a Hangul filler.
const fn is_filler(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Whether a character is a control character, has no shape, or changes the direction of others.
const fn is_invisible(c: char) -> bool {
    is_filler(c)
        || matches!(
            c,
            // Without U+0000, which every text refuses.
            '\u{1}'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{ad}' // soft hyphen
                | '\u{34f}' // grapheme joiner
                | '\u{61c}' // Arabic letter mark
                | '\u{17b4}' | '\u{17b5}' // Khmer inherent vowels
                | '\u{180b}'..='\u{180f}' // Mongolian selectors and vowel separator
                | '\u{200b}'..='\u{200f}' // zero-width space, joiners, direction marks
                | '\u{2028}'..='\u{202e}' // separators of lines, direction embeddings and overrides
                | '\u{2060}'..='\u{206f}' // word joiner, invisible operators, direction isolates
                | '\u{2800}' // blank Braille pattern
                | '\u{feff}' // zero-width no-break space
                | '\u{fff0}'..='\u{fffb}' // annotations
                | '\u{1bca0}'..='\u{1bca3}' // shorthand controls
                | '\u{1d173}'..='\u{1d17a}' // musical controls
                | '\u{e0000}'..='\u{e00ff}' // tags
                | '\u{e01f0}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_removed() {
        for (given, seen) in [
            ("Log in?", "Log in?"),
            ("Log\u{202e}ni\u{202c} in", "Logni in"),
            ("pay\u{200b}pal\u{2060}\u{feff}", "paypal"),
            ("\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}", "a"),
            ("bell\u{7}\u{1b}[31m\u{9b}", "bell[31m"),
            ("\u{3164}\u{115f}\u{1160}\u{ffa0}\u{2800}", ""),
            ("hidden\u{e0061}\u{e0062}\u{e007f}", "hidden"),
            ("soft\u{ad}hyphen", "softhyphen"),
            ("ad\u{200d}min \u{200c}x", "admin x"),
            ("two\r\nlines\tand\u{2028}more", "twolinesandmore"),
        ] {
            let kept = line(given).unwrap_or_else(|| given.to_owned());
            assert_eq!(kept, seen, "{given:?}");
        }
        assert_eq!(lines("two\r\nlines\tand").as_deref(), Some("two\nlines\tand"));
        assert_eq!(lines("two\nlines"), None);
    }

    #[test]
    fn invisible_characters_are_marked_in_their_place() {
        for (given, shown) in [
            ("Pay 40 EUR?", "Pay 40 EUR?"),
            ("Pay \u{202e}004\u{202c} EUR", "Pay ‹U+202E›004‹U+202C› EUR"),
            ("pay\u{200b}pal", "pay‹U+200B›pal"),
            ("bell\u{7}\r\n\tend", "bell‹U+0007›‹U+000D›\n\tend"),
            ("tag\u{e0061}", "tag‹U+E0061›"),
            ("ad\u{200d}min", "ad‹U+200D›min"),
            ("Zürich 👩\u{200d}👧 عربي", "Zürich 👩\u{200d}👧 عربي"),
        ] {
            assert_eq!(marked(given), shown, "{given:?}");
        }
    }

    #[test]
    fn scripts_and_emoji_keep_their_joiners() {
        for text in [
            "Zürich, 日本 葛\u{e0100}飾区",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f}",
            "عربي עברית",
            "1 € – “ok”…",
        ] {
            assert_eq!(line(text), None, "{text}");
        }
    }
}
