//! `countersign config` on the command line.

use clap::Subcommand;

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a settings file with every setting: its meaning, values, default and variable
    #[command(
        after_help = "Example:\n  countersign config example > /etc/countersign/countersign.toml"
    )]
    Example,
    /// Print the value of every setting and where it comes from; passwords are left out
    #[command(
        after_help = "The lines are TOML, and can be used as a settings file. Give it the --config, the variables and the --set \
                      of the server."
    )]
    Show {
        /// Print each setting as a line of JSON: key, value, origin (default, file, variable, flag), file, line, name
        #[arg(long)]
        json: bool,
    },
}
