pub(super) async fn run(_: crate::cli::Phone) -> anyhow::Result<std::process::ExitCode> { anyhow::bail!("soon") }
