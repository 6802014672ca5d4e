//! The form decoder.

use std::borrow::Cow;

use proptest::prelude::*;
use rstest::rstest;

use crate::params::{Params, boolean, integer};
use crate::rows;

fn params(bytes: &[u8]) -> Params<'_> {
    Params::parse(bytes, &rows::PARAMETER).expect("a form")
}

#[rstest]
#[case("Name=a", "a")]
#[case("name=a+b%20c", "a b c")]
#[case("NAME=%c3%BC", "ü")]
#[case("Name=MFkw==", "MFkw==")]
#[case("Name=a%3Db%26c", "a=b&c")]
#[case("Name=", "")]
#[case("Name", "")]
#[case("&&Name=a&", "a")]
#[case("Na%6De=a", "a")]
#[case("Name=100%", "100%")]
#[case("Name=%4", "%4")]
#[case("Name=%zz%41", "%zzA")]
fn decodes(#[case] form: &str, #[case] value: &str) {
    assert_eq!(params(form.as_bytes()).text("Name").expect("once"), Some(value));
}

#[rstest]
#[case(b"Name=%ff")]
#[case(b"Name=\xff")]
#[case(b"%C3=x")]
fn rejects_invalid_utf8(#[case] form: &[u8]) {
    let error = Params::parse(form, &rows::PARAMETER).expect_err("not UTF-8");
    assert_eq!(error.code_and_text().0, 20422);
}

#[test]
fn only_a_list_may_be_given_twice() {
    let params = params(b"Name=a&name=a&Unknown=1&Unknown=2");
    assert_eq!(params.text("Name").expect_err("twice").code_and_text().0, 60306);
    assert_eq!(params.all("Name").collect::<Vec<_>>(), ["a", "a"]);
    assert_eq!(params.text("Other").expect("nothing"), None);
}

#[test]
fn accepts_a_limited_number_of_pairs() {
    assert!(Params::parse("a=1&".repeat(256).as_bytes(), &rows::PARAMETER).is_ok());
    assert!(Params::parse("a=1&".repeat(257).as_bytes(), &rows::PARAMETER).is_err());
}

#[rstest]
#[case("0", Some(0))]
#[case("300", Some(300))]
#[case("007", Some(7))]
#[case("301", None)]
#[case("-1", None)]
#[case("+1", None)]
#[case("1.0", None)]
#[case("", None)]
#[case(" 1", None)]
#[case("99999999999999999999", None)]
fn reads_whole_numbers(#[case] text: &str, #[case] number: Option<u16>) {
    assert_eq!(integer(0..=300)(text).ok(), number);
}

#[rstest]
#[case("true", Some(true))]
#[case("False", Some(false))]
#[case("1", None)]
#[case("", None)]
fn reads_booleans(#[case] text: &str, #[case] flag: Option<bool>) {
    assert_eq!(boolean(text).ok(), flag);
}

proptest! {
    #[test]
    fn accepts_any_bytes_without_a_panic(bytes: Vec<u8>) {
        if let Ok(params) = Params::parse(&bytes, &rows::PARAMETER) {
            let _ = params.text("Name");
        }
    }

    #[test]
    fn encoding_and_decoding_round_trips(
        pairs in prop::collection::vec(("[A-Za-z.]{1,9}", "\\PC{0,40}"), 0..20),
        plus: bool,
    ) {
        let encode = |text: &str| -> String {
            let all = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
            let text: Cow<'_, str> = all.into();
            if plus { text.replace("%20", "+") } else { text.into_owned() }
        };
        let form: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let form = form.join("&");
        let read = params(form.as_bytes());
        for (name, _) in &pairs {
            // Names are static in production, too.
            let name: &'static str = name.clone().leak();
            let sent = pairs.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            let sent: Vec<&str> = sent.map(|(_, value)| value.as_str()).collect();
            prop_assert_eq!(read.all(name).collect::<Vec<_>>(), sent);
        }
    }
}
