//! Countersign: the push-verification server people run themselves.

use std::process::ExitCode;

use clap::Parser as _;
use countersign_server::cli::Cli;
use countersign_server::commands;

/// Measured on the first benchmark: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
