//! The outcome of the form that led to a page.

use crate::fields::{Field, Wrong};
use crate::form::Form;

/// The words of a query that tell what was done, each with its sentence.
const DONE: [(&str, &str); 31] = [
    ("saved", "The settings are saved."),
    ("resent", "The call is made again now. If it is taken, it leaves this page."),
    ("all-resent", "The calls are made again now. Those that are taken leave this page."),
    (
        "some-resent",
        "1,000 calls are made again now. Send the others when those have left this page.",
    ),
    ("no-calls", "There was no such call any more."),
    ("service-made", "The service is made."),
    ("service-deleted", "The service is deleted."),
    ("person-deleted", "The person is deleted."),
    ("paused", "The person is paused."),
    ("resumed", "The pause is ended."),
    ("device-renamed", "The device is renamed."),
    ("device-removed", "The device is removed."),
    ("credential-made", "The credential is made. Test it before you rely on it."),
    ("credential-saved", "The credential is saved. Test it before you rely on it."),
    ("credential-deleted", "The credential is deleted."),
    ("webhook-made", "The webhook is made."),
    ("webhook-saved", "The webhook is saved."),
    ("webhook-deleted", "The webhook is deleted."),
    ("key-revoked", "The API key is revoked."),
    ("protection-saved", "The protection is saved."),
    ("tested", "The test is over: see its result below."),
    ("key-made", "The API key is made."),
    ("integration-made", "The integration is made."),
    ("integration-saved", "The integration is saved."),
    ("integration-deleted", "The integration is deleted."),
    ("secret-made", "The integration has a new secret."),
    ("operator-made", "The operator is added."),
    ("link-made", "The link is made. The one before no longer works."),
    ("role-changed", "The role is changed. It holds from the operator’s next request on."),
    ("sessions-ended", "The operator’s sessions have ended."),
    ("operator-removed", "The operator is removed."),
];

/// A message above the content of a page.
pub(crate) enum Told {
    /// Something was done.
    Done(&'static str),
    /// Nothing was done.
    Failed {
        /// Why, as a sentence.
        why: String,
        /// The element that has to be corrected.
        focus: Option<String>,
    },
}

impl Told {
    /// Reads the outcome from the query of a page.
    pub(crate) fn by(query: &Form) -> Option<Self> {
        let word = query.given("done")?;
        DONE.iter().find(|(known, _)| *known == word).map(|(_, sentence)| Self::Done(sentence))
    }

    /// An error in a form that has these fields.
    pub(crate) fn wrong(wrong: &Wrong, fields: &[Field]) -> Self {
        match fields.iter().find(|field| Some(field.name) == wrong.field) {
            Some(field) => Self::Failed {
                why: format!("{} {}.", field.label, wrong.why),
                focus: Some(field.focus()),
            },
            None => Self::Failed { why: wrong.why.clone(), focus: None },
        }
    }
}
