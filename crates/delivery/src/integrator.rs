//! Makes entries of the facts that changes noted, and checkpoints of the entries: the transparency log.

use std::sync::Arc;
use std::time::Duration;

use countersign_domain::fact::Fact;
use countersign_domain::time::Instant;
use countersign_domain::world::random;
use countersign_store::error::StoreResult;
use countersign_store::seam::{FactKey, LogState, LogStep, Transparency};
use countersign_store::tree;
use countersign_tlog::edge::GrownTiles;
use countersign_tlog::tile::hashes_to_bytes;
use countersign_tlog::{Checkpoint, Edge, Hash, LogKey};

use crate::cosigners::Cosigners;
use crate::duty::Duty;
use crate::metrics;
use crate::signals::Counts;
use crate::timing::Timing;

/// An expiry is noted this long after it, since an answer that was in time may still be on its way to the database.
const GRACE: Duration = Duration::from_secs(10);
/// Bundles of 256 entries that one sweep prunes at most.
const PRUNED_AT_ONCE: usize = 16;

/// Grows the log. Of several processes that read the same facts, one makes entries of them; the others read in vain.
pub(crate) struct Integrator {
    pub(crate) store: Arc<dyn Transparency + Send + Sync>,
    pub(crate) key: Arc<LogKey>,
    pub(crate) cosigners: Cosigners,
    /// How long entries are kept; `None`: for ever.
    pub(crate) kept: Option<Duration>,
    pub(crate) timing: Timing,
    pub(crate) interval: Duration,
}

impl Duty for Integrator {
    const NAME: &'static str = "integrator";

    fn interval(&self) -> Duration {
        self.interval
    }

    /// Facts become entries, a batch after the other; behind the last one comes a checkpoint.
    async fn batch(&self, now: Instant, most: usize) -> StoreResult<usize> {
        let looked_at = self.store.note_expiries(now - GRACE, most).await?;
        let Some(state) = self.store.log_state().await? else { return Ok(0) };
        let facts = self.store.facts(most).await?;
        let read = facts.len();
        let grown = if facts.is_empty() { None } else { self.grow(&state, facts, now).await? };
        if read < most {
            self.publish(&state, grown).await?;
            self.prune(now).await?;
        }
        Ok(read.max(looked_at))
    }

    fn done(&self, counts: &mut Counts, rows: usize, nothing_left: bool) {
        counts.integrated += rows as u64;
        counts.integrator_sweeps += u64::from(nothing_left);
    }
}

impl Integrator {
    /// Makes entries of facts. Returns the edge of the tree; `None` if another process was faster.
    async fn grow(
        &self,
        state: &LogState,
        facts: Vec<(FactKey, Fact)>,
        now: Instant,
    ) -> StoreResult<Option<Edge>> {
        let mut edge = tree::edge(&*self.store, state.size).await?;
        let mut filled = GrownTiles::new();
        let mut step = LogStep {
            from: state.size,
            facts: Vec::new(),
            entries: Vec::new(),
            tiles: Vec::new(),
            watches: Vec::new(),
        };
        for (key, fact) in facts {
            step.facts.push(key);
            step.watches.extend(fact.watch);
            let entry = fact.into_entry(random(self.timing.entropy()), now);
            edge.push(Hash::of_leaf(entry.entry.as_bytes()), &mut filled);
            step.entries.push(entry);
        }
        let tiles = edge
            .grown(filled)
            .into_iter()
            .map(|((level, number), hashes)| (level, number, hashes_to_bytes(&hashes)));
        step.tiles = tiles.collect();
        let is_ours = self.store.add_entries(&step).await?;
        metrics::log_size(edge.size());
        Ok(is_ours.then_some(edge))
    }

    /// Signs and publishes a checkpoint, if the log has grown.
    async fn publish(&self, state: &LogState, grown: Option<Edge>) -> StoreResult<()> {
        let edge = match grown {
            Some(edge) => edge,
            None if state.size > state.published => tree::edge(&*self.store, state.size).await?,
            None => return Ok(()),
        };
        let (size, root) = (edge.size(), edge.root());
        let origin = self.key.public().name.clone();
        let mut note = Checkpoint { origin, size, root }.signed(&self.key);
        self.cosigners.cosign(&*self.store, &mut note, size).await?;
        self.store.publish_log(size, &note.to_string()).await?;
        Ok(())
    }

    async fn prune(&self, now: Instant) -> StoreResult<()> {
        let Some(kept) = self.kept else { return Ok(()) };
        for _ in 0..PRUNED_AT_ONCE {
            if self.store.prune_log(now - kept).await? == 0 {
                break;
            }
        }
        Ok(())
    }
}
