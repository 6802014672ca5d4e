//! Pages of a list (Twilio documentation).
//!
//! A page token contains an item, a side of it, and a hash of the list and its filters, so that it is invalid for any other
//! list. Tokens need no state on the server and do not expire.

use std::fmt::{Display, Write as _};
use std::str::FromStr;

use countersign_domain::invalid::Invalid;
use countersign_store::{Cursor, Order, Page, PageQuery, Side};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::body::Query;
use crate::error::ApiError;
use crate::params::{Params, integer};
use crate::reply::{self, ApiResult};
use crate::rows;
use crate::urls::PublicUrl;

const DEFAULT_SIZE: u16 = 50;
const MOST: u32 = 1_000;
/// The largest size in bytes of a page's items. A page ends early instead of exceeding it.
const LONGEST: usize = 1024 * 1024;

/// The requested page of a list.
#[derive(Debug)]
pub(crate) struct Paging<S> {
    /// Query for the store.
    pub(crate) query: PageQuery<S>,
    /// Path and filters. Every URL of the list begins with it.
    list: String,
    /// The client's own page number. Only echoed: the token alone determines the page.
    page: u32,
    token: Option<String>,
}

impl<S: FromStr + Display + Copy> Paging<S> {
    /// Reads the three paging parameters. `filters` are the list's own, as they appear in URLs.
    pub(crate) fn read(
        query: &Query,
        params: &Params<'_>,
        order: Order,
        filters: &[(&str, Option<String>)],
    ) -> Result<Self, ApiError> {
        let mut list = format!("{}?", query.path());
        for (name, value) in filters {
            if let Some(value) = value {
                // Writing to a string cannot fail.
                let _ = write!(list, "{name}={value}&");
            }
        }
        let size = params.text("PageSize")?.map_or(Ok(DEFAULT_SIZE), size)?;
        let page = params.optional("Page", integer(0..=u32::MAX))?.unwrap_or(0);
        let token = params.text("PageToken")?.filter(|token| !token.is_empty());
        if page > 0 && token.is_none() {
            return Err((&rows::PAGE_TOKEN).into());
        }
        let cursor = token.map(|token| {
            let foreign = Invalid::because("is not a token of this list");
            parse_token(token, &list).ok_or_else(|| params.bad("PageToken", foreign))
        });
        Ok(Self {
            query: PageQuery { size, order, cursor: cursor.transpose()? },
            token: token.map(str::to_owned),
            list,
            page,
        })
    }

    /// Whether the page ends at an item, so that its last items are the nearest ones.
    fn fills_from_the_end(&self) -> bool {
        self.query.cursor.as_ref().is_some_and(|cursor| cursor.side == Side::Before)
    }

    /// Serializes the page, with the items under `key`. The page ends early if its items are large.
    pub(crate) fn reply<'p, T, V: Serialize>(
        &self,
        base: &PublicUrl,
        key: &'static str,
        page: &'p Page<T>,
        sid: impl Fn(&T) -> S,
        view: impl Fn(&'p T) -> V,
    ) -> ApiResult {
        let (shown, is_cut) = fitting(&page.items, self.fills_from_the_end(), &view)?;
        let cut_at = |end: bool| is_cut && end == self.fills_from_the_end();
        let (has_previous, has_next) =
            (page.has_previous || cut_at(true), page.has_next || cut_at(false));
        let token = |has: bool, item: Option<&T>, side| {
            item.filter(|_| has).map(|item| print_token(side, sid(item), &self.list))
        };
        let previous = token(has_previous, shown.first(), Side::Before);
        let next = token(has_next, shown.last(), Side::After);
        let url = |number: u32, token: Option<&str>| {
            let (list, size) = (&self.list, self.query.size);
            let mut url = base.of(format_args!("{list}PageSize={size}&Page={number}"));
            if let Some(token) = token {
                url.extend(["&PageToken=", token]);
            }
            url
        };
        let meta = Meta {
            page: self.page,
            page_size: self.query.size,
            first_page_url: url(0, None),
            previous_page_url: previous.map(|it| url(self.page.saturating_sub(1), Some(&it))),
            url: url(self.page, self.token.as_deref()),
            next_page_url: next.map(|it| url(self.page.saturating_add(1), Some(&it))),
            key,
        };
        reply::ok(&List { items: shown.iter().map(view).collect(), meta })
    }
}

/// The views that fit into a page, and whether some do not. A page before an item keeps its last views. Contains at least one
/// view, whatever its size.
fn fitting<'p, T, V: Serialize>(
    items: &'p [T],
    from_the_end: bool,
    view: impl Fn(&'p T) -> V,
) -> Result<(&'p [T], bool), ApiError> {
    let (mut bytes, mut count) = (Counted(0), 0);
    let mut add = |item| {
        let written = serde_json::to_writer(&mut bytes, &view(item));
        written.map(|()| bytes.0).map_err(|error| ApiError::internal(&error))
    };
    let mut in_order = items.iter();
    while let Some(item) = if from_the_end { in_order.next_back() } else { in_order.next() } {
        if add(item)? > LONGEST && count > 0 {
            break;
        }
        count += 1;
    }
    let shown =
        if from_the_end { items.split_at(items.len() - count).1 } else { items.split_at(count).0 };
    Ok((shown, count < items.len()))
}

/// A writer that counts bytes and discards them.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Serialize)]
struct Meta {
    page: u32,
    page_size: u16,
    first_page_url: String,
    previous_page_url: Option<String>,
    url: String,
    next_page_url: Option<String>,
    key: &'static str,
}

struct List<V> {
    items: Vec<V>,
    meta: Meta,
}

impl<V: Serialize> Serialize for List<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_map(Some(2))?;
        list.serialize_entry(self.meta.key, &self.items)?;
        list.serialize_entry("meta", &self.meta)?;
        list.end()
    }
}

fn size(text: &str) -> Result<u16, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    // A number with too many digits is larger than any page.
    let size = if digits { text.parse().unwrap_or(u32::MAX) } else { 0 };
    match size {
        0 => Err((&rows::PAGE_SIZE).into()),
        1..=MOST => u16::try_from(size).map_err(|error| ApiError::internal(&error)),
        _ => Err((&rows::PAGE_SIZE_TOO_LARGE).into()),
    }
}

/// A letter for the side, the SID, and eight digits of the hash. Contains nothing that URLs escape.
pub(crate) fn print_token(side: Side, sid: impl Display, list: &str) -> String {
    let side = match side {
        Side::After => 'A',
        Side::Before => 'B',
    };
    format!("{side}{sid}{:08x}", fingerprint(list))
}

pub(crate) fn parse_token<S: FromStr>(token: &str, list: &str) -> Option<Cursor<S>> {
    let (rest, hash) = token.split_at_checked(token.len().checked_sub(8)?)?;
    if hash != format!("{:08x}", fingerprint(list)) {
        return None;
    }
    let (side, sid) = rest.split_at_checked(1)?;
    let side = match side {
        "A" => Side::After,
        "B" => Side::Before,
        _ => return None,
    };
    Some(Cursor { sid: sid.parse().ok()?, side })
}

/// FNV-1a. Detects mistakes, not attacks: a forged token only selects another page of the caller's own list.
fn fingerprint(list: &str) -> u32 {
    list.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
