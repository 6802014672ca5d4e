//! Changes the master key while servers run.
//!
//! A rotation makes a new sealing key. Both master keys open all sealing keys from its beginning to its end, so that servers start
//! with either; a server that runs learns the new key, since it is also wrapped for the sealing key before it. Then every stored
//! secret is sealed anew. At the end all that is wrapped for the old master key is removed. Every step is one command of the store, so
//! an interrupted rotation goes on where it stopped.

use countersign_domain::sealing_key::{KeyHolder, SealingKeyId, WrappedKey};
use countersign_domain::secret::Sealed;
use countersign_domain::time::Instant;
use countersign_domain::world::Entropy;
use countersign_store::StoreError;
use countersign_store::moving::{CellChange, Resealing, Row};

use crate::key_bytes::{KeyBytes, MasterKey, holder_of};
use crate::keys::Keys;
use crate::sealed_cells::{SEALED, SealedColumn};
use crate::sealing_ring::KNOWN_TO_ALL_AFTER;

/// Rows per read and per write.
const PAGE: usize = 200;
/// How often all cells are looked at again, since servers changed some of them meanwhile.
const MAX_PASSES: usize = 8;

/// Why a rotation cannot begin or end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    /// The database failed. The same command goes on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new master key is the present one, and no rotation to it has begun.
    #[error("the new master key is the one in use: make another")]
    SameKey,
    /// A rotation to another master key has begun.
    #[error("a rotation to another master key has begun: finish or abandon it first")]
    OtherRotation,
    /// Another process has begun a rotation at the same time.
    #[error("another rotation began at the same time: run the command again")]
    Raced,
    /// There is no rotation to end.
    #[error("no rotation has begun")]
    NotBegun,
    /// The rotation can only be finished with the new master key.
    #[error("this is the old master key: give every server the new one first")]
    OldKey,
    /// The rotation can only be abandoned with the old master key.
    #[error("this is the new master key: a rotation is abandoned with the old one")]
    NewKey,
    /// An id is one byte.
    #[error("there have been 254 rotations, and no id is left for another sealing key")]
    NoIdLeft,
    /// Servers change cells faster than they are sealed anew.
    #[error(
        "{0} cells were changed again and again while they were sealed anew: run the command again"
    )]
    Busy(u64),
}

/// How far the change of a master key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationState {
    /// Only the master key opens the sealing keys.
    Idle,
    /// Two do, and the one in use is the old one.
    WithOldKey,
    /// Two do, and the one in use is the new one.
    WithNewKey,
}

/// A sealing key, and what lies under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub id: SealingKeyId,
    /// When it was made; `None` for a first master key that was never changed.
    pub created_at: Option<Instant>,
    /// When it was retired.
    pub retired_at: Option<Instant>,
    /// The number of stored secrets that it sealed, by table and column.
    pub cells: Vec<(&'static str, &'static str, u64)>,
}

/// The result of sealing all cells anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many were sealed anew.
    pub cells: u64,
    /// Those that could not be opened, and were left as they are. Nothing can open them.
    pub broken: u64,
}

/// The state of the rotation, as the stored keys show it.
///
/// # Errors
/// The database failed.
pub async fn state(database: &dyn Resealing, keys: &Keys) -> Result<RotationState, RotationError> {
    let stored = database.sealing_keys().await?;
    let own = keys.master().holder();
    if stored.iter().all(|key| key.holder == own) {
        return Ok(RotationState::Idle);
    }
    // The check value is the old key's until the end.
    let check = database.kept_key_check().await?;
    let is_old = check.is_some_and(|check| holder_of(&check) == own);
    Ok(if is_old { RotationState::WithOldKey } else { RotationState::WithNewKey })
}

