//! `countersign config`: the settings, as an example and as they are.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::load::load;
use crate::cli::{Common, ConfigCommand};
use crate::config::{Config, Origin, example};

pub(super) fn run(common: &Common, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Example => print!("{}", example()),
        ConfigCommand::Show { json } => show(&load(common, &[])?, *json),
    }
    Ok(ExitCode::SUCCESS)
}

fn show(config: &Config, json: bool) {
    for (key, value) in config.shown_values() {
        if json {
            println!("{}", line(&key, value, config.origins.find(&key)));
            continue;
        }
        let origin = config.origins.of(&key);
        if value.is_null() {
            println!("# {key} is not set");
        } else {
            println!("{key} = {value}  # from {origin}");
        }
    }
}

fn line(key: &str, value: Value, origin: Option<&Origin>) -> Value {
    let mut line = Map::from_iter([("key".to_owned(), key.into()), ("value".to_owned(), value)]);
    let more = match origin {
        None => json!({ "origin": "default" }),
        Some(Origin::File(path, number)) => {
            json!({ "origin": "file", "file": path.display().to_string(), "line": number })
        }
        Some(Origin::Variable(name)) => json!({ "origin": "variable", "name": name }),
        Some(Origin::Flag(name)) => json!({ "origin": "flag", "name": name }),
    };
    if let Value::Object(more) = more {
        line.extend(more);
    }
    Value::Object(line)
}
