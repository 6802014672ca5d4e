//! Loads the configuration for a command.

use std::collections::HashMap;

use anyhow::bail;

use crate::cli::Common;
use crate::config::{Config, Flag, Sources};

/// Loads the configuration from the file, the environment, the command's own flags and `--set`.
pub(super) fn load(common: &Common, flags: &[Flag]) -> anyhow::Result<Config> {
    let mut flags = flags.to_vec();
    if let Some(folder) = &common.data_dir {
        flags.push(("--data-dir", format!("data_dir={}", folder.display())));
    }
    let mut environment = HashMap::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => drop(environment.insert(name, value)),
            Err(_) if name.starts_with("COUNTERSIGN_") => bail!("{name} is not UTF-8"),
            Err(_) => {}
        }
    }
    let settings = common.settings.clone();
    let sources = Sources { file: common.config.clone(), environment, settings };
    Config::load_with(&sources, &flags)
}
