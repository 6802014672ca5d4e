//! Detects a pooler that the settings do not mention.
//!
//! PgBouncer with `pool_mode = transaction` assigns every transaction to an idle connection. Statements prepared and settings made on one
//! connection are then used on others, and statements fail now and then. PgBouncer cannot be asked, but it can be detected: two clients
//! that are connected at the same time have the same server process, or one client has two server processes in turn.

use std::time::Duration;

use countersign_store::error::StoreError;
use deadpool_postgres::Connect as _;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};

use crate::error::message_of;
use crate::servers::Servers;

/// The longest time for the detection. A pooler with too few connections keeps the second client waiting.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The number of tries, since other clients may hide the pooler by chance.
const TRIES: usize = 3;

/// Rejects a pooler that assigns connections by the transaction or the statement. A failure of the detection is no reason to reject.
///
/// # Errors
/// A pooler was detected; the message names the setting.
pub(crate) async fn refuse(config: &Config, servers: &Servers) -> Result<(), StoreError> {
    let why = match timeout(TIMEOUT, is_shared(config, servers)).await {
        Ok(Ok(true)) => {
            "a pooler in between hands out connections by the transaction, as PgBouncer does with pool_mode = transaction, and \
             statements would fail now and then: set database.transaction_pooling = true"
        }
        Ok(Err(error)) if message_of(&error).contains("statement pooling") => {
            "a pooler in between hands out connections by the statement, which does not work: have it do so by the transaction \
             (PgBouncer: pool_mode = transaction), and set database.transaction_pooling = true"
        }
        _ => return Ok(()),
    };
    Err(StoreError::Unavailable(why.to_owned()))
}

async fn is_shared(config: &Config, servers: &Servers) -> Result<bool, Error> {
    let ((one, _), (other, _)) = (servers.connect(config).await?, servers.connect(config).await?);
    for _ in 0..TRIES {
        let before = process(&one).await?;
        other.batch_execute("BEGIN").await?;
        if process(&other).await? == before || process(&one).await? != before {
            return Ok(true);
        }
        other.batch_execute("ROLLBACK").await?;
    }
    Ok(false)
}

/// The id of the server process that serves a client at this moment.
async fn process(client: &Client) -> Result<Option<String>, Error> {
    let messages = client.simple_query("SELECT pg_backend_pid()").await?;
    let number = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    Ok(number)
}
