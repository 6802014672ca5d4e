//! Instants, in the one form we keep and the few forms we print (wire reference §1.4).

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
/// Prints as the API's dates do: `2023-11-14T22:13:20Z`, no fraction, rounded down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

/// The last whole second that `jiff` can hold; it leaves room for every offset within the year 9999.
const LAST: i64 = 253_402_207_199_999_999;

impl Instant {
    /// From microseconds since 1970, held within the years that can be printed, 1970 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 {
            0
        } else if micros > LAST {
            LAST
        } else {
            micros
        })
    }

    /// From seconds since 1970, bounded likewise.
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

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with an optional fraction. Without an offset the time is UTC, as the Java SDK means it, which writes
    /// none.
    ///
    /// # Errors
    /// Anything else, a date without a time, and instants before 1970.
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

    /// As the `Date` header has it: `Tue, 14 Nov 2023 22:13:20 GMT`.
    pub fn to_http_date(self) -> String {
        rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&self.timestamp())
            .unwrap_or_else(|_| unreachable!("instants are within what can be printed"))
    }

    /// With milliseconds, for frames of our own: `2023-11-14T22:13:20.512Z`.
    pub fn to_millis_string(self) -> String {
        format!("{:.3}", self.timestamp())
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
    fn reads_offsets_and_fractions() {
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
    fn the_ends_of_time_can_be_printed() {
        assert_eq!(Instant::from_micros(i64::MAX).to_string(), "9999-12-30T21:59:59Z");
        assert_eq!(Instant::from_micros(i64::MIN).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!((Instant::from_seconds(0) - Duration::from_secs(9)).as_micros(), 0);
    }
}
