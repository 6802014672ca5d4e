//! `countersign check`: checks the settings, the data folder, the database, its schema and the master key, or a backup.
//! It only reads. `doctor` begins with it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use countersign_bus::{HandOver, LocalBus};
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_verify::Verify;
use countersign_verify::rotation::{self, RotationState};

use super::copies::{self, KeyMatch};
use super::findings::Findings;
use super::serve::{reject_weak_token, requested_account};
use crate::cli::{Check, Common};
use crate::config::Config;
use crate::database::{CheckResult, Database};
use crate::master_key::{self, ServerKey};
use crate::wiring::{unlock, use_cases};
use crate::world::World;
use crate::{folder, telemetry};

pub(super) async fn run(common: &Common, flags: &Check) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::new(flags.results);
    if let Some(config) = findings.load(common) {
        match &flags.backup {
            Some(file) => backup(&config, file, &mut findings),
            None => {
                installation(&config, &mut findings).await;
            }
        }
    }
    Ok(findings.end())
}

/// Checks a file that may become the database.
fn backup(config: &Config, file: &Path, findings: &mut Findings) {
    let report = match copies::inspect(file) {
        Ok(report) => report,
        Err(error) => return findings.record("backup", Err(error)),
    };
    findings.record("backup", Ok(format!("{} is intact", file.display())));
    findings.record("schema", Ok(copies::schema(&report)));
    match copies::match_key(config, &report) {
        Ok(KeyMatch::Absent(place)) => {
            let hint = format!(
                "there is none in {place} to compare with: keep the one of the backup's server"
            );
            findings.hint("master key", &hint);
        }
        Ok(KeyMatch::Right) => findings.record("master key", Ok("belongs to it".to_owned())),
        Err(error) => findings.record("master key", Err(error)),
    }
}

/// Checks everything but what is outside of this machine, and writes nothing. Returns the use cases over an intact database.
pub(super) async fn installation(config: &Config, findings: &mut Findings) -> Option<Verify> {
    let is_serving = folder::is_held(&config.data_dir);
    let logs = telemetry::check(&config.log, &config.traces);
    findings.record("log and traces", logs.map(|()| "can be written".to_owned()));
    let account = requested_account(config, variable);
    findings.record("first account", account.map(|requested| first_account(requested.as_ref())));
    findings.record("data folder", data_folder_state(config, is_serving));
    database(config, is_serving, findings).await
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

/// Checks the database, which must exist. Creates, migrates and writes nothing.
async fn database(config: &Config, is_serving: bool, findings: &mut Findings) -> Option<Verify> {
    const WHAT: &str = "database and master key";
    let (database, key) = match Box::pin(open(config)).await {
        Ok(opened) => opened,
        Err(error) => {
            findings.record(WHAT, Err(error));
            return None;
        }
    };
    findings.record("schema", Ok("this version can serve it".to_owned()));
    let wrong = findings.wrong();
    for (what, result) in database.check(config, is_serving).await {
        match result {
            CheckResult::Passed(words) => findings.record(what, Ok(words)),
            CheckResult::Warning(words) => findings.hint(what, &words),
            CheckResult::Failed(words) => findings.record(what, Err(anyhow!(words))),
        }
    }
    if findings.wrong() > wrong && config.database.url.is_none() {
        return None;
    }
    match Box::pin(use_key(config, &database, &key)).await {
        Ok((verify, words)) => {
            findings.record(WHAT, Ok(words));
            Some(verify)
        }
        Err(error) => {
            findings.record(WHAT, Err(error));
            None
        }
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

/// Checks the key and the account in the environment.
async fn use_key(
    config: &Config,
    database: &Database,
    key: &ServerKey,
) -> anyhow::Result<(Verify, String)> {
    let machine = World::real();
    let world = database.set_clock(&machine).await?;
    let (handover, _) = HandOver::new(1);
    let bus = Arc::new(LocalBus::default());
    let verify = use_cases(config, &world, database.store(), &key.key, bus, handover).await?;
    reject_weak_token(&verify, requested_account(config, variable)?.as_ref()).await?;
    let what = database.describe(config, &machine).await?;
    let keys = unlock(&*database.store(), &key.key, &world).await?;
    let sealed = match rotation::state(&*database.resealing(), &keys).await? {
        RotationState::Idle => String::new(),
        RotationState::WithOldKey => {
            "; a rotation has begun, and this is the old key: countersign keys list".to_owned()
        }
        RotationState::WithNewKey => {
            "; a rotation has begun, and this is the new key: countersign keys finish".to_owned()
        }
    };
    let newest = keys.newest();
    Ok((
        verify,
        format!("the key belongs to {what}; secrets are sealed under key {newest}{sealed}"),
    ))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
