//! Shell completions and man pages, generated from the definitions of the command line.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;

pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "countersign", &mut script);
    print!("{}", String::from_utf8(script).context("the script is not UTF-8")?);
    Ok(ExitCode::SUCCESS)
}

/// Writes a page for every command, which everybody may read.
pub(super) fn man(folder: &Path) -> anyhow::Result<ExitCode> {
    let shown = folder.display();
    let is_new = !folder.exists();
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {shown}"))?;
    let write = || -> std::io::Result<usize> {
        if is_new {
            std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
        clap_mangen::generate_to(Cli::command(), folder)?;
        let mut pages = 0;
        for entry in std::fs::read_dir(folder)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            if name.starts_with("countersign") && name.ends_with(".1") {
                std::fs::set_permissions(path, Permissions::from_mode(0o644))?;
                pages += 1;
            }
        }
        Ok(pages)
    };
    let pages = write().with_context(|| format!("cannot write the pages to {shown}"))?;
    eprintln!("{pages} pages are in {shown}: man -l {shown}/countersign.1");
    Ok(ExitCode::SUCCESS)
}