/// Begins a rotation to a new master key, or finds that it has begun. The keys learn the new sealing key.
///
/// # Errors
/// See [`RotationError`].
pub async fn begin(
    database: &dyn Resealing,
    keys: &Keys,
    new: &MasterKey,
    now: Instant,
    entropy: &dyn Entropy,
) -> Result<(), RotationError> {
    let stored = database.sealing_keys().await?;
    keys.learn(&stored, now);
    let is_first_held_by = |holder: KeyHolder| {
        stored.iter().any(|key| key.id == SealingKeyId::FIRST && key.holder == holder)
    };
    let (own, other) = (keys.master().holder(), new.holder());
    match state(database, keys).await? {
        RotationState::Idle if own == other => Err(RotationError::SameKey),
        RotationState::Idle => {
            let wrapped = wrap_all(keys, new, &stored, now, entropy)?;
            let newest = stored.last().map(|key| key.id);
            if !database.add_sealing_keys(newest, &wrapped).await? {
                return Err(RotationError::Raced);
            }
            keys.learn(&database.sealing_keys().await?, now);
            Ok(())
        }
        RotationState::WithOldKey | RotationState::WithNewKey if is_first_held_by(other) => Ok(()),
        RotationState::WithOldKey | RotationState::WithNewKey => Err(RotationError::OtherRotation),
    }
}

/// A new sealing key for both master keys and for the newest sealing key, which servers know that run; and all older keys for the
/// new master key.
fn wrap_all(
    keys: &Keys,
    new: &MasterKey,
    stored: &[WrappedKey],
    now: Instant,
    entropy: &dyn Entropy,
) -> Result<Vec<WrappedKey>, RotationError> {
    let known = keys.sealing_keys();
    let (newest, newest_key) = known.last().cloned().expect("the first key is always there");
    let next = newest.next().ok_or(RotationError::NoIdLeft)?;
    let wrap = |id: SealingKeyId, key: &KeyBytes, holder: &KeyBytes| {
        let of_id = stored.iter().find(|key| key.id == id);
        WrappedKey {
            id,
            holder: holder.holder(),
            wrapped: holder.wrap(id, key, entropy),
            created_at: of_id.map_or(now, |key| key.created_at),
            retired_at: of_id.and_then(|key| key.retired_at),
        }
    };
    let made = KeyBytes::draw(entropy);
    let mut wrapped: Vec<_> = known.iter().map(|(id, key)| wrap(*id, key, new)).collect();
    if stored.is_empty() {
        wrapped.extend(known.iter().map(|(id, key)| wrap(*id, key, keys.master())));
    }
    wrapped.extend([new, keys.master(), &newest_key].map(|holder| wrap(next, &made, holder)));
    // Before the first rotation the newest sealing key is the master key itself.
    wrapped.sort_by_key(|key| (key.id, key.holder));
    wrapped.dedup_by_key(|key| (key.id, key.holder));
    Ok(wrapped)
}

