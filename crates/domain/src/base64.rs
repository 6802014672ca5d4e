//! Decodes base64 of either alphabet, with or without padding and line breaks (RFC 4648).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// Decodes a text; `None` if it is not base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let standard = |character| match character {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let digits = text.chars().filter(|c| !c.is_ascii_whitespace()).map(standard);
    let digits = Zeroizing::new(digits.collect::<String>());
    let padding = digits.len() - digits.trim_end_matches('=').len();
    let is_whole = padding == 0 || (padding <= 2 && digits.len() % 4 == 0);
    let digits = digits.trim_end_matches('=');
    STANDARD_NO_PAD.decode(digits).ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_decoded_with_or_without_padding_and_line_breaks() {
        for text in ["+/8AAQ==", "-_8AAQ==", "-_8AAQ", "+/8AAQ", " +/8A\r\nAQ==\n", "+_8AAQ=="] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff, 0, 1]), "{text:?}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["+/8AAQ=", "+/8AAQ===", "+/8AAR", "A", "AA=A", "AB.C", "\u{e4}AAA", "===="] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
