//! `countersign doctor`: checks the configuration and everything that the server needs, and prints each problem on
//! one line. It calls the functions that `serve` starts with, so that both report the same, but creates and changes
//! nothing.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use countersign_bus::{HandOver, LocalBus};
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;

use super::load::load;
use super::serve::{reject_weak_token, requested_account};
use crate::cli::Common;
use crate::config::{Config, Origins};
use crate::database::{CheckResult, Database};
use crate::listener::Certificate;
use crate::master_key::ServerKey;
use crate::wiring::use_cases;
use crate::world::World;
use crate::{bus, folder, listener, master_key, push, secret_file, telemetry, urls};

/// The results, printed line by line.
#[derive(Default)]
struct Findings {
    wrong: usize,
    origins: Origins,
}

impl Findings {
    /// Prints a note: something that could be better, but is no problem.
    fn hint(what: &str, hint: &str) {
        println!("note   {what}: {hint}");
    }

    fn record(&mut self, what: &str, found: anyhow::Result<String>) {
        match found {
            Ok(found) => println!("ok     {what}: {found}"),
            Err(error) => {
                self.wrong += 1;
                println!("WRONG  {what}: {:#}", self.origins.explain(error));
            }
        }
    }
}

pub(super) async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match load(common, &[]) {
        Err(error) => findings.record("configuration", Err(error)),
        Ok(config) => {
            findings.record("configuration", Ok("all settings are valid".to_owned()));
            findings.origins = config.origins.clone();
            for warning in &config.warnings {
                Findings::hint("configuration", warning);
            }
            check_all(&config, &mut findings).await;
        }
    }
    match findings.wrong {
        0 => println!("All is well."),
        wrong => println!("{wrong} problem{} found.", if wrong == 1 { "" } else { "s" }),
    }
    Ok(if findings.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_all(config: &Config, findings: &mut Findings) {
    // A server that has locked the folder also uses the address, which is no problem.
    let is_serving = folder::is_held(&config.data_dir);
    let logs = telemetry::check(&config.log, &config.traces);
    findings.record("log and traces", logs.map(|()| "can be written".to_owned()));
    let account = requested_account(config, variable);
    findings.record("first account", account.map(|requested| first_account(requested.as_ref())));
    findings.record("data folder", data_folder_state(config, is_serving));
    database(config, is_serving, findings).await;
    if !config.bus.nats.is_empty() {
        let found = bus::probe(config, &World::real()).await;
        findings.record("bus.nats", found.map(Option::unwrap_or_default));
        let together = bus::suits_database(config);
        findings.record("bus and database", together.map(|()| "go together".to_owned()));
    }
    let outgoing = push::outgoing(config);
    findings.record("outgoing calls", outgoing.map(|_| "can be made".to_owned()));
    match push::web_push_fault(config) {
        // Reported with the outgoing calls already.
        Err(_) => {}
        Ok(Some(fault)) => Findings::hint("outgoing.vapid_subject", &fault),
        Ok(None) => findings.record("outgoing.vapid_subject", Ok("names a contact".to_owned())),
    }
    let url = urls::public_url(config, config.http.listen);
    findings.record("http.public_url", url.map(|url| format!("callers use {url}")));
    for (what, address) in
        [("http.listen", Some(config.http.listen)), ("admin.listen", config.admin.listen)]
    {
        if let Some(address) = address {
            findings.record(what, address_is_free(address, is_serving));
        }
    }
    if let Some((chain, key)) =
        config.http.tls_certificate.as_ref().zip(config.http.tls_key.as_ref())
    {
        secret_file::warn_if_open(key);
        let certificate = Certificate::new(chain.clone(), key.clone());
        let checked = certificate.check().await;
        findings.record("http.tls_certificate", checked.map(|()| "can be used".to_owned()));
    }
}

fn first_account(requested: Option<&(AccountSid, Secret)>) -> String {
    match requested {
        Some((sid, _)) => format!("{sid} is named in the environment"),
        None => "none is named in the environment".to_owned(),
    }
}

fn data_folder_state(config: &Config, is_serving: bool) -> anyhow::Result<String> {
    let folder = config.data_dir.display();
    if !config.data_dir.exists() {
        folder::check_parent(&config.data_dir)?;
        ensure!(
            config.database.url.is_some(),
            "there is no data folder {folder}, and only `countersign serve` creates one: {}",
            config.database_origin()
        );
        return Ok(format!("{folder} does not exist yet; `countersign serve` creates it"));
    }
    folder::check(&config.data_dir)?;
    let user = if is_serving { "a server is using it" } else { "no server is using it" };
    Ok(format!("{folder} ({user})"))
}

/// Checks the database, which must exist. Creates and migrates nothing, and writes only to an intact database.
async fn database(config: &Config, is_serving: bool, findings: &mut Findings) {
    const WHAT: &str = "database and master key";
    let (database, key) = match Box::pin(open(config)).await {
        Ok(opened) => opened,
        Err(error) => return findings.record(WHAT, Err(error)),
    };
    let wrong = findings.wrong;
    for (what, result) in database.check(config, is_serving).await {
        match result {
            CheckResult::Passed(words) => findings.record(what, Ok(words)),
            CheckResult::Warning(words) => Findings::hint(what, &words),
            CheckResult::Failed(words) => findings.record(what, Err(anyhow!(words))),
        }
    }
    let is_damaged = findings.wrong > wrong && config.database.url.is_none();
    if !is_damaged {
        findings.record(WHAT, Box::pin(try_database(config, &database, &key)).await);
    }
}

async fn open(config: &Config) -> anyhow::Result<(Database, ServerKey)> {
    let key = master_key::look(config, variable, false)?;
    let database = Database::open_existing(config).await?;
    let key = key.context("there is no master key")?;
    let is_used = database.is_used().await?;
    master_key::suits_database(config, &key, is_used, false)?;
    database.require_used(config).await?;
    Ok((database, key))
}

/// Writes to the database, and checks the key and the account in the environment.
async fn try_database(
    config: &Config,
    database: &Database,
    key: &ServerKey,
) -> anyhow::Result<String> {
    let machine = World::real();
    let world = database.set_clock(&machine).await?;
    let (handover, _) = HandOver::new(1);
    let bus = Arc::new(LocalBus::default());
    let verify = use_cases(config, &world, database.store(), &key.key, bus, handover).await?;
    reject_weak_token(&verify, requested_account(config, variable)?.as_ref()).await?;
    verify.try_to_write().await?;
    let what = database.describe(config, &machine).await?;
    Ok(format!("{what} can be written, and the key belongs to it"))
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
