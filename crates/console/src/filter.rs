//! The filter of the timeline in the query of a URL.

use std::str::FromStr as _;

use countersign_domain::challenge::ChallengeStatus;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::time::Instant;
use countersign_store::seam::{AttemptFilter, TimelineFilter};
use countersign_verify::timeline::{Place, TimelineQuery};

use crate::fields::Field;
use crate::form::Form;
use crate::views::Timestamp;

/// The parameters, in the order of the form.
pub(crate) const NAMES: [&str; 8] =
    ["status", "service", "platform", "outcome", "code", "message", "from", "to"];

/// The platforms of attempts.
const PLATFORMS: [(&str, &str); 4] = [
    ("apn", "Apple (apn)"),
    ("fcm", "Google (fcm)"),
    ("webpush", "browser (webpush)"),
    ("stream", "stream"),
];

/// The outcomes of attempts.
const OUTCOMES: [&str; 7] =
    ["accepted", "acknowledged", "unacknowledged", "offline", "gone", "later", "refused"];

/// A filter as it was asked for.
pub(crate) struct Filter {
    /// Parameters with a value, in the order of [`NAMES`].
    pairs: Vec<(&'static str, String)>,
    /// The parameters that are no values, with the reason.
    wrong: Vec<(&'static str, String)>,
    filter: TimelineFilter,
    since: Option<Instant>,
    until: Option<Instant>,
}

/// A part of the filter, and the query without it.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// The time that it is, if it is one.
    pub(crate) time: Option<Timestamp>,
    pub(crate) without: String,
}

impl Filter {
    /// Reads the parameters of a query.
    pub(crate) fn of(form: &Form) -> Self {
        let given = |name: &'static str| Some((name, form.text(name).to_owned()));
        let pairs: Vec<_> = NAMES.into_iter().filter_map(given).collect();
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut all = Self {
            pairs,
            wrong: Vec::new(),
            filter: TimelineFilter::default(),
            since: None,
            until: None,
        };
        all.filter = TimelineFilter {
            status: all.read("status", |text| {
                ChallengeStatus::from_str(text).map_err(|why| why.to_string())
            }),
            service: all
                .read("service", |text: &str| text.parse().map_err(|why: Invalid| why.to_string())),
            message: all.read("message", |text| Ok(text.to_owned())),
            attempt: AttemptFilter {
                platform: all.read("platform", |text| word(text, PLATFORMS.map(|(word, _)| word))),
                outcome: all.read("outcome", |text| word(text, OUTCOMES)),
                code: all.read("code", |text| {
                    text.parse().map(ErrorCode).map_err(|_| "must be a number".to_owned())
                }),
            },
        };
        all.since = all.read("from", time);
        all.until = all.read("to", time);
        all
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.value(name);
        if text.is_empty() {
            return None;
        }
        match parse(text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.wrong.push((name, why));
                None
            }
        }
    }

    /// The text of a parameter; empty if it was not given.
    fn value(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// Whether every parameter is a value.
    pub(crate) const fn is_valid(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The query, with further parameters; empty or with `?` before it.
    pub(crate) fn query(&self, further: &[(&str, &str)]) -> String {
        let own = self.pairs.iter().map(|(name, value)| (*name, value.as_str()));
        query(own.chain(further.iter().copied()))
    }

    /// Each part, with the query without it.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let part = |(name, value): &(&'static str, String)| {
            let others = self.pairs.iter().filter(|(other, _)| other != name);
            let without = query(others.map(|(name, value)| (*name, value.as_str())));
            let time = match *name {
                "from" => self.since,
                "to" => self.until,
                _ => None,
            };
            Part { name, value: value.clone(), time: time.map(Timestamp), without }
        };
        self.pairs.iter().map(part).collect()
    }

    /// The query of the timeline for one page.
    pub(crate) fn at(&self, place: Place, size: usize) -> TimelineQuery {
        let Self { filter, since, until, .. } = self;
        TimelineQuery { filter: filter.clone(), since: *since, until: *until, place, size }
    }

