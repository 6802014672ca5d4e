//! `countersign demo`: the whole story on this machine, with everything real but the person. A server with a fresh
//! database, an application that speaks its REST API, a phone that speaks the devices' protocol.

mod application;
mod browser;
mod handset;
mod interactive;
mod notifying;
mod reply;
mod scene;
mod stage;
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

use self::stage::Stage;
use crate::cli::{Common, Demo};
use crate::config::{Config, Sources};
use crate::database::Database;
use crate::wiring::Server;
use crate::world::World;
use crate::{descriptors, telemetry};

/// Tells the story; then, unless `--once`, keeps serving until interrupted.
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
        let stage = Stage::set(server.address, account, ready_in).await?;
        story::tell(&stage).await.map(|()| (stage, sid))
    });
    let (stage, account) = tokio::select! {
        told = telling => told?,
        () = interrupts.next() => bail!("interrupted before the end of the story"),
    };
    if flags.once {
        return Ok(());
    }
    let console = server.console.one_time_link(account);
    tokio::select! {
        ended = Box::pin(interactive::keep_serving(&stage, &console, flags.open)) => ended,
        () = interrupts.next() => {
            println!("\nStopping. Nothing is kept.");
            Ok(())
        }
    }
}

/// The defaults, a free port, silence, and whatever `--set` says. Files and variables are left aside: they are for real
/// servers.
fn config(common: Common, flags: &Demo, folder: &Path) -> anyhow::Result<Config> {
    ensure!(
        common.data_dir.is_none(),
        "the demo keeps nothing: it makes a folder of its own and removes it, so --data-dir is of no use"
    );
    let listen = flags.listen.as_deref().unwrap_or("127.0.0.1:0");
    let flags =
        [("--listen", format!("http.listen={listen}")), ("demo", "log.filter=off".to_owned())];
    let sources = Sources { settings: common.settings, ..Sources::default() };
    let config = Config::load_with(&sources, &flags)?;
    ensure!(config.http.tls_certificate.is_none(), "the demo speaks plain http on this machine");
    Ok(Config { data_dir: folder.to_owned(), ..config })
}

async fn start(config: &Config) -> anyhow::Result<(Server, (AccountSid, Secret))> {
    let world = World::real();
    let store = Database::open(config).await?.store();
    let key = MasterKey::new(random(&*world.entropy));
    let server =
        Server::start(config, &world, store, &key, Arc::new(String::new), async |_| Ok(())).await?;
    match server.verify.first_account(None).await? {
        FirstAccount::Created { account, token } => Ok((server, (account, token))),
        FirstAccount::Exists { .. } => bail!("a fresh database has an account already"),
    }
}

/// What ends the demo from outside.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal was closed.
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
