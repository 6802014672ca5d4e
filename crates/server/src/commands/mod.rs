//! The commands. Each prints for a person and ends with an exit status: 0 for success, 1 for failure, 2 for a usage
//! error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod accounts;
mod arrivals;
mod audit;
mod backup;
mod beside;
mod challenges;
mod check;
mod copies;
mod demo;
mod doctor;
mod enrol_link;
mod events;
mod factors;
mod findings;
mod generated;
mod integrations;
mod keys;
mod lists;
mod load;
mod migrate_data;
mod operators;
mod pauses;
mod phone;
mod proof;
mod push_test;
mod ready;
mod reload;
mod restore;
mod serve;
mod settings;
mod stand_ins;
mod status;

use std::process::ExitCode;

use anyhow::Context as _;

use self::load::load;
use crate::cli::{AuditCommand, Cli, Command, Common, ProofCommand};
use crate::config::Config;
use crate::telemetry;

/// Runs a command to its end.
pub fn run(cli: Cli) -> ExitCode {
    // Files of commands may hold secrets: no other user may read them.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !nobody_reads(panic.payload()) {
            report(panic);
        }
    }));
    match std::panic::catch_unwind(|| execute(cli)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            eprintln!("countersign: {error:#}");
            ExitCode::FAILURE
        }
        Err(panic) if nobody_reads(&*panic) => ExitCode::SUCCESS,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Whether a panic only reports that the reader of the output, such as `head`, has closed it: `println!` has no other
/// way to report that.
fn nobody_reads(panic: &(dyn std::any::Any + Send)) -> bool {
    panic.downcast_ref::<String>().is_some_and(|words| {
        words.starts_with("failed printing to stdout") && words.contains("Broken pipe")
    })
}

fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { common, command } = cli;
    if !matches!(command, Command::Serve(_) | Command::Demo(_)) {
        telemetry::show_warnings();
    }
    match command {
        Command::Serve(flags) => {
            let settings = serve::settings(&flags);
            let config = load(&common, &settings)?;
            let again = || load(&common, &settings);
            let origins = config.origins.clone();
            let ended = runtime()?.block_on(serve::run(config, &again, &flags));
            ended.map(|()| ExitCode::SUCCESS).map_err(|error| origins.explain(error))
        }
        Command::Demo(flags) => runtime()?.block_on(demo::run(common, flags)),
        Command::Phone(phone) => runtime()?.block_on(phone::run(phone)),
        Command::StandIns(flags) => {
            small_runtime()?.block_on(stand_ins::run(&flags)).map(|()| ExitCode::SUCCESS)
        }
        Command::Accounts(accounts) => beside(&common, async |config| {
            Box::pin(accounts::run(config, accounts)).await.map(done)
        }),
        Command::Integrations(command) => beside(&common, async |config| {
            Box::pin(integrations::run(config, command)).await.map(done)
        }),
        Command::Operators(operators) => beside(&common, async |config| {
            Box::pin(operators::run(config, operators)).await.map(done)
        }),
        Command::Webhooks(listing) => beside(&common, async |config| {
            Box::pin(accounts::webhooks(config, listing)).await.map(done)
        }),
        Command::Factors(flags) => {
            beside(&common, async |config| Box::pin(factors::run(config, flags)).await.map(done))
        }
        Command::Pauses(command) => {
            beside(&common, async |config| Box::pin(pauses::run(config, command)).await.map(done))
        }
        Command::Challenges(flags) => {
            beside(&common, async |config| Box::pin(challenges::run(config, flags)).await.map(done))
        }
        Command::Events(flags) => {
            beside(&common, async |config| Box::pin(events::run(config, flags)).await.map(done))
        }
        Command::Proof(ProofCommand::Show { challenge }) => {
            beside(&common, async |config| Box::pin(proof::show(config, challenge)).await.map(done))
        }
        Command::Proof(ProofCommand::Verify(flags)) => proof::verify(&flags),
        Command::Audit(AuditCommand::Check(command)) => audit::check(&command).map(done),
        Command::Audit(command) => {
            beside(&common, async |config| Box::pin(audit::run(config, command)).await.map(done))
        }
        Command::Keys(command) => {
            beside(&common, async |config| Box::pin(keys::run(config, command)).await.map(done))
        }
        Command::EnrolLink(flags) => {
            beside(&common, async |config| Box::pin(enrol_link::run(config, flags)).await.map(done))
        }
        Command::PushTest(flags) => {
            beside(&common, async |config| Box::pin(push_test::run(config, flags)).await)
        }
        Command::MigrateData(flags) => beside(&common, async |config| {
            Box::pin(migrate_data::run(config, &flags)).await.map(done)
        }),
        Command::Backup(flags) => {
            beside(&common, async |config| backup::run(config, &common, &flags))
        }
        Command::Restore(flags) => beside(&common, async |config| restore::run(config, &flags)),
        Command::Status(listing) => {
            small_runtime()?.block_on(status::run(&load(&common, &[])?, listing))
        }
        Command::Ready => small_runtime()?.block_on(ready::run(&load(&common, &[])?)),
        Command::Reload => {
            let config = load(&common, &[])?;
            reload::run(&config).map_err(|error| config.origins.explain(error))
        }
        Command::Config(command) => settings::run(&common, &command),
        Command::Completions { shell } => generated::completions(shell),
        Command::Man { folder } => generated::man(&folder),
        Command::Check(flags) => runtime()?.block_on(check::run(&common, &flags)),
        Command::Doctor(flags) => runtime()?.block_on(doctor::run(&common, &flags)),
        Command::Openapi => {
            let config = load(&common, &[])?;
            let url = config.http.public_url.map_or_else(
                || "http://127.0.0.1:8080".to_owned(),
                |url| url.as_str().trim_end_matches('/').to_owned(),
            );
            print!("{}", countersign_api::openapi::text(&url));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A runtime with one thread, for the stand-ins: the rest of the machine is left to the system under test.
fn small_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
}

/// Runs a command beside a server, with the server's configuration.
fn beside(
    common: &Common,
    run: impl AsyncFnOnce(&Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let config = load(common, &[])?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    runtime()?.block_on(run(&config)).map_err(|error| config.origins.explain(error))
}

const fn done(_: ()) -> ExitCode {
    ExitCode::SUCCESS
}
