//! The assertion by which a client says who it is (RFC 7523).

use serde::Deserialize;

/// The longest life of what a client signs, in seconds, and by how many its clock may be ahead.
const LONGEST_LIFE: f64 = 300.0 + 60.0;
/// The longest id of an assertion, in bytes.
const LONGEST_ID: usize = 128;

/// The claims of an assertion.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Assertion {
    iss: String,
    sub: String,
    /// The endpoint that it is for.
    pub(super) aud: String,
    /// Its end, in seconds since 1970. Some clients write fractions.
    exp: f64,
    /// Its id.
    pub(super) jti: String,
}

impl Assertion {
    /// Whether it is of this client, and current.
    pub(super) fn is_of(&self, client: &str, now: i64) -> bool {
        let is_id = !self.jti.is_empty() && self.jti.len() <= LONGEST_ID;
        self.iss == client && self.sub == client && is_id && is_current(self.exp, now)
    }

    /// The first whole second after its end, in seconds since 1970.
    #[expect(clippy::cast_possible_truncation, reason = "it is near the time of the server")]
    pub(super) fn ends(&self) -> i64 {
        self.exp.ceil() as i64
    }
}

/// Whether this end of what a client signed has not come, and is not far.
pub(super) fn is_current(exp: f64, now: i64) -> bool {
    let now = now as f64;
    now < exp && exp <= now + LONGEST_LIFE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assertion() -> Assertion {
        let name = "DIAAAAAAAAAAAAAAAAAA".to_owned();
        let aud = "https://a.example/oauth/v1/token".to_owned();
        Assertion { iss: name.clone(), sub: name, aud, exp: 1_300.5, jti: "x".repeat(36) }
    }

    #[test]
    fn an_assertion_is_of_one_client_and_lives_for_minutes() {
        let own = assertion();
        assert!(own.is_of("DIAAAAAAAAAAAAAAAAAA", 1_000) && own.ends() == 1_301);
        assert!(!own.is_of("DIBBBBBBBBBBBBBBBBBB", 1_000));
        assert!(
            own.is_of("DIAAAAAAAAAAAAAAAAAA", 1_300) && !own.is_of("DIAAAAAAAAAAAAAAAAAA", 1_301)
        );
        assert!(!own.is_of("DIAAAAAAAAAAAAAAAAAA", 900), "it would live too long");
        for wrong in [
            Assertion { sub: "x".to_owned(), ..assertion() },
            Assertion { iss: "x".to_owned(), ..assertion() },
            Assertion { jti: String::new(), ..assertion() },
            Assertion { jti: "x".repeat(129), ..assertion() },
            Assertion { exp: f64::NAN, ..assertion() },
            Assertion { exp: f64::INFINITY, ..assertion() },
            Assertion { exp: -1.0, ..assertion() },
        ] {
            assert!(!wrong.is_of("DIAAAAAAAAAAAAAAAAAA", 1_000), "{wrong:?}");
        }
    }
}