/// Seals everything anew that an older key sealed. `report` is told the table and how many cells of it were sealed anew so far.
///
/// # Errors
/// See [`RotationError`]. A second run goes on.
pub async fn reseal(
    database: &dyn Resealing,
    keys: &Keys,
    entropy: &dyn Entropy,
    mut report: impl FnMut(&'static str, u64),
) -> Result<Resealed, RotationError> {
    let mut done = Resealed::default();
    let mut missed = 0;
    for _ in 0..MAX_PASSES {
        let mut broken = 0;
        missed = 0;
        for column in &SEALED {
            let of_column = reseal_column(database, keys, column, entropy, &mut report).await?;
            done.cells += of_column.sealed;
            missed += of_column.missed;
            broken += of_column.broken;
        }
        done.broken = broken;
        if missed == 0 {
            return Ok(done);
        }
    }
    Err(RotationError::Busy(missed))
}

/// What became of the cells of a column.
#[derive(Default)]
struct OfColumn {
    sealed: u64,
    /// Changed or deleted by a server meanwhile.
    missed: u64,
    broken: u64,
}

async fn reseal_column(
    database: &dyn Resealing,
    keys: &Keys,
    column: &'static SealedColumn,
    entropy: &dyn Entropy,
    report: &mut impl FnMut(&'static str, u64),
) -> Result<OfColumn, RotationError> {
    let mut done = OfColumn::default();
    let table = column.table();
    let mut after = None;
    loop {
        let rows = database.rows(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(done) };
        after = Some(last[..table.key.len()].to_vec());
        let mut changes = Vec::new();
        for row in &rows {
            match change(keys, column, row, entropy) {
                None => {}
                Some(Some(change)) => changes.push(change),
                Some(None) => done.broken += 1,
            }
        }
        if changes.is_empty() {
            continue;
        }
        let wanted = changes.len();
        let replaced = database.replace_cells(table, column.name, changes).await?;
        done.sealed += replaced as u64;
        done.missed += (wanted - replaced) as u64;
        report(column.table, done.sealed);
    }
}

/// The change of a row whose cell an older key sealed; `Some(None)` if the cell cannot be opened.
fn change(
    keys: &Keys,
    column: &SealedColumn,
    row: &Row,
    entropy: &dyn Entropy,
) -> Option<Option<CellChange>> {
    let cell = column.cell(row)?;
    if cell.first().copied().map(SealingKeyId) == Some(keys.newest()) {
        return None;
    }
    let key = row[..column.table().key.len()].to_vec();
    let open = || {
        let context = (column.context)(&key)?;
        let secret = keys.open(&Sealed::from_bytes(cell.to_vec()), &context).ok()?;
        Some(keys.seal(&secret, &context, entropy))
    };
    let sealed = open();
    Some(sealed.map(|new| CellChange { key, was: cell.to_vec(), new: new.as_bytes().to_vec() }))
}

/// When every server that runs has learned the newest sealing key, so that a rotation may end.
///
/// # Errors
/// The database failed.
pub async fn known_to_all_at(database: &dyn Resealing) -> Result<Option<Instant>, RotationError> {
    let stored = database.sealing_keys().await?;
    Ok(stored.last().map(|key| key.created_at + KNOWN_TO_ALL_AFTER))
}

/// Makes the master key in use the only one that opens the sealing keys: the new one, or with `abandon` the old one. Everything must
/// have been sealed anew.
///
/// # Errors
/// See [`RotationError`].
pub async fn end(
    database: &dyn Resealing,
    keys: &Keys,
    abandon: bool,
    now: Instant,
) -> Result<(), RotationError> {
    match (state(database, keys).await?, abandon) {
        (RotationState::Idle, _) => return Err(RotationError::NotBegun),
        (RotationState::WithOldKey, false) => return Err(RotationError::OldKey),
        (RotationState::WithNewKey, true) => return Err(RotationError::NewKey),
        (RotationState::WithNewKey, false) | (RotationState::WithOldKey, true) => {}
    }
    let (holder, check) = (keys.master().holder(), keys.check_value());
    if !database.keep_only_holder(holder, check, now).await? {
        return Err(RotationError::OtherRotation);
    }
    Ok(())
}

/// The sealing keys, and how many stored secrets lie under each.
///
/// # Errors
/// The database failed.
pub async fn survey(database: &dyn Resealing, keys: &Keys) -> Result<Vec<KeyUse>, RotationError> {
    let stored = database.sealing_keys().await?;
    let known = keys.sealing_keys().into_iter().map(|(id, _)| id);
    let mut uses: Vec<_> = known
        .map(|id| {
            let own = stored.iter().find(|key| key.id == id);
            let (created_at, retired_at) =
                (own.map(|key| key.created_at), own.and_then(|key| key.retired_at));
            KeyUse { id, created_at, retired_at, cells: Vec::new() }
        })
        .collect();
    for column in &SEALED {
        let counts = count(database, column).await?;
        for key in &mut uses {
            let cells = counts[usize::from(key.id.0)];
            if cells > 0 {
                key.cells.push((column.table, column.name, cells));
            }
        }
    }
    Ok(uses)
}

/// The number of cells of a column by the first byte.
async fn count(
    database: &dyn Resealing,
    column: &'static SealedColumn,
) -> Result<[u64; 256], RotationError> {
    let table = column.table();
    let mut counts = [0; 256];
    let mut after = None;
    loop {
        let rows = database.rows(table, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(counts) };
        after = Some(last[..table.key.len()].to_vec());
        for byte in rows.iter().filter_map(|row| column.cell(row)?.first()) {
            counts[usize::from(*byte)] += 1;
        }
    }
}
