//! `countersign demo`: a demonstration on this machine with everything real but the person: a server with a new
//! database, an application that uses its REST API, and a phone that speaks the devices' protocol.

mod application;
mod browser;
mod chapter;
mod connected_phone;
mod interactive;
mod notifying;
mod participants;
mod response;
mod story;
mod timeline;
mod timeout;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_domain::world::random;
use countersign_verify::MasterKey;
use countersign_verify::accounts::FirstAccount;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::participants::Participants;
use crate::cli::{Common, Demo};
use crate::config::{Config, Sources};
use crate::database::Database;
use crate::wiring::Server;
use crate::world::World;
use crate::{descriptors, telemetry, test_mode};

/// Runs the demonstration; then, unless `--once` is set, serves until interrupted.
pub(super) async fn run(common: Common, flags: Demo) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let folder = tempfile::Builder::new().prefix("countersign-demo-").tempdir()?;
    let config = config(common, &flags, folder.path())?;
    let _logs = telemetry::start_logs(&config.log, &config.traces)?;
    descriptors::raise_limit();
    let began = Instant::now();
    let (server, account) = start(&config).await?;
    let ready_in = began.elapsed();

    let ended = show(&server, account, ready_in, &mut interrupts, &flags).await;
    server.stop().await;
    let removed = folder.close().context("cannot remove the temporary folder");
    ended.and(removed).map(|()| ExitCode::SUCCESS)
}

async fn show(
    server: &Server,
    account: (AccountSid, Secret),
    ready_in: Duration,
    interrupts: &mut Interrupts,
    flags: &Demo,
) -> anyhow::Result<()> {
    let telling = Box::pin(async {
        let sid = account.0;
        let participants = Participants::set(server.address, account, ready_in).await?;
        story::run(&participants).await.map(|()| (participants, sid))
    });
    let (participants, account) = tokio::select! {
        told = telling => told?,
        () = interrupts.next() => bail!("interrupted before the end of the demonstration"),
    };
    if flags.once {
        return Ok(());
    }
    let console = server.console.one_time_link(account);
    tokio::select! {
        ended = Box::pin(interactive::keep_serving(&participants, server, &console, flags.open)) => ended,
        () = interrupts.next() => {
            println!("\nStopping. Nothing is kept.");
            Ok(())
        }
    }
}

/// The defaults, a free port, no log, and the values of `--set`. Files and variables are ignored, since they are for
/// real servers.
fn config(common: Common, flags: &Demo, folder: &Path) -> anyhow::Result<Config> {
    ensure!(
        common.data_dir.is_none(),
        "the demo keeps nothing: it creates a folder and removes it, so --data-dir has no effect"
    );
    let listen = flags.listen.as_deref().unwrap_or("127.0.0.1:0");
    // A person who tries the demo may deny any number of challenges.
    let flags = [
        ("--listen", format!("http.listen={listen}")),
        ("demo", "log.filter=off".to_owned()),
        ("demo", "limits.push_challenges_in_a_row=0".to_owned()),
    ];
    let sources = Sources { settings: common.settings, ..Sources::default() };
    let config = Config::load_with(&sources, &flags)?;
    ensure!(config.http.tls_certificate.is_none(), "the demo speaks plain http on this machine");
    Ok(Config { data_dir: folder.to_owned(), ..config })
}

async fn start(config: &Config) -> anyhow::Result<(Server, (AccountSid, Secret))> {
    let world = World::real();
    let is_test = test_mode::check_settings(config).is_ok();
    let database = match is_test {
        true => Database::open_for_tests(config).await?,
        false => Database::open_for_people(config).await?,
    };
    let (world, store) = (database.world(&world, is_test).await?, database.store());
    let key = MasterKey::new(random(&*world.entropy));
    let server =
        Box::pin(Server::start(config, &world, store, &key, Arc::new(String::new), async |_| {
            Ok(())
        }))
        .await?;
    match server.verify.first_account(None).await? {
        FirstAccount::Created { account, token } => Ok((server, (account, token))),
        FirstAccount::Exists { .. } => bail!("a fresh database has an account already"),
    }
}

/// The signals that end the demo.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// Sent when the terminal is closed.
    hangup: Signal,
}

impl Interrupts {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
