//! `countersign doctor`: loads the configuration, tries everything that the server would need, and says in one line
//! each what is wrong. It calls the functions that `serve` starts with, so that both find the same and say the same, but
//! makes and changes nothing.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use countersign_bus::{HandOver, LocalBus};
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;

use super::load::load;
use super::serve::{refuse_weak, wished_account};
use crate::cli::Common;
use crate::config::{Config, Places};
use crate::database::{Condition, Database};
use crate::listener::Certificate;
use crate::master_key::ServerKey;
use crate::wiring::use_cases;
use crate::world::World;
use crate::{bus, folder, listener, master_key, push, secret_file, telemetry, urls};

/// What was found, line by line.
#[derive(Default)]
struct Findings {
    wrong: usize,
    places: Places,
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
                println!("WRONG  {what}: {:#}", self.places.explain(error));
            }
        }
    }
}

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match load(common, &[]) {
        Err(error) => findings.note("configuration", Err(error)),
        Ok(config) => {
            findings.note("configuration", Ok("every key is known".to_owned()));
            findings.places = config.places.clone();
            for warning in &config.warnings {
                Findings::hint("configuration", warning);
            }
            look(&config, &mut findings).await;
        }
    }
    match findings.wrong {
        0 => println!("All is well."),
        wrong => println!("{wrong} problem{} found.", if wrong == 1 { "" } else { "s" }),
    }
    Ok(if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(config: &Config, findings: &mut Findings) {
    // A server that holds the folder also holds the address, and is no fault.
    let is_serving = folder::is_held(&config.data_dir);
    let logs = telemetry::check(&config.log, &config.traces);
    findings.note("log and traces", logs.map(|()| "can be written".to_owned()));
    let account = wished_account(config, variable);
    findings.note("first account", account.map(|wished| first_account(wished.as_ref())));
    findings.note("data folder", state_of(config, is_serving));
    database(config, is_serving, findings).await;
    if !config.bus.nats.is_empty() {
        let found = bus::probe(config, &World::real()).await;
        findings.note("bus.nats", found.map(Option::unwrap_or_default));
        let together = bus::suits_database(config);
        findings.note("bus and database", together.map(|()| "go together".to_owned()));
    }
    let outgoing = push::outgoing(config);
    findings.note("outgoing calls", outgoing.map(|_| "can be made".to_owned()));
    match push::web_push_fault(config) {
        // Said of outgoing calls already.
        Err(_) => {}
        Ok(Some(fault)) => Findings::hint("outgoing.vapid_subject", &fault),
        Ok(None) => findings.note("outgoing.vapid_subject", Ok("names a contact".to_owned())),
    }
    let url = urls::public_url(config, config.http.listen);
    findings.note("http.public_url", url.map(|url| format!("callers use {url}")));
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
        secret_file::warn_if_open(key);
        let certificate = Certificate::new(chain.clone(), key.clone());
        let checked = certificate.check().await;
        findings.note("http.tls_certificate", checked.map(|()| "can be used".to_owned()));
    }
}

fn first_account(wished: Option<&(AccountSid, Secret)>) -> String {
    match wished {
        Some((sid, _)) => format!("{sid} is named in the environment"),
        None => "none is named in the environment".to_owned(),
    }
}

fn state_of(config: &Config, is_serving: bool) -> anyhow::Result<String> {
    let folder = config.data_dir.display();
    if !config.data_dir.exists() {
        folder::check_parent(&config.data_dir)?;
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

/// The database, which must be there, and what must suit it. Makes and migrates nothing, and writes only to one that is whole.
async fn database(config: &Config, is_serving: bool, findings: &mut Findings) {
    const WHAT: &str = "database and master key";
    let (database, key) = match Box::pin(open(config)).await {
        Ok(opened) => opened,
        Err(error) => return findings.note(WHAT, Err(error)),
    };
    let wrong = findings.wrong;
    for (what, condition) in database.condition(config, is_serving).await {
        match condition {
            Condition::Right(words) => findings.note(what, Ok(words)),
            Condition::Doubtful(words) => Findings::hint(what, &words),
            Condition::Wrong(words) => findings.note(what, Err(anyhow!(words))),
        }
    }
    let is_damaged = findings.wrong > wrong && config.database.url.is_none();
    if !is_damaged {
        findings.note(WHAT, Box::pin(use_it(config, &database, &key)).await);
    }
}

async fn open(config: &Config) -> anyhow::Result<(Database, ServerKey)> {
    let key = master_key::look(config, variable, false)?;
    let database = Database::open_there(config).await?;
    let key = key.context("there is no master key")?;
    let is_used = database.is_used().await?;
    master_key::suits_database(config, &key, is_used, false)?;
    database.must_be_used(config).await?;
    Ok((database, key))
}

/// Writes to the database, and checks the key and the account in the environment.
async fn use_it(config: &Config, database: &Database, key: &ServerKey) -> anyhow::Result<String> {
    let machine = World::real();
    let world = database.set_clock(&machine).await?;
    let (handover, _) = HandOver::new(1);
    let bus = Arc::new(LocalBus::default());
    let verify = use_cases(config, &world, database.store(), &key.key, bus, handover).await?;
    refuse_weak(&verify, wished_account(config, variable)?.as_ref()).await?;
    verify.try_to_write().await?;
    let what = database.describe(config, &machine).await?;
    Ok(format!("{what} can be written, and the key is the right one"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn address_is_free(address: SocketAddr, is_serving: bool) -> anyhow::Result<String> {
    match listener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(_) if is_serving => Ok(format!("{address} is in use, and a server is running")),
        Err(error) => Err(error),
    }
}
