//! Notices a pooler that nobody has told us of.
//!
//! PgBouncer with `pool_mode = transaction` hands every transaction to a connection that is free. What is prepared or set on a
//! connection is then on somebody else's, and statements fail now and then. It cannot be asked, but it shows: two clients that
//! are connected at the same time have the same process of the server, or one client has two of them in turn.

use std::time::Duration;

use countersign_store::StoreError;
use deadpool_postgres::Connect as _;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};

use crate::servers::Servers;
use crate::trouble::words;

/// The longest that is spent on it. A pooler with too few connections keeps the second client waiting.
const PATIENCE: Duration = Duration::from_secs(2);
/// Other clients may hide it by chance.
const LOOKS: usize = 3;

/// Refuses a pooler that hands out connections by the transaction or the statement. What cannot be found out is no reason.
///
/// # Errors
/// There is one, and what to set.
pub(crate) async fn refuse(config: &Config, servers: &Servers) -> Result<(), StoreError> {
    let why = match timeout(PATIENCE, is_shared(config, servers)).await {
        Ok(Ok(true)) => {
            "a pooler in between hands out connections by the transaction, as PgBouncer does with pool_mode = transaction, and \
             statements would fail now and then: set database.transaction_pooling = true"
        }
        Ok(Err(error)) if words(&error).contains("statement pooling") => {
            "a pooler in between hands out connections by the statement, which does not work: have it do so by the transaction \
             (PgBouncer: pool_mode = transaction), and set database.transaction_pooling = true"
        }
        _ => return Ok(()),
    };
    Err(StoreError::Unavailable(why.to_owned()))
}

async fn is_shared(config: &Config, servers: &Servers) -> Result<bool, Error> {
    let ((one, _), (other, _)) = (servers.connect(config).await?, servers.connect(config).await?);
    for _ in 0..LOOKS {
        let before = process(&one).await?;
        other.batch_execute("BEGIN").await?;
        if process(&other).await? == before || process(&one).await? != before {
            return Ok(true);
        }
        other.batch_execute("ROLLBACK").await?;
    }
    Ok(false)
}

/// The number of the process that serves a client at this moment.
async fn process(client: &Client) -> Result<Option<String>, Error> {
    let messages = client.simple_query("SELECT pg_backend_pid()").await?;
    let number = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(number)
}
