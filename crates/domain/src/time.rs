//! Instants of the time of day: how they are stored and printed.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::Offset;

use crate::invalid::Invalid;

/// Whole microseconds since 1970-01-01T00:00:00Z.
///
/// Prints as in Twilio's API: `2023-11-14T22:13:20Z`, rounded down to a second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

/// The last second that `jiff` can represent with every offset, in microseconds.
const LAST: i64 = 253_402_207_199_999_999;

impl Instant {
    /// Creates an instant from microseconds since 1970. Clamped to the years that can be printed, 1970 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 {
            0
        } else if micros > LAST {
            LAST
        } else {
            micros
        })
    }

    /// Creates an instant from seconds since 1970. Clamped in the same way.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same instant without its fraction of a second.
    pub const fn whole_seconds(self) -> Self {
        Self::from_seconds(self.as_seconds())
    }

    /// The time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses RFC 3339 with an optional fraction. Without an offset the time is UTC: Twilio's Java SDK sends none.
    ///
    /// # Errors
    /// The text is another one, a date without a time, or an instant before 1970.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const FORM: Invalid = Invalid::because("must be a date such as 2026-01-31T12:00:00Z");
        let in_utc = || {
            let written =
                text.parse::<DateTime>().ok().filter(|_| text.contains(['T', 't', ' ']))?;
            Offset::UTC.to_timestamp(written).ok()
        };
        let at = text.parse::<Timestamp>().ok().or_else(in_utc).ok_or(FORM)?;
        if at.as_microsecond() < 0 { Err(FORM) } else { Ok(Self::from_micros(at.as_microsecond())) }
    }

    /// Parses the date of a mail or an HTTP header (RFC 2822): `Tue, 14 Nov 2023 22:13:20 -0000`, or `GMT` at the end.
    pub fn parse_mail_date(text: &str) -> Option<Self> {
        let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        (at.as_microsecond() >= 0).then(|| Self::from_micros(at.as_microsecond()))
    }

    /// The form of the `Date` header (RFC 9110): `Tue, 14 Nov 2023 22:13:20 GMT`.
    pub fn to_http_date(self) -> String {
        rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&self.timestamp())
            .unwrap_or_else(|_| unreachable!("instants are within the years that can be printed"))
    }

    /// The form in frames of the device stream, with milliseconds: `2023-11-14T22:13:20.512Z`.
    pub fn to_millis_string(self) -> String {
        format!("{:.3}", self.timestamp())
    }

    /// The form in the transparency log, with microseconds: `2023-11-14T22:13:20.512000Z`.
    pub fn to_micros_string(self) -> String {
        format!("{:.6}", self.timestamp())
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0)
            .unwrap_or_else(|_| unreachable!("instants are within the range of jiff"))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.whole_seconds().timestamp())
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.timestamp())
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self::from_micros(
            self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self::from_micros(
            self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl serde::Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_without_a_fraction_and_rounds_down() {
        let at = Instant::from_micros(1_700_000_000_999_999);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(at.to_http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(at.to_millis_string(), "2023-11-14T22:13:20.999Z");
    }

    #[test]
    fn parses_offsets_and_fractions() {
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14T23:13:20+01:00",
            "2023-11-14T22:13:20.000Z",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13:20.000",
        ] {
            assert_eq!(Instant::parse(text), Ok(Instant::from_seconds(1_700_000_000)), "{text}");
        }
        for text in ["", "tomorrow", "2023-11-14", "1700000000", "1969-12-31T23:59:59Z"] {
            assert!(Instant::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parses_dates_of_mails_and_headers() {
        let at = Some(Instant::from_seconds(1_700_000_000));
        for text in [
            "Tue, 14 Nov 2023 22:13:20 -0000",
            "Tue, 14 Nov 2023 22:13:20 GMT",
            "Tue, 14 Nov 2023 23:13:20 +0100",
        ] {
            assert_eq!(Instant::parse_mail_date(text), at, "{text}");
        }
        for text in ["", "2023-11-14T22:13:20Z", "Mon, 14 Nov 2023 22:13:20 GMT", "1700000000"] {
            assert_eq!(Instant::parse_mail_date(text), None, "{text}");
        }
        assert_eq!(Instant::parse_mail_date("Wed, 31 Dec 1969 23:59:59 GMT"), None);
    }

    #[test]
    fn the_first_and_the_last_instant_can_be_printed() {
        assert_eq!(Instant::from_micros(i64::MAX).to_string(), "9999-12-30T21:59:59Z");
        assert_eq!(Instant::from_micros(i64::MIN).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!((Instant::from_seconds(0) - Duration::from_secs(9)).as_micros(), 0);
    }
}
