//! `countersign audit`: reads the transparency log, proves entries, and checks proofs and copies without a server.

mod copy;
mod files;

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use countersign_domain::fact::commitment;
use countersign_store::seam::StoredEntry;
use countersign_tlog::ProofFile;
use countersign_verify::{Verify, VerifyError};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use self::files::{NO_LOG, read, witnessed};
use super::{beside, lists};
use crate::cli::{AuditCommand, Checks, ListEntries, VerifyEntry};
use crate::config::Config;

pub(super) async fn run(config: &Config, command: AuditCommand) -> anyhow::Result<()> {
    if let AuditCommand::Check(command) = &command {
        return check(command);
    }
    let (verify, _) = Box::pin(beside::open(config)).await?;
    let key = verify.log_key().await?.context(NO_LOG)?;
    match command {
        AuditCommand::Key => println!("{}", key.public()),
        AuditCommand::List(flags) => list(&verify, &flags).await?,
        AuditCommand::Export { folder } => copy::export(&verify, key.public(), &folder).await?,
        AuditCommand::Prove { index, out } => prove(&verify, index, out.as_deref()).await?,
        AuditCommand::Check(_) => {}
    }
    Ok(())
}

/// Checks files, without a configuration.
pub(super) fn check(command: &Checks) -> anyhow::Result<()> {
    match command {
        Checks::Entry(flags) => verify(flags),
        Checks::Copy(flags) => copy::check(flags),
    }
}

async fn list(verify: &Verify, flags: &ListEntries) -> anyhow::Result<()> {
    let most = usize::from(flags.most);
    let found = match flags.about {
        Some(subject) => verify.log_entries_about(subject, most).await?,
        None => verify.log_entries(flags.from, most).await?,
    };
    for entry in found.iter().filter(|entry| entry.number >= flags.from) {
        lists::print(flags.listing, || line(entry), || members(entry));
    }
    Ok(())
}

fn line(entry: &StoredEntry) -> String {
    let members: Value = serde_json::from_str(&entry.entry).unwrap_or_default();
    let word = |name: &str| members[name].as_str().unwrap_or("-").to_owned();
    let opening = entry.opening.as_ref().map_or("erased", |(_, opening)| opening);
    let (at, kind, subject) = (word("at"), word("kind"), word("subject"));
    format!("{:>8}  {at}  {kind:<24}  {subject}  {opening}", entry.number)
}

fn members(entry: &StoredEntry) -> Value {
    json!({
        "index": entry.number,
        "entry": serde_json::from_str::<Value>(&entry.entry).unwrap_or_default(),
        "opening": entry.opening.as_ref().map(opening),
    })
}

/// The opening of an entry, with its salt.
fn opening((salt, opening): &(Vec<u8>, String)) -> Value {
    json!({ "salt": HEXLOWER.encode(salt), "opening": opening })
}

async fn prove(verify: &Verify, index: u64, out: Option<&Path>) -> anyhow::Result<()> {
    let (entry, proof) = proven(verify, index).await?;
    let Some(out) = out else {
        print!("{proof}");
        return Ok(());
    };
    let write = |ending: &str, text: String| {
        let mut path = out.as_os_str().to_owned();
        path.push(ending);
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write {}", Path::new(&path).display()))
    };
    write(".tlog-proof", proof.to_string())?;
    if let Some(found) = &entry.opening {
        write(".opening.json", opening(found).to_string())?;
    }
    write(".json", entry.entry)
}

async fn proven(verify: &Verify, index: u64) -> anyhow::Result<(StoredEntry, ProofFile)> {
    let found = async { Ok((verify.log_entry(index).await?, verify.log_proof(index).await?)) };
    match found.await {
        Err(VerifyError::NotFound) => {
            bail!("the log has no entry {index}, its text was pruned, or no checkpoint has it yet")
        }
        found => Ok(found?),
    }
}

fn verify(flags: &VerifyEntry) -> anyhow::Result<()> {
    let proof = ProofFile::parse(&read(&flags.proof)?)
        .with_context(|| format!("{} is no proof", flags.proof.display()))?;
    let entry = read(&flags.entry)?;
    let checkpoint = proof.verify(entry.as_bytes(), &flags.key)?;
    witnessed(&proof.checkpoint, &flags.witness)?;
    if let Some(file) = &flags.opening {
        check_opening(&entry, &read(file)?)?;
    }
    println!(
        "The proof holds: this is entry {} of {}, whose checkpoint has {} entries.\n{entry}",
        proof.index, checkpoint.origin, checkpoint.size
    );
    Ok(())
}

/// Checks that an entry commits to an opening.
fn check_opening(entry: &str, opening: &str) -> anyhow::Result<()> {
    let [entry, opening] = [entry, opening].map(serde_json::from_str::<Value>);
    let (entry, opening) = (entry?, opening?);
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let salt = HEXLOWER.decode(word(&opening, "salt").as_bytes()).context("the salt")?;
    let text = word(&opening, "opening");
    ensure!(
        commitment(&salt, &text) == word(&entry, "commitment"),
        "the entry does not commit to this opening"
    );
    println!("The entry commits to: {text}");
    Ok(())
}