    /// The fields of the form. The services are SIDs with names.
    pub(crate) fn fields(&self, services: Vec<(String, String)>) -> Vec<Field> {
        let any = |rest: Vec<(String, String)>| {
            let mut all = vec![(String::new(), "any".to_owned())];
            all.extend(rest);
            all
        };
        let words = |words: &[&str]| {
            any(words.iter().map(|word| ((*word).to_owned(), (*word).to_owned())).collect())
        };
        let platforms = PLATFORMS.map(|(word, name)| (word.to_owned(), name.to_owned()));
        let text = |name, label| Field::text(name, label, self.value(name));
        let fields = [
            text("status", "Status").choose(words(&["pending", "approved", "denied", "expired"])),
            text("service", "Service").choose(any(services)),
            text("platform", "Attempt over").choose(any(platforms.to_vec())),
            text("outcome", "Attempt’s outcome").choose(words(&OUTCOMES)),
            Field::number("code", "Error code", self.value("code")),
            text("message", "Question begins with"),
            Field::time("from", "From", self.value("from")).hint("UTC, such as 2026-01-31 09:00"),
            Field::time("to", "Before", self.value("to")).hint("UTC, such as 2026-01-31 10:00"),
        ];
        let judge = |field: Field| {
            let wrong = self.wrong.iter().find(|(name, _)| *name == field.name);
            let error = wrong.map(|(_, why)| format!("{} {why}.", field.label));
            Field { error, ..field }
        };
        fields.into_iter().map(judge).collect()
    }
}

/// The query for questions that begin with a text.
pub(crate) fn message_query(text: &str) -> String {
    query(std::iter::once(("message", text)))
}

/// A query of names and values; empty or with `?` before it.
fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

fn word<const N: usize>(text: &str, known: [&str; N]) -> Result<String, String> {
    if known.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be one of {}", known.join(", ")))
    }
}

/// Parses a date with or without a time, in UTC unless it has an offset.
fn time(text: &str) -> Result<Instant, String> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    Instant::parse(&whole).map_err(|_| "must be a time such as 2026-01-31 09:00".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Filter {
        Filter::of(&Form::of_query(Some(query)).unwrap())
    }

    #[test]
    fn a_query_is_read_and_written_in_one_form() {
        let all = filter("to=2026-01-31&x=1&status=denied&code=52001&message=Pay+%26&service=");
        assert!(all.is_valid());
        let query = "?status=denied&code=52001&message=Pay+%26&to=2026-01-31";
        assert_eq!(all.query(&[]), query);
        assert_eq!(all.query(&[("before", "YC0")]), format!("{query}&before=YC0"));
        let without: Vec<_> = all.parts().into_iter().map(|part| part.without).collect();
        assert_eq!(without[0], "?code=52001&message=Pay+%26&to=2026-01-31");
        let asked = all.at(Place::Newest, 7);
        assert_eq!(asked.filter.attempt.code, Some(ErrorCode(52_001)));
        assert_eq!(asked.until, Instant::parse("2026-01-31T00:00:00Z").ok());
        assert_eq!(filter("").query(&[]), "");
    }

    #[test]
    fn times_are_utc_unless_they_have_an_offset() {
        for (text, expected) in [
            ("2026-01-31 09:00", "2026-01-31T09:00:00Z"),
            ("2026-01-31T09:00:30", "2026-01-31T09:00:30Z"),
            ("2026-01-31T09:00:00+02:00", "2026-01-31T07:00:00Z"),
        ] {
            assert_eq!(time(text), Ok(Instant::parse(expected).unwrap()), "{text}");
        }
        assert!(time("yesterday").is_err());
    }

    #[test]
    fn a_wrong_value_is_named_beside_its_field() {
        let all = filter("status=done&service=x&platform=pigeon&outcome=x&code=x&from=x");
        assert!(!all.is_valid());
        let wrong = all.fields(vec![]).into_iter().filter(|field| field.error.is_some());
        let names: Vec<_> = wrong.map(|field| field.name).collect();
        assert_eq!(names, ["status", "service", "platform", "outcome", "code", "from"]);
    }
}
