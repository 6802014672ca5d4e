//! The transparency log, as the settings describe it.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use countersign_api::LOG_PATH;
use countersign_delivery::LogParts;
use countersign_providers::Outgoing;
use countersign_providers::witness::{HttpWitness, Witness};
use countersign_store::Store;
use countersign_tlog::LogKey;
use countersign_tlog::key::is_name;
use countersign_verify::Verify;
use url::Url;

use crate::config::Config;

/// Begins the log or goes on with it, or pauses it, as the settings say. Returns its key.
///
/// # Errors
/// The database failed, or the name of the log cannot be one.
pub(crate) async fn begin(
    config: &Config,
    verify: &Verify,
    public_url: &Url,
) -> anyhow::Result<Option<Arc<LogKey>>> {
    let section = &config.transparency;
    if !section.enabled {
        verify.pause_log().await?;
        return Ok(None);
    }
    let origin = section.origin.clone().unwrap_or_else(|| origin_of(public_url));
    ensure!(
        is_name(&origin),
        "transparency.origin must be set: {origin} cannot be the name of a log"
    );
    let key = verify.begin_log(&origin).await.context("the transparency log cannot begin")?;
    let public = key.public();
    if public.name != origin {
        tracing::warn!(
            origin,
            name = public.name,
            "the transparency log keeps the name that it began with"
        );
    }
    tracing::info!(key = %public, "changes are entered in the transparency log");
    Ok(Some(Arc::new(key)))
}

/// The URL of the log without its scheme.
fn origin_of(public_url: &Url) -> String {
    let text = public_url.as_str().trim_end_matches('/');
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    format!("{text}{LOG_PATH}")
}

/// The parts of the engine that keep the log.
///
/// # Errors
/// A setting is invalid.
pub(crate) fn parts(
    config: &Config,
    store: Arc<dyn Store>,
    key: Arc<LogKey>,
    outgoing: &Outgoing,
) -> anyhow::Result<LogParts> {
    let witness = |(url, key)| -> anyhow::Result<Arc<dyn Witness>> {
        let witness = HttpWitness::new(outgoing, url, key);
        Ok(Arc::new(witness.context("transparency.witnesses")?) as _)
    };
    let witnesses = config.transparency.witnesses()?.into_iter().map(witness);
    Ok(LogParts {
        store,
        key,
        witnesses: witnesses.collect::<anyhow::Result<_>>()?,
        kept: config.transparency.kept(),
    })
}
