//! The results of checks, printed as they are found.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Common, Results};
use crate::config::{Config, Origins};

use super::load::load;

/// The results, printed line by line.
pub(super) struct Findings {
    wrong: usize,
    origins: Origins,
    json: bool,
}

impl Findings {
    pub(super) fn new(results: Results) -> Self {
        Self { wrong: 0, origins: Origins::default(), json: results.json }
    }

    /// How many are problems.
    pub(super) const fn wrong(&self) -> usize {
        self.wrong
    }

    /// Records a note: something that could be better, but is no problem.
    pub(super) fn hint(&self, what: &str, hint: &str) {
        self.print(("note", "note  "), what, hint);
    }

    /// Records a check that passed or failed.
    pub(super) fn record(&mut self, what: &str, found: anyhow::Result<String>) {
        match found {
            Ok(found) => self.print(("ok", "ok    "), what, &found),
            Err(error) => {
                self.wrong += 1;
                let error = format!("{:#}", self.origins.explain(error));
                self.print(("wrong", "WRONG "), what, &error);
            }
        }
    }

    fn print(&self, (result, label): (&str, &str), what: &str, detail: &str) {
        if self.json {
            println!("{}", json!({ "result": result, "what": what, "detail": detail }));
        } else {
            println!("{label} {what}: {detail}");
        }
    }

    /// Loads the configuration; `None` if it is invalid.
    pub(super) fn load(&mut self, common: &Common) -> Option<Config> {
        match load(common, &[]) {
            Err(error) => {
                self.record("configuration", Err(error));
                None
            }
            Ok(config) => {
                self.record("configuration", Ok("all settings are valid".to_owned()));
                self.origins = config.origins.clone();
                for warning in &config.warnings {
                    self.hint("configuration", warning);
                }
                Some(config)
            }
        }
    }

    /// Prints a last line for a person; the exit status is 1 if anything is wrong.
    pub(super) fn end(&self) -> ExitCode {
        match self.wrong {
            _ if self.json => {}
            0 => println!("All is well."),
            wrong => println!("{wrong} problem{} found.", if wrong == 1 { "" } else { "s" }),
        }
        if self.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
