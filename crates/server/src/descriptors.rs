//! The limit of open files: raised at the start, and shared out between connections and everything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Connections to the operator's listener.
pub(crate) const ADMIN_CONNECTIONS: usize = 32;
/// Requested where there is no hard limit.
const UNLIMITED: u64 = 1_048_576;
/// Standard streams, event loop, listeners, certificates, resolver.
const OWN_FILES: usize = 32;
/// Files of a connection to SQLite: database, log, shared memory.
const FILES_PER_CONNECTION: usize = 3;
/// Calls to push services and webhooks have a quarter of all files, up to this many.
const OUTGOING_MAX: usize = 1_024;
/// Connections that are allowed even if there are fewer files.
const CONNECTIONS_MIN: usize = 16;

/// Raises the soft limit of open files to the hard limit, and logs the result.
pub fn raise_limit() {
    let was = getrlimit(Resource::Nofile);
    let wanted = was.maximum.unwrap_or(UNLIMITED);
    let now = match was.current {
        Some(current) if current < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..was });
            if let Err(error) = raised {
                tracing::warn!(%error, current, "cannot raise the limit of open files to {wanted}");
            }
            limit()
        }
        _ => limit(),
    };
    tracing::info!(files = now, "up to {now} files and connections can be open");
}

/// The number of files that may be open.
fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED);
    usize::try_from(current).unwrap_or(usize::MAX)
}

/// The number of connections that are left for the main listener beside the database, outgoing calls and the
/// operator's listener.
pub fn connections(config: &Config) -> usize {
    connections_within(limit(), config)
}

fn connections_within(limit: usize, config: &Config) -> usize {
    let database = match config.database.url {
        Some(_) => config.database.connections_max,
        // the readers, the writer, and the thread that runs checkpoints
        None => (config.store.readers + 2) * FILES_PER_CONNECTION,
    };
    let outgoing = (limit / 4).min(OUTGOING_MAX);
    let reserve = OWN_FILES + ADMIN_CONNECTIONS + database + outgoing;
    limit.saturating_sub(reserve).max(CONNECTIONS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_everything_else_leaves() {
        let config = Config::default();
        for (limit, expected) in [(256, 110), (1_024, 686), (20_000, 18_894), (100, 16)] {
            assert_eq!(connections_within(limit, &config), expected, "of {limit}");
        }
    }

    #[test]
    fn a_larger_pool_leaves_less() {
        let mut config = Config::default();
        config.database.url = Some("postgres://h/d".into());
        config.database.connections_max = 100;
        assert_eq!(connections_within(1_024, &config), 604);
    }
}
