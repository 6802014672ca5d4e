//! The ticket by which a browser takes its sign-in from the page to the site that it was sent from.

use countersign_verify::Verify;
use serde::{Deserialize, Serialize};

/// The purpose that tickets are sealed for.
const PURPOSE: &str = "sign-in ticket";
/// How long a ticket counts, in seconds.
const LIFE: i64 = 60;

/// A person who signed in, and the site that they signed in for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The key of the integration.
    pub(crate) key: String,
    /// The site.
    pub(crate) site: String,
    /// The path and the query that were wanted.
    pub(crate) path: String,
    /// The value of the site's cookie in the browser that began.
    pub(crate) begun: String,
    /// The name of the person, in its canonical form.
    pub(crate) user: String,
}

/// A ticket with its end, in seconds since 1970.
#[derive(Serialize, Deserialize)]
struct Dated {
    #[serde(flatten)]
    ticket: Ticket,
    until: i64,
}

impl Ticket {
    /// The text that the browser carries.
    pub(crate) fn seal(self, verify: &Verify) -> String {
        let dated = Dated { ticket: self, until: verify.now().as_seconds() + LIFE };
        verify.seal_carried(PURPOSE, &serde_json::to_string(&dated).unwrap_or_default())
    }

    /// The ticket of a text; `None` if this installation sealed none, or it has ended.
    pub(crate) fn open(verify: &Verify, sealed: &str) -> Option<Self> {
        let text = verify.open_carried(PURPOSE, sealed)?;
        let dated: Dated = serde_json::from_str(text.expose()).ok()?;
        (verify.now().as_seconds() < dated.until).then_some(dated.ticket)
    }
}
