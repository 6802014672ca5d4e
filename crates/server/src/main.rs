//! Countersign: the push-verification server people run themselves.

use std::process::ExitCode;

use clap::Parser as _;
use countersign_server::cli::Cli;
use countersign_server::commands;

/// For many small allocations from few threads. What it gains over the system's has not been measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before any TLS: should another library bring a second provider along, ours is chosen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    commands::run(Cli::parse())
}
