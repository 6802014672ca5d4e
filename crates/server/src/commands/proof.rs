//! `countersign proof`: shows the proof of an answer, and checks one without a server.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use countersign_domain::challenge::Verdict;
use countersign_domain::key::DeviceKey;
use countersign_domain::sid::ChallengeSid;
use countersign_domain::signed_answer::{MAX_SIGNED_ANSWER, ProofDocument, Proved};
use countersign_verify::VerifyError;
use serde_json::Value;

use super::{beside, lists};
use crate::cli::VerifyProof;
use crate::config::Config;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 * MAX_SIGNED_ANSWER as u64;

/// Prints the proof of the answer to a challenge, of whichever account it is.
pub(super) async fn show(config: &Config, sid: ChallengeSid) -> anyhow::Result<()> {
    let (verify, _) = beside::open(config).await?;
    for account in lists::accounts(&verify, None, None).await? {
        let challenge = match verify.challenge_of_account(account, sid).await {
            Ok((challenge, _)) => challenge,
            Err(VerifyError::NotFound) => continue,
            Err(error) => return Err(error.into()),
        };
        let proof = verify.proof_of(&challenge).await?;
        println!("{}", serde_json::to_string_pretty(&proof)?);
        return Ok(());
    }
    anyhow::bail!("there is no challenge {sid}")
}

/// Checks a proof, and prints what it proves.
pub(super) fn verify(flags: &VerifyProof) -> anyhow::Result<ExitCode> {
    let proof = ProofDocument::parse(&read(&flags.file)?)?;
    let proved = proof.check()?;
    if let Some(wanted) = &flags.key {
        let same = DeviceKey::parse(&proof.public_key).ok() == Some(*wanted);
        anyhow::ensure!(same, "the answer is signed, but by another key: {}", proof.public_key);
    }
    match flags.listing.json {
        true => println!("{}", Value::Object(proved.signed)),
        false => print!("{}", text(&proof, &proved, flags.key.is_some())),
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text).context("standard input")?;
    } else {
        let opened = std::fs::File::open(file);
        let opened = opened.with_context(|| format!("cannot read {}", file.display()))?;
        let read = opened.take(MAX_FILE).read_to_string(&mut text);
        read.with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(text)
}

fn text(proof: &ProofDocument, proved: &Proved, is_key_known: bool) -> String {
    let verb = match proved.verdict {
        Verdict::Approved => "approved",
        Verdict::Denied => "denied",
    };
    let signed = |name: &str| proved.signed.get(name).and_then(Value::as_str).unwrap_or_default();
    let details = proved.signed.get("details").and_then(Value::as_object);
    let message = details.and_then(|details| details.get("message")?.as_str());
    let mut lines = vec![
        format!(
            "The proof holds: device {} of {} has {verb} challenge {}.",
            proof.factor_sid, proof.identity, proof.challenge_sid
        ),
        format!("  message:   {}", message.unwrap_or_default().escape_debug()),
    ];
    let fields = details.and_then(|details| details.get("fields")?.as_array());
    for field in fields.into_iter().flatten() {
        let word = |name: &str| field.get(name).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!(
            "  field:     {}: {}",
            word("label").escape_debug(),
            word("value").escape_debug()
        ));
    }
    for name in ["reason", "presence_answer"] {
        let value = signed(name);
        if !value.is_empty() {
            lines.push(format!("  {:<10} {}", format!("{name}:"), value.escape_debug()));
        }
    }
    lines.extend([
        format!("  service:   {} of account {}", proof.service_sid, proof.account_sid),
        format!(
            "  asked at:  {}, open until {}",
            signed("date_created").escape_debug(),
            signed("expiration_date").escape_debug()
        ),
        format!("  answered:  {} (the server's word)", proof.date_responded.escape_debug()),
        format!("  key:       {}", proof.public_key),
    ]);
    if !is_key_known {
        lines.push("That this key is the person's is the server's word too: compare it with the one that was noted at the enrolment (--key).".to_owned());
    }
    lines.join("\n") + "\n"
}
