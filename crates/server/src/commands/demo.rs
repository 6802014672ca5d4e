pub(super) async fn run(
    _: crate::cli::Common,
    _: crate::cli::Demo,
) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!("soon")
}
