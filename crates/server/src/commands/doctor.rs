//! `countersign doctor`: loads the configuration, tries everything that the server would need, and says in one line
//! each what is wrong.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use countersign_bus::{HandOver, LocalBus};

use crate::cli::Common;
use crate::config::Config;
use crate::database::Database;
use crate::listener::Certificate;
use crate::wiring::{World, use_cases};
use crate::{bus, folder, listener, master_key, push};

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    /// Something that works less well than it could, and is no fault.
    fn hint(what: &str, hint: &str) {
        println!("note   {what}: {hint}");
    }

    fn note(&mut self, what: &str, found: anyhow::Result<String>) {
        match found {
            Ok(found) => println!("ok     {what}: {found}"),
            Err(error) => {
                self.wrong += 1;
                println!("WRONG  {what}: {error:#}");
            }
        }
    }
}

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let config = super::load(common, &[]);
    match config {
        Err(error) => findings.note("configuration", Err(error)),
        Ok(config) => {
            findings.note("configuration", Ok("every key is known".to_owned()));
            // A server that holds the folder also holds the address, and is no fault.
            let is_serving = folder::is_held(&config.data_dir);
            findings.note("data folder", state_of(&config, is_serving));
            findings.note("database and master key", Box::pin(database(&config)).await);
            if !config.bus.nats.is_empty() {
                let found = bus::probe(&config, &World::real()).await;
                findings.note("bus.nats", found.map(Option::unwrap_or_default));
                let together = bus::suits_database(&config);
                findings.note("bus and database", together.map(|()| "go together".to_owned()));
            }
            match push::web_push_fault(&config) {
                Err(error) => findings.note("outgoing.vapid_subject", Err(error)),
                Ok(Some(fault)) => Findings::hint("outgoing.vapid_subject", &fault),
                Ok(None) => {
                    findings.note("outgoing.vapid_subject", Ok("names a contact".to_owned()));
                }
            }
            for (what, address) in
                [("http.listen", Some(config.http.listen)), ("admin.listen", config.admin.listen)]
            {
                if let Some(address) = address {
                    findings.note(what, address_is_free(address, is_serving));
                }
            }
            if let Some((chain, key)) =
                config.http.tls_certificate.as_ref().zip(config.http.tls_key.as_ref())
            {
                let certificate = Certificate::new(chain.clone(), key.clone());
                let checked = certificate.check().await;
                findings.note("http.tls_certificate", checked.map(|()| "can be used".to_owned()));
            }
        }
    }
    match findings.wrong {
        0 => println!("All is well."),
        wrong => println!("{wrong} problem{} found.", if wrong == 1 { "" } else { "s" }),
    }
    Ok(if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn state_of(config: &Config, is_serving: bool) -> anyhow::Result<String> {
    let folder = config.data_dir.display();
    if !config.data_dir.exists() {
        ensure!(
            config.database.url.is_some(),
            "there is no data folder {folder}, and only `countersign serve` makes one: {}",
            config.whence()
        );
        return Ok(format!("{folder} is not there yet; `countersign serve` makes it"));
    }
    folder::check(&config.data_dir)?;
    let user = if is_serving { "a server is using it" } else { "no server is using it" };
    Ok(format!("{folder} ({user})"))
}

/// Opens the database, which must be there, writes to it, and checks the key. Makes and migrates nothing.
async fn database(config: &Config) -> anyhow::Result<String> {
    let world = World::real();
    let database = Database::open_beside(config).await?;
    let key = master_key::find(config, |name| std::env::var(name).ok())?;
    let (handover, _) = HandOver::new(1);
    let bus = Arc::new(LocalBus::default());
    let verify = use_cases(config, &world, database.store(), &key, bus, handover).await?;
    verify.try_to_write().await?;
    let what = database.describe(config, &world).await?;
    Ok(format!("{what} can be written, and the key is the right one"))
}

fn address_is_free(address: SocketAddr, is_serving: bool) -> anyhow::Result<String> {
    match listener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(_) if is_serving => Ok(format!("{address} is in use, and a server is running")),
        Err(error) => Err(error),
    }
}
