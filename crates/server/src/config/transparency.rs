//! `[transparency]`: the transparency log.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use countersign_tlog::VerifierKey;
use countersign_tlog::key::{KeyKind, is_name};
use serde::{Deserialize, Serialize};
use url::Url;

use super::values::list;

/// `[transparency]`: the transparency log of the installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransparencySection {
    /// Whether changes are entered in the log, which is served at `/log`. The same on all nodes.
    pub enabled: bool,
    /// The name of the log: the URL that it is served under, without `https://`. If absent, that of
    /// `http.public_url`. A log keeps the name that it began with.
    pub origin: Option<String>,
    /// Days that the text of entries is kept, 1 to 36,500; 0: for ever. The hashes stay.
    pub entries_days: u32,
    /// Witnesses that cosign checkpoints: the URL and the key of each, with a space between. A list, or one text with
    /// commas.
    #[serde(deserialize_with = "list")]
    pub witnesses: Vec<String>,
}

impl Default for TransparencySection {
    fn default() -> Self {
        Self { enabled: false, origin: None, entries_days: 400, witnesses: Vec::new() }
    }
}

/// The most witnesses.
const WITNESSES_MAX: usize = 15;

impl TransparencySection {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.entries_days <= 36_500,
            "transparency.entries_days must be 1 to 36500, or 0 to keep entries for ever"
        );
        ensure!(
            self.origin.as_deref().is_none_or(is_name),
            "transparency.origin must be the URL of the log without https://, for example \
             verify.example.com/log, without spaces and plus signs"
        );
        ensure!(
            self.witnesses.len() <= WITNESSES_MAX,
            "transparency.witnesses must be at most {WITNESSES_MAX}"
        );
        self.witnesses().map(|_| ())
    }

    /// The witnesses: the URL and the key of each.
    ///
    /// # Errors
    /// One is not written as a URL, a space and a key.
    pub fn witnesses(&self) -> anyhow::Result<Vec<(Url, VerifierKey)>> {
        let read = |text: &String| -> anyhow::Result<(Url, VerifierKey)> {
            let parts = text.split_once(' ');
            let read = parts.and_then(|(url, key)| {
                let url =
                    Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
                let key: VerifierKey = key.trim().parse().ok()?;
                (key.kind == KeyKind::Witness).then_some((url, key))
            });
            read.with_context(|| {
                format!(
                    "transparency.witnesses: expected a URL, a space and the key of a witness, for example \
                     https://witness.example witness.example/w1+20324abe+BCms…, found \"{text}\""
                )
            })
        };
        self.witnesses.iter().map(read).collect()
    }

    /// How long the text of entries is kept; `None`: for ever.
    pub fn kept(&self) -> Option<Duration> {
        let days = Duration::from_secs(24 * 60 * 60) * self.entries_days;
        (self.entries_days > 0).then_some(days)
    }
}
