//! Texts that people see: without characters that are not seen, or that change how the others are read.
//!
//! A person approves what a notification says. A text that hides a part of itself, or shows it in another order, makes them
//! approve something else. An operator sees the same characters in the same order, and a mark for each that is left out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text of one line without invisible characters; `None` if it has none.
pub fn line(text: &str) -> Option<String> {
    keep(text, |_| false)
}

/// The same; it may have several lines and tabs.
pub fn lines(text: &str) -> Option<String> {
    keep(text, is_layout)
}

/// A text without letters that have no shape; `None` if it has none.
pub fn word(text: &str) -> Option<String> {
    let is_clean = !text.contains(is_filler);
    (!is_clean).then(|| text.chars().filter(|c| !is_filler(*c)).collect())
}

/// The text with a mark such as `‹U+202E›` in the place of each character that [`lines`] leaves out.
pub fn marked(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut marked = String::with_capacity(text.len());
    for (c, is_kept) in judged(text, is_layout) {
        if is_kept {
            marked.push(c);
        } else {
            // writing to a string cannot fail
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

/// The characters of a text, each with whether people see it.
fn judged(text: &str, is_layout: impl Fn(char) -> bool) -> impl Iterator<Item = (char, bool)> {
    let mut last_kept = None;
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let is_kept = match c {
            // They join or part letters of many scripts, and the parts of an emoji. Between others they do nothing.
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

/// Whether a character counts as a letter and has no shape: the fillers of Hangul.
const fn is_filler(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// Whether a character is a control character, has no shape, or changes the direction of others.
const fn is_invisible(c: char) -> bool {
    is_filler(c)
        || matches!(
            c,
            // not U+0000, which is refused wherever it comes
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
    fn what_is_not_seen_is_left_out() {
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
    fn what_is_not_seen_is_marked_in_its_place() {
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
    fn scripts_and_emoji_keep_what_they_need() {
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
