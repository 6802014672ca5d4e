//! The commands. Each prints for a person and ends with a sensible code: 0 went well, 1 did not, 2 was not understood.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod accounts;
mod demo;
mod doctor;
mod enrol_link;
mod migrate_data;
mod phone;
mod push_test;
mod serve;
mod stand_ins;

use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Cli, Command, Common};
use crate::config::{Config, Sources};

/// Runs a command to its end.
pub fn run(cli: Cli) -> ExitCode {
    // Every file that a command makes holds secrets or what leads to them.
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

/// Whether a panic only says that the reader of our output, such as `head`, has seen enough: `println!` knows no other
/// way to say so.
fn nobody_reads(panic: &(dyn std::any::Any + Send)) -> bool {
    panic.downcast_ref::<String>().is_some_and(|words| {
        words.starts_with("failed printing to stdout") && words.contains("Broken pipe")
    })
}

fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { common, command } = cli;
    match command {
        Command::Serve(flags) => {
            let config = load(&common, &serve::settings(&flags))?;
            runtime()?.block_on(serve::run(config, flags.new_database)).map(|()| ExitCode::SUCCESS)
        }
        Command::Demo(flags) => runtime()?.block_on(demo::run(common, flags)),
        Command::Phone(phone) => runtime()?.block_on(phone::run(phone)),
        Command::StandIns(flags) => {
            small_runtime()?.block_on(stand_ins::run(&flags)).map(|()| ExitCode::SUCCESS)
        }
        Command::Accounts(accounts) => {
            let config = load(&common, &[])?;
            runtime()?.block_on(accounts::run(&config, accounts)).map(|()| ExitCode::SUCCESS)
        }
        Command::Webhooks => {
            let config = load(&common, &[])?;
            runtime()?.block_on(accounts::webhooks(&config)).map(|()| ExitCode::SUCCESS)
        }
        Command::EnrolLink(flags) => {
            let config = load(&common, &[])?;
            runtime()?.block_on(enrol_link::run(&config, flags)).map(|()| ExitCode::SUCCESS)
        }
        Command::PushTest(flags) => {
            let config = load(&common, &[])?;
            runtime()?.block_on(push_test::run(&config, flags))
        }
        Command::MigrateData(flags) => {
            let config = load(&common, &[])?;
            runtime()?.block_on(migrate_data::run(&config, &flags)).map(|()| ExitCode::SUCCESS)
        }
        Command::Doctor => runtime()?.block_on(doctor::run(&common)),
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

/// For what serves nobody but tests: one thread does, and leaves the rest of the machine to what is tested.
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

/// The configuration: file, environment, the command's own flags, `--set`.
fn load(common: &Common, flags: &[String]) -> anyhow::Result<Config> {
    let mut settings = flags.to_vec();
    if let Some(folder) = &common.data_dir {
        settings.push(format!("data_dir={}", folder.display()));
    }
    settings.extend(common.settings.iter().cloned());
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Config::load(&Sources { file: common.config.clone(), environment, settings })
}
