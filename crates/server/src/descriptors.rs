//! Open files: the limit is raised at the start, and connections get what everything else leaves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Connections to the operator's listener.
pub(crate) const ADMIN_CONNECTIONS: usize = 32;
/// Asked for where the hard limit is none.
const PLENTY: u64 = 1_048_576;
/// Standard streams, event loop, listeners, certificates, resolver.
const OWN: usize = 32;
/// Files of a connection to SQLite: database, log, shared memory.
const FILES_OF_SQLITE: usize = 3;
/// Calls to push services and webhooks have a quarter of all files, up to this many.
const OUTGOING_MOST: usize = 1_024;
/// However few files there are.
const CONNECTIONS_LEAST: usize = 16;

/// Raises the soft limit of open files to the hard one, and logs what came of it.
pub fn raise_limit() {
    let was = getrlimit(Resource::Nofile);
    let wanted = was.maximum.unwrap_or(PLENTY);
    let now = match was.current {
        Some(current) if current < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..was });
            if let Err(error) = raised {
                tracing::warn!(%error, current, "the limit of open files cannot be raised to {wanted}");
            }
            limit()
        }
        _ => limit(),
    };
    tracing::info!(files = now, "up to {now} files and connections can be open");
}

/// How many files may be open.
fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current.unwrap_or(PLENTY);
    usize::try_from(current).unwrap_or(usize::MAX)
}

/// How many connections the main listener has room for beside the database, outgoing calls and the operator's listener.
pub fn connections(config: &Config) -> usize {
    room(limit(), config)
}

fn room(limit: usize, config: &Config) -> usize {
    let database = match config.database.url {
        Some(_) => config.database.connections_max,
        // the readers, the writer, and the thread that folds the log
        None => (config.store.readers + 2) * FILES_OF_SQLITE,
    };
    let outgoing = (limit / 4).min(OUTGOING_MOST);
    let reserve = OWN + ADMIN_CONNECTIONS + database + outgoing;
    limit.saturating_sub(reserve).max(CONNECTIONS_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_everything_else_leaves() {
        let config = Config::default();
        for (limit, expected) in [(256, 110), (1_024, 686), (20_000, 18_894), (100, 16)] {
            assert_eq!(room(limit, &config), expected, "of {limit}");
        }
    }

    #[test]
    fn a_larger_pool_leaves_less() {
        let mut config = Config::default();
        config.database.url = Some("postgres://h/d".into());
        config.database.connections_max = 100;
        assert_eq!(room(1_024, &config), 604);
    }
}
