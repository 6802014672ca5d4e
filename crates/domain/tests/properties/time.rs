//! Instants are parsed as they were printed, and arithmetic stays within the years that can be printed.

use std::time::Duration;

use countersign_domain::time::Instant;
use proptest::prelude::*;

use crate::draw::instant;

proptest! {
    #[test]
    fn a_printed_instant_is_parsed_to_the_second(micros: i64) {
        let at = Instant::from_micros(micros);
        let text = at.to_string();
        prop_assert_eq!(text.len(), 20);
        prop_assert!(text.ends_with('Z') && !text.contains('.'));
        prop_assert_eq!(Instant::parse(&text), Ok(at.whole_seconds()));
        prop_assert_eq!(serde_json::to_string(&at).expect("a text"), format!("\"{text}\""));
    }

    #[test]
    fn a_printed_instant_is_parsed_to_the_millisecond(micros: i64) {
        let at = Instant::from_micros(micros);
        let text = at.to_millis_string();
        prop_assert_eq!(text.len(), 24);
        let read = Instant::parse(&text).expect("its own text");
        prop_assert!(read <= at && at.since(read) < Duration::from_millis(1));
    }

    #[test]
    fn every_instant_can_be_printed(micros: i64) {
        let at = Instant::from_micros(micros);
        prop_assert!(at.to_http_date().ends_with(" GMT"));
        let for_the_log = format!("{at:?}");
        prop_assert!(for_the_log.starts_with(&at.to_string()[..19]));
    }

    #[test]
    fn any_offset_is_the_same_instant(at in instant(), hours in -23..=23_i32, minutes in 0..60_i32) {
        let offset = hours * 3_600 + hours.signum() * minutes * 60;
        let shifted = at.as_seconds() + i64::from(offset);
        prop_assume!(shifted >= 0);
        let local = Instant::from_seconds(shifted).to_string();
        let sign = if hours < 0 { '-' } else { '+' };
        let minutes = if hours == 0 { 0 } else { minutes };
        let text = local.replace('Z', &format!("{sign}{:02}:{minutes:02}", hours.abs()));
        prop_assert_eq!(Instant::parse(&text), Ok(at.whole_seconds()), "{}", text);
    }

    #[test]
    fn sums_and_differences_stay_in_bounds(micros: i64, span: Duration) {
        let at = Instant::from_micros(micros);
        prop_assert!(at + span >= at && at - span <= at);
        prop_assert!((at + span).since(at) <= span);
        prop_assert_eq!(at.since(at + span), Duration::ZERO);
        prop_assert!(!(at + span).to_string().is_empty() && !(at - span).to_string().is_empty());
    }
}
