//! The primary of the database dies, and its synchronous standby is promoted. The nodes know both from their URL, and find the
//! new primary by themselves.

use std::time::Instant;

use countersign_testkit::postgres::PostgresServer;

use crate::stage::Stage;
use crate::{first_after, ledger, until};

/// Durable, as in production.
const DURABLE: [&str; 2] = ["fsync=on", "full_page_writes=on"];
/// Challenges before and after.
const BESIDE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_has_everything_that_was_acknowledged() {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let primary = PostgresServer::start(folders[0].path(), &DURABLE);
    let standby = primary.synchronous_standby(folders[1].path());
    // The standby comes first, so that a node must tell it from the primary.
    let hosts = [&standby, &primary].map(|one| {
        let socket = one.folder().display().to_string().replace('/', "%2F");
        format!("{socket}:{}", one.port)
    });
    let hosts = hosts.join(",");
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let mut stage = Stage::set(&url, 3).await;
    let phones = stage.listening_phones(9).await;
    let load = stage.load(&phones);
    load.more(BESIDE).await;

    primary.crash();
    let killed = Instant::now();
    standby.promote();
    let promoted = killed.elapsed();
    until("every node writes again", async || {
        for node in 0..stage.nodes.len() {
            let (status, _) = stage.api.get(node, "/readyz").await?;
            (status == 200).then_some(())?;
        }
        Some(())
    })
    .await;
    load.more(BESIDE).await;
    let accepted = load.stop().await;
    let again = first_after(&accepted, killed).expect("something is written again");
    let told = ledger::settle(&accepted, &stage.api, &stage.seen).await;
    println!(
        "primary killed: the standby was promoted after {promoted:.1?}, writes succeed again after {again:.1?}; {told}"
    );
}
