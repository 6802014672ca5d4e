//! The tests of the configuration.

mod messages;
mod reference;
mod rules;

use super::{Config, Sources};

/// Loads a configuration from the text of a file, variables of the environment, and values of `--set`.
fn load(file: &str, variables: &[(&str, &str)], settings: &[&str]) -> anyhow::Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countersign.toml");
    std::fs::write(&path, file).unwrap();
    Config::load(&Sources {
        file: Some(path),
        environment: variables.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        settings: settings.iter().map(|setting| (*setting).into()).collect(),
    })
}
