//! `countersign serve`: runs a server.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use countersign_api::Render;
use countersign_domain::account::{MIN_TOKEN, weakness};
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_verify::Verify;
use countersign_verify::accounts::FirstAccount;

use crate::cli::Serve;
use crate::config::{Config, Flag};
use crate::database::Database;
use crate::master_key;
use crate::reload::ActiveSettings;
use crate::signals::{SignalAction, Signals};
use crate::version::VERSION;
use crate::wiring::Server;
use crate::world::World;
use crate::{bus, descriptors, folder, push, secret_file, telemetry, test_mode, urls};

/// The flags as settings.
pub(super) fn settings(flags: &Serve) -> Vec<Flag> {
    let mut settings = Vec::new();
    let mut set = |flag, key: &str, value: &str| settings.push((flag, format!("{key}={value}")));
    if let Some(listen) = &flags.listen {
        set("--listen", "http.listen", listen);
    }
    if let Some(url) = &flags.public_url {
        set("--public-url", "http.public_url", url);
    }
    if flags.insecure_http {
        set("--insecure-http", "http.insecure_http", "true");
    }
    if !flags.allow_outgoing.is_empty() {
        set("--allow-outgoing", "outgoing.allow", &flags.allow_outgoing.join(","));
    }
    settings
}

/// Runs the server until it is told to stop. `again` reads the configuration once more, for SIGHUP.
pub(super) async fn run(
    config: Config,
    again: &impl Fn() -> anyhow::Result<Config>,
    flags: &Serve,
) -> anyhow::Result<()> {
    // Handlers come first, so that no signal is lost, or ends the process, during the start.
    let mut signals = Signals::new()?;
    let variable = |name: &str| std::env::var(name).ok();
    let telemetry = telemetry::start_logs(&config.log, &config.traces)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    descriptors::raise_limit();
    let requested = requested_account(&config, variable)?;
    config.http.tls_key.iter().for_each(|key| secret_file::warn_if_open(key));
    let metrics = telemetry::start_metrics()?;
    let metrics: Render = Arc::new(metrics);

    bus::suits_database(&config)?;
    if flags.test_mode {
        test_mode::check_settings(&config)?;
    }
    folder::make(&config.data_dir)?;
    let lock = folder::lock(&config.data_dir)?;
    lock.name_server()?;
    let world = World::real();
    let key = master_key::for_server(&config, variable, flags.new_database, &*world.entropy)?;
    let database = match flags.test_mode {
        true => Database::open_for_tests(&config).await?,
        false => Database::open_for_people(&config).await?,
    };
    master_key::suits_database(&config, &key, database.is_used().await?, flags.new_database)?;
    let (world, store) = (database.world(&world, flags.test_mode).await?, database.store());
    let prepare = async |verify: &Verify| {
        if let Some(path) = key.keep()? {
            tracing::warn!(path = %path.display(), "a master key was created: keep a copy of it apart from the database, which is useless without it");
        }
        first_account(&config, verify, requested).await
    };
    let starting = Server::start(&config, &world, store, &key.key, metrics, prepare);
    let server = Box::pin(starting).await?;
    tracing::info!(version = VERSION, address = %server.address, public_url = %server.public_url, data = %config.data_dir.display(), "countersign is ready");
    if world.test_mode.is_some() {
        test_mode::announce(&server.public_url);
    }
    tell_pages(&config, &server);
    if let Some(address) = server.admin_address {
        tracing::info!(%address, "the operator's listener serves health, readiness and metrics");
    }
    if let Some(address) = server.radius_address {
        tracing::info!(%address, "the RADIUS listener is open");
    }
    if let Some(fault) = push::web_push_fault(&config)? {
        tracing::warn!("{fault}");
    }

    let mut active = ActiveSettings::new(config);
    while signals.next().await == SignalAction::Reload {
        active.reload(&server, &telemetry, again).await;
    }
    tracing::info!("countersign is stopping: finishing the requests in flight");
    let stopped = server.stop();
    tokio::select! {
        () = stopped => tracing::info!("countersign has stopped"),
        () = signals.interrupted() => bail!("stopped at once by a second interrupt"),
    }
    Ok(())
}

/// Logs where a browser finds the pages.
fn tell_pages(config: &Config, server: &Server) {
    let page = |base: &str, name: &str| format!("{}/{name}", base.trim_end_matches('/'));
    let base = server.public_url.as_str();
    let (reference, authenticator) = (page(base, "reference"), page(base, "authenticator"));
    tracing::info!(reference, authenticator, "the API reference and the authenticator are pages");
    if config.console.enabled {
        let base = urls::console_url(config, &server.public_url, server.admin_address);
        tracing::info!(console = page(&base, "console"), "the console is for operators");
    }
}

