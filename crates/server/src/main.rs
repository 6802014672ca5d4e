//! Countersign: a self-hosted push-verification server.

use std::process::ExitCode;

use clap::Parser as _;
use countersign_server::cli::Cli;
use countersign_server::commands;

/// Chosen for many small allocations from few threads; its advantage over the system's allocator is not measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Installed before any TLS: a library may bring another provider along.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    commands::run(Cli::parse())
}
