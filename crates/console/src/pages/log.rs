//! The transparency log, as far as it is about the account, and the check of its entries.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_store::seam::StoredEntry;
use countersign_verify::transparency::CheckedEntry;
use serde_json::Value;

use crate::error::PageError;
use crate::form::Form;
use crate::frame::{self, Frame, Section};
use crate::session::Operator;
use crate::state::SharedConsole;
use crate::views::{Timestamp, marked};

/// Entries of a page.
const MOST: usize = 50;

struct Row {
    number: u64,
    at: Timestamp,
    kind: String,
    subject: String,
}

#[derive(Template)]
#[template(path = "log.html")]
struct Log {
    frame: Frame,
    /// The key of the log; `None` without a log.
    key: Option<String>,
    /// The size of the checkpoint, and those who cosigned it.
    checkpoint: Option<(u64, String)>,
    entries: Vec<Row>,
    is_older: bool,
    next: Option<u64>,
}

#[derive(Template)]
#[template(path = "log_entry.html")]
struct Entry {
    frame: Frame,
    number: u64,
    entry: String,
    opening: Option<String>,
    /// The size of the checkpoint whose tree has the entry; `None` if no checkpoint has it yet.
    size: Option<u64>,
    is_right: bool,
    proof: String,
}

fn row(entry: &StoredEntry) -> Row {
    let members: Value = serde_json::from_str(&entry.entry).unwrap_or_default();
    let word = |name: &str| members[name].as_str().unwrap_or_default().to_owned();
    Row {
        number: entry.number,
        at: Timestamp(entry.at),
        kind: word("kind"),
        subject: word("subject"),
    }
}

/// The page: the newest entries of the account, or those before an index.
pub(crate) async fn show(
    State(console): State<SharedConsole>,
    operator: Operator,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = Form::of_query(query.as_deref())?;
    let before = query.given("before").map(super::sid::<u64>).transpose()?;
    let verify = &console.verify;
    let key = verify.log_key().await?;
    let checkpoint = verify.log_checkpoint().await?.map(|published| {
        let cosigners = published.note.signatures.iter().skip(1).map(|line| line.name.as_str());
        (published.checkpoint.size, cosigners.collect::<Vec<_>>().join(", "))
    });
    let newest = before.unwrap_or(u64::MAX);
    let entries = verify.log_entries_of(operator.account, newest, MOST).await?;
    let last = entries.last().filter(|_| entries.len() == MOST);
    frame::ok(&Log {
        frame: Frame::new(&console, Some(&operator), Section::Audit),
        key: key.map(|key| key.public().to_string()),
        checkpoint,
        next: last.map(|entry| entry.number),
        entries: entries.iter().map(row).collect(),
        is_older: before.is_some(),
    })
}

/// The page of an entry: what it says, what it commits to, and whether it is in the tree of the checkpoint.
pub(crate) async fn entry(
    State(console): State<SharedConsole>,
    operator: Operator,
    Path(number): Path<String>,
) -> Result<Response, PageError> {
    let number = super::sid(&number)?;
    let checked = console.verify.check_log_entry(operator.account, number).await?;
    let CheckedEntry { entry, proof, is_right } = checked;
    frame::ok(&Entry {
        frame: Frame::new(&console, Some(&operator), Section::Audit),
        number,
        opening: entry.opening.map(|(_, opening)| marked(&opening).into_owned()),
        entry: entry.entry,
        size: proof.as_ref().map(|(_, size)| *size),
        is_right,
        proof: proof.map_or_else(String::new, |(proof, _)| proof.to_string()),
    })
}
