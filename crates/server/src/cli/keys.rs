//! `countersign keys` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::listings::Listing;

/// `keys`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the sealing keys and how many stored secrets lie under each, and say whether a rotation has begun
    List(Listing),
    /// Begin to change the master key, and seal every stored secret anew; servers go on, and start with either key
    #[command(
        after_help = "Example:\n  (umask 077; openssl rand -hex 32 > new.key)\n  countersign keys rotate --new-key-file new.key\n\nThen give the new key to every server in place of the old one, and run countersign keys finish. Interrupted, the \
                      same command goes on. See docs/run/keys.md."
    )]
    Rotate {
        /// The file of the new master key, 64 hexadecimal digits; /dev/stdin for the output of another program
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
    /// Seal anew what an older sealing key has sealed
    Reseal,
    /// Finish the change, with the new master key: the old one opens nothing any more
    Finish(EndRotation),
    /// Give up the change, with the old master key: the new one opens nothing any more
    Abandon(EndRotation),
}

/// `keys finish` and `keys abandon`
#[derive(Debug, Args)]
pub struct EndRotation {
    /// Do not wait for a minute after the beginning, in which servers learn the new sealing key: no server is running
    #[arg(long)]
    pub at_once: bool,
}