/// The first account that the environment names. With SQLite and no database a weak token is rejected; with a
/// database that depends on whether it holds an account.
///
/// # Errors
/// Only one of SID and token is set, the token is too short, or it is weak and the database is new.
pub(super) fn requested_account(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<(AccountSid, Secret)>> {
    let requested = account_in_environment(variable)?;
    let is_new = config.database.url.is_none() && !config.database_file().exists();
    match weakness_of(requested.as_ref()) {
        Some(why) if is_new => Err(weak_token_error(why)),
        _ => Ok(requested),
    }
}

/// Rejects a weak token if an account would be created with it.
///
/// # Errors
/// The token is weak, or the database cannot be read.
pub(super) async fn reject_weak_token(
    verify: &Verify,
    requested: Option<&(AccountSid, Secret)>,
) -> anyhow::Result<()> {
    let Some(why) = weakness_of(requested) else { return Ok(()) };
    let error = weak_token_error(why);
    if !verify.has_accounts().await? {
        return Err(error);
    }
    // An account that exists is a reason to warn, but not to stop its server.
    tracing::warn!("{error}");
    Ok(())
}

fn account_in_environment(
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<(AccountSid, Secret)>> {
    let sid = variable("COUNTERSIGN_ACCOUNT_SID");
    let token = match (variable("COUNTERSIGN_AUTH_TOKEN"), variable("COUNTERSIGN_AUTH_TOKEN_FILE"))
    {
        (Some(_), Some(_)) => {
            bail!("COUNTERSIGN_AUTH_TOKEN and COUNTERSIGN_AUTH_TOKEN_FILE are both set: set one")
        }
        (Some(token), None) => Some(token),
        (None, Some(path)) => Some(
            secret_file::read_given(path.as_ref())
                .context("COUNTERSIGN_AUTH_TOKEN_FILE is invalid")?,
        ),
        (None, None) => None,
    };
    match (sid, token) {
        (None, None) => Ok(None),
        (Some(_), None) => bail!(
            "COUNTERSIGN_ACCOUNT_SID is set, and neither COUNTERSIGN_AUTH_TOKEN nor COUNTERSIGN_AUTH_TOKEN_FILE is"
        ),
        (None, Some(_)) => bail!("an auth token is set, and COUNTERSIGN_ACCOUNT_SID is not"),
        (Some(sid), Some(token)) => {
            let sid: AccountSid = sid.parse().context(
                "COUNTERSIGN_ACCOUNT_SID is invalid: expected AC and 32 hexadecimal digits",
            )?;
            if token.chars().count() < MIN_TOKEN {
                return Err(weak_token_error("has under 32 characters"));
            }
            Ok(Some((sid, Secret::new(token))))
        }
    }
}

fn weakness_of(requested: Option<&(AccountSid, Secret)>) -> Option<&'static str> {
    requested.and_then(|(_, token)| weakness(token.expose()))
}

fn weak_token_error(why: &str) -> anyhow::Error {
    anyhow!(
        "the auth token in the environment {why}, so it could be guessed: openssl rand -hex 32 creates a strong one"
    )
}

/// Creates the first account if there is none, and shows a new token once: on a terminal, or in a file that only its
/// owner may read.
async fn first_account(
    config: &Config,
    verify: &Verify,
    requested: Option<(AccountSid, Secret)>,
) -> anyhow::Result<()> {
    if requested.is_none() && !std::io::stdout().is_terminal() {
        return first_account_in_a_file(config, verify).await;
    }
    let was_wanted = requested.is_some();
    reject_weak_token(verify, requested.as_ref()).await?;
    match verify.first_account(requested).await? {
        FirstAccount::Exists { as_wanted: true } => {}
        FirstAccount::Exists { as_wanted: false } => {
            tracing::warn!(
                "the account in the environment is ignored: accounts exist already, and none of them has this SID and token"
            );
        }
        FirstAccount::Created { account, .. } if was_wanted => {
            tracing::info!(%account, "the first account was created as the environment names it");
        }
        FirstAccount::Created { account, token } => {
            println!(
                "\n  account SID   {account}\n  auth token    {}\n\nIt is shown only once.\n",
                token.expose()
            );
        }
    }
    Ok(())
}

/// The token is written to the file before the account is committed, so that no crash and no full disk loses it.
async fn first_account_in_a_file(config: &Config, verify: &Verify) -> anyhow::Result<()> {
    if verify.has_accounts().await? {
        return Ok(());
    }
    let (account, token) = verify.draw_account();
    let mut path = config.data_dir.join("first-account");
    if path.exists() {
        tracing::warn!(path = %path.display(), "this file belongs to another account, which is not in the database; it is kept");
        path.set_file_name(format!("first-account-{account}"));
    }
    let text = format!("account_sid={account}\nauth_token={}\n", token.expose());
    secret_file::write_new(&path, &text)?;
    match verify.first_account(Some((account, token))).await? {
        FirstAccount::Created { .. } => {
            println!("the first account's SID and auth token are in {}", path.display());
        }
        // Another server of the same database was faster.
        FirstAccount::Exists { .. } => std::fs::remove_file(&path)
            .with_context(|| format!("cannot remove {}", path.display()))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(variables: &[(&str, &str)]) -> anyhow::Result<Option<(AccountSid, Secret)>> {
        account_in_environment(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_account_is_named_completely_or_not_at_all() {
        let sid = ("COUNTERSIGN_ACCOUNT_SID", "AC00000000000000000000000000000001");
        let token = ("COUNTERSIGN_AUTH_TOKEN", "0123456789abcdef0123456789abcdef");
        assert!(requested(&[]).unwrap().is_none());
        assert_eq!(requested(&[sid, token]).unwrap().unwrap().0.to_string(), sid.1);
        for half in [
            &[sid][..],
            &[token],
            &[sid, (token.0, "short")],
            &[("COUNTERSIGN_ACCOUNT_SID", "AC1"), token],
        ] {
            assert!(requested(half).is_err(), "{half:?}");
        }
    }
}
