//! Pages of a list, by the SID at which the neighbouring page ends.

use std::fmt::Display;
use std::str::FromStr;

use countersign_store::{Cursor, Order, Page, PageQuery, Side};

use crate::error::PageError;
use crate::form::Form;

/// Items on a page.
pub(crate) const SIZE: u16 = 50;

/// The names in a query of the item at which a page begins: the first for the page behind it, the second for the one before it.
pub(crate) type Marks = (&'static str, &'static str);

/// Of the only list of a page.
const ONLY: Marks = ("after", "before");

/// The links to the neighbouring pages.
pub(crate) struct Turn {
    /// The items of the list, in words.
    pub(crate) what: &'static str,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
}

impl Turn {
    /// The links of a page of the list at `path`, which ends with `?` or `&`.
    pub(crate) fn of<T, S: Display>(
        what: &'static str,
        path: &str,
        page: &Page<T>,
        sid: impl Fn(&T) -> S,
    ) -> Self {
        Self::marked(what, (path, ONLY), page, sid)
    }

    /// The same, of a list with marks of its own.
    pub(crate) fn marked<T, S: Display>(
        what: &'static str,
        (path, (after, before)): (&str, Marks),
        page: &Page<T>,
        sid: impl Fn(&T) -> S,
    ) -> Self {
        let first = page.items.first().filter(|_| page.has_previous);
        let last = page.items.last().filter(|_| page.has_next);
        Self {
            what,
            previous: first.map(|item| format!("{path}{before}={}", sid(item))),
            next: last.map(|item| format!("{path}{after}={}", sid(item))),
        }
    }

    /// Whether there are other pages.
    pub(crate) const fn is_needed(&self) -> bool {
        self.previous.is_some() || self.next.is_some()
    }
}

/// The page that a query asks for, oldest first.
pub(crate) fn asked<S: FromStr>(query: &Form) -> Result<PageQuery<S>, PageError> {
    asked_by(query, ONLY)
}

/// The same, of a list with marks of its own.
pub(crate) fn asked_by<S: FromStr>(
    query: &Form,
    (after, before): Marks,
) -> Result<PageQuery<S>, PageError> {
    let at = |name, side| {
        let sid = query.given(name).map(str::parse).transpose();
        sid.map(|sid| sid.map(|sid| Cursor { sid, side })).map_err(|_| PageError::NotFound)
    };
    let cursor = match at(after, Side::After)? {
        Some(cursor) => Some(cursor),
        None => at(before, Side::Before)?,
    };
    Ok(PageQuery { size: SIZE, order: Order::Ascending, cursor })
}
