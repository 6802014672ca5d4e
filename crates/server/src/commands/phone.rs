//! `countersign phone`: a virtual phone in the terminal. It knows no more of the server than a real phone does.

mod errors;
mod inbox;
mod keys;
mod listen;
pub(super) mod screen;
mod source;
mod verification;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use countersign_phone::{
    Approval, Authority, ChallengeStatus, DenialReason, Enrolment, Phone, Platform, Presence,
    Server, ServerOptions, Verdict,
};

use self::errors::explain;
use self::screen::{Card, Paint, plain, status_line};
use self::verification::verified;
use crate::{cli, secret_file};

/// Runs a command of the phone.
pub(super) async fn run(command: cli::Phone) -> anyhow::Result<ExitCode> {
    match command {
        cli::Phone::Enrol(flags) => enrol(flags).await?,
        cli::Phone::Listen(flags) => listen::run(load(&flags.key)?, &flags).await?,
        cli::Phone::Challenges(flags) => challenges(&load(&flags.key)?, flags.all).await?,
        cli::Phone::Approve(flags) => approve(&flags).await?,
        cli::Phone::Deny(flags) if flags.not_me => report(&flags.reply).await?,
        cli::Phone::Deny(flags) => deny(&flags.reply).await?,
        cli::Phone::Remove(key) => remove(&key).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn enrol(flags: cli::Enrol) -> anyhow::Result<()> {
    let path = flags.key.file.clone();
    ensure!(
        path.symlink_metadata().is_err(),
        "{} exists already: use another --file, or remove that phone first",
        path.display()
    );
    let server = Server::new(&flags.server, &options(&flags.key)?).map_err(explain)?;
    let enrolment = enrolment(flags)?;
    let phone = Phone::enrol(&server, &enrolment).await.map_err(explain)?;
    if let Err(error) = phone.save(&path) {
        // A factor whose key was not stored is useless.
        let left = phone.delete().await.err().map_or("", |_| "; its factor remains at the server");
        return Err(explain(error))
            .with_context(|| format!("cannot write {}{left}", path.display()));
    }
    println!("enrolled and verified: {}", phone.factor_sid());
    println!(
        "its key is in {}; next: countersign phone listen{}",
        path.display(),
        file_flag(&path)
    );
    Ok(())
}

fn enrolment(flags: cli::Enrol) -> anyhow::Result<Enrolment> {
    let authority = match (flags.access_token, flags.account, flags.auth_token) {
        (Some(token), ..) => Authority::AccessToken(given(token, "access token")?),
        (None, Some(sid), Some(token)) => {
            Authority::Account { sid, auth_token: given(token, "auth token")? }
        }
        _ => anyhow::bail!("give --access-token, or --account with --auth-token"),
    };
    Ok(Enrolment {
        friendly_name: flags.name,
        takes_numbers: true,
        platform: if flags.platform == "none" { Platform::None } else { Platform::Stream },
        ..Enrolment::new(flags.service, flags.identity, authority)
    })
}

/// The secret as it was given, or the first line of standard input for `-`.
fn given(secret: String, what: &str) -> anyhow::Result<String> {
    if secret != "-" {
        return Ok(secret);
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        eprint!("{what}: ");
    }
    let mut line = String::new();
    input.lock().read_line(&mut line).with_context(|| format!("cannot read the {what}"))?;
    let secret = line.trim();
    ensure!(!secret.is_empty(), "there is no {what} on standard input");
    Ok(secret.to_owned())
}

async fn challenges(phone: &Phone, all: bool) -> anyhow::Result<()> {
    let wanted = (!all).then_some(ChallengeStatus::Pending);
    let challenges = phone.challenges(wanted).await.map_err(explain)?;
    if challenges.is_empty() {
        println!("no {}challenges", if all { "" } else { "pending " });
    }
    let paint = Paint::of_stdout();
    for challenge in &challenges {
        let note = status_line(phone, challenge);
        println!("{}  {}", challenge.sid, paint.bold(plain(&challenge.message)));
        println!("{}", paint.dim(format_args!("  {note}, asked {}", challenge.created_at)));
    }
    Ok(())
}

async fn approve(flags: &cli::Approval) -> anyhow::Result<()> {
    let phone = load(&flags.reply.key)?;
    let paint = Paint::of_stdout();
    let challenge = phone.challenge(&flags.reply.challenge).await.map_err(explain)?;
    println!("{}", Card::new(&phone, &challenge, paint));
    let is_user_verified = verified(&challenge, flags.verification)?;
    let presence = challenge.presence.as_ref();
    let number = presence.map(|it| number(it, flags.answer.as_deref())).transpose()?;
    let approval = Approval { number: number.as_deref(), is_user_verified };
    let answered = phone.approve(&challenge.sid, approval).await.map_err(explain)?;
    println!("  {}", paint.verdict(answered.status));
    Ok(())
}

/// The number as it was given, or as the person types it.
fn number(presence: &Presence, given: Option<&str>) -> anyhow::Result<String> {
    let number = match given {
        Some(number) => number.to_owned(),
        None => {
            let input = std::io::stdin();
            ensure!(input.is_terminal(), "the challenge asks for a number: give --answer");
            eprint!("number that the page shows: ");
            let mut line = String::new();
            input.lock().read_line(&mut line).context("cannot read the number")?;
            line.trim().to_owned()
        }
    };
    ensure!(presence.accepts(&number), "{} is not a number that the page can show", plain(&number));
    Ok(number)
}

async fn deny(flags: &cli::Reply) -> anyhow::Result<()> {
    let phone = load(&flags.key)?;
    let paint = Paint::of_stdout();
    let challenge = phone.challenge(&flags.challenge).await.map_err(explain)?;
    println!("{}", Card::new(&phone, &challenge, paint));
    let denied = phone.answer(&challenge.sid, Verdict::Denied).await.map_err(explain)?;
    println!("  {}", paint.verdict(denied.status));
    Ok(())
}

async fn report(flags: &cli::Reply) -> anyhow::Result<()> {
    let phone = load(&flags.key)?;
    let paint = Paint::of_stdout();
    let denied = phone.deny(&flags.challenge, DenialReason::NotMe).await.map_err(explain)?;
    println!("{}", Card::new(&phone, &denied, paint));
    println!("  {}, reported", paint.verdict(denied.status));
    Ok(())
}

async fn remove(key: &cli::KeyFile) -> anyhow::Result<()> {
    let phone = load(key)?;
    phone.delete().await.map_err(explain)?;
    std::fs::remove_file(&key.file)
        .with_context(|| format!("the factor is deleted; cannot delete {}", key.file.display()))?;
    println!("{} is deleted at the server, and {} here", phone.factor_sid(), key.file.display());
    Ok(())
}

fn load(key: &cli::KeyFile) -> anyhow::Result<Phone> {
    let path = key.file.display();
    ensure!(key.file.exists(), "there is no {path}: countersign phone enrol creates one");
    secret_file::warn_if_open(&key.file);
    Phone::load(&key.file, &options(key)?)
        .map_err(explain)
        .with_context(|| format!("cannot use {path}"))
}

fn options(key: &cli::KeyFile) -> anyhow::Result<ServerOptions> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(ServerOptions {
        ca_pem: key.ca.as_ref().map(read).transpose()?,
        insecure_http: key.insecure_http,
        ..ServerOptions::default()
    })
}

fn file_flag(path: &Path) -> String {
    match path.to_str() {
        Some("phone.json") => String::new(),
        _ => format!(" --file {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn enrol_flags(words: &[&str]) -> cli::Enrol {
        let fixed = ["countersign", "phone", "enrol", "--server", "http://127.0.0.1:1"];
        let who = ["--service", "VA1", "--identity", "somebody"];
        let cli = Cli::try_parse_from(fixed.iter().chain(&who).chain(words)).unwrap();
        let Command::Phone(cli::Phone::Enrol(flags)) = cli.command else { panic!("not enrol") };
        flags
    }

    #[test]
    fn a_phone_enrols_with_an_access_token_or_as_the_account() {
        let with_token = enrolment(enrol_flags(&["--access-token", "t"])).unwrap();
        assert!(matches!(with_token.authority, Authority::AccessToken(token) if token == "t"));
        assert_eq!(with_token.platform, Platform::Stream);
        let words = ["--account", "AC1", "--auth-token", "hush", "--platform", "none"];
        let as_account = enrolment(enrol_flags(&words)).unwrap();
        assert!(matches!(as_account.authority, Authority::Account { sid, .. } if sid == "AC1"));
        assert_eq!(as_account.platform, Platform::None);
    }

    #[test]
    fn a_number_is_one_that_the_page_can_show() {
        assert_eq!(number(&Presence::Number, Some("64")).unwrap(), "64");
        assert!(number(&Presence::Number, Some("640")).is_err());
        let pick = Presence::Pick(["27", "64", "91"].map(str::to_owned).into());
        assert!(number(&pick, Some("65")).is_err() && number(&pick, Some("91")).is_ok());
    }

    #[tokio::test]
    async fn an_existing_file_is_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let error = enrol(enrol_flags(&["--access-token", "t", "--file", path])).await.unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(std::fs::read(path).unwrap(), b"");
    }
}
