//! The master key from a program, such as the client of a secret manager.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use countersign_domain::secret::Secret;

/// The variable that names the program.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_MASTER_KEY_COMMAND";
/// How long the program may run.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The most bytes that are read of its output: a key has 64.
const MAX_OUTPUT: u64 = 1_024;

/// Runs a program without a shell and returns its output, without the final line break. The command is a JSON array of strings, or
/// words that are separated by spaces. The output reaches no log and no error; what the program writes to standard error does.
///
/// # Errors
/// The command is malformed, the program cannot be run, fails, takes longer than half a minute, or prints too much.
pub(crate) fn output(command: &str) -> anyhow::Result<Secret> {
    output_within(command, TIME_LIMIT)
}

fn output_within(command: &str, limit: Duration) -> anyhow::Result<Secret> {
    let words = words(command)?;
    let (program, arguments) = words.split_first().context("it names no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} cannot be run"))?;
    let printed = read(&mut child, limit);
    if printed.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().with_context(|| format!("{program} cannot be waited for"))?;
    let text = printed.with_context(|| program.clone())?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(Secret::new(text.expose().trim_end_matches(['\r', '\n'])))
}

/// Reads the output up to its end.
fn read(child: &mut Child, limit: Duration) -> anyhow::Result<Secret> {
    let stdout = child.stdout.take().context("it has no output")?;
    let (sender, receiver) = mpsc::channel();
    // A program may leave the output open to another one: then this thread ends with that.
    std::thread::spawn(move || {
        let text = std::io::read_to_string(stdout.take(MAX_OUTPUT + 1)).map(Secret::new);
        // Nobody waits after the time limit.
        let _ = sender.send(text);
    });
    let Ok(text) = receiver.recv_timeout(limit) else {
        bail!("it has not ended within {} s", limit.as_secs());
    };
    let text = text.context("its output is no text")?;
    ensure!(text.expose().len() as u64 <= MAX_OUTPUT, "it prints more than {MAX_OUTPUT} bytes");
    Ok(text)
}

fn words(command: &str) -> anyhow::Result<Vec<String>> {
    if command.trim_start().starts_with('[') {
        let words = serde_json::from_str(command);
        // The error of the parser may repeat a part of the command, which may hold a token.
        return words
            .ok()
            .context("expected a JSON array of strings, such as [\"vault\", \"read\"]");
    }
    Ok(command.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(command: &str) -> String {
        format!("{:#}", output(command).unwrap_err())
    }

    #[test]
    fn a_program_prints_the_key() {
        assert_eq!(output("echo abc").unwrap().expose(), "abc");
        let printed = output(r#"["printf", "%s and %s", "a b", "$HOME"]"#).unwrap();
        assert_eq!(printed.expose(), "a b and $HOME");
    }

    #[test]
    fn a_program_that_fails_or_prints_too_much_is_refused_without_its_output() {
        assert!(error("false").contains("false failed"));
        let failing = error(r#"["sh", "-c", "echo hush; exit 3"]"#);
        assert!(failing.contains('3') && !failing.contains("hush"), "{failing}");
        assert!(error("/no/such/program").contains("cannot be run"));
        assert!(error("").contains("names no program"));
        assert!(error("[\"hush\"").contains("JSON array") && !error("[\"hush\"").contains("hush"));
        let much = error("head -c 5000 /dev/zero");
        assert!(much.contains("more than 1024 bytes"), "{much}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let late = output_within("sleep 600", Duration::from_millis(10)).unwrap_err();
        assert!(format!("{late:#}").contains("has not ended within"), "{late:#}");
    }
}
