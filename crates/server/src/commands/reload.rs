//! `countersign reload`: has the server that uses the data folder read its settings again.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow, ensure};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::config::Config;
use crate::folder;

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let shown = config.data_dir.display();
    ensure!(
        folder::is_held(&config.data_dir),
        "no server uses the data folder {shown} ({}), so none can be told to reload",
        config.origins.of("data_dir")
    );
    let server = folder::server(&config.data_dir).with_context(|| {
        format!(
            "{shown} is in use, but not by a server that this command sees: a server in a container is told by a command in \
             that container, and one of an older release by its process id: kill -HUP PID"
        )
    })?;
    let process = i32::try_from(server).ok().and_then(Pid::from_raw);
    let process = process.context("the process id is out of range")?;
    kill_process(process, Signal::HUP).map_err(|error| match error {
        Errno::PERM => {
            anyhow!("process {server} belongs to another user: run this command as that user")
        }
        error => anyhow!(error).context(format!("cannot signal process {server}")),
    })?;
    eprintln!(
        "The server, process {server}, reads its settings, certificates and secret files again. Its log says what it applied, and \
         what needs a restart."
    );
    Ok(ExitCode::SUCCESS)
}
