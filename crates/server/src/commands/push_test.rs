//! `countersign push-test`: sends one push and explains the response.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use countersign_domain::sid::CredentialSid;
use countersign_domain::text::{AppId, Message};
use countersign_providers::test_push::{TestPush, send_test_push};

use super::beside;
use crate::cli::PushTest;
use crate::config::Config;
use crate::push::{self, PushContext};

/// The exit status of a test that says nothing about the credential.
const UNKNOWN: u8 = 3;

pub(super) async fn run(config: &Config, flags: PushTest) -> anyhow::Result<ExitCode> {
    let shown = &flags.credential;
    let sid: CredentialSid =
        shown.parse().with_context(|| format!("{shown} is not the SID of a credential (CR…)"))?;
    let app_id = AppId::parse(&flags.app_id).map_err(|why| anyhow!("--app-id {why}"))?;
    let message = Message::parse(&flags.message).map_err(|why| anyhow!("--message {why}"))?;
    let (verify, world) = beside::open(config).await?;
    let found = verify.opened_credential(sid).await?;
    let found = found.with_context(|| format!("there is no {sid}"))?;
    let test = TestPush {
        account: found.0.account,
        credential: push::opened(&found.0, &found.1),
        token: flags.token,
        app_id,
        message,
        is_dry_run: !flags.send,
    };
    let PushContext { outgoing, guard, apple, .. } = PushContext::new(config, &Arc::new(verify))?;
    let entropy = &*world.entropy;
    let finding = send_test_push(test, outgoing, &guard, apple, world.clock, entropy).await;
    let finding = finding.map_err(|why| anyhow!("this cannot be tested: {why}"))?;

    let attempt = &finding.attempt;
    let status = attempt.provider_status.map_or("none".to_owned(), |status| status.to_string());
    println!("answer   {status} {}", attempt.provider_reason.as_deref().unwrap_or_default());
    if let Some(code) = attempt.code {
        println!("code     {}", code.0);
    }
    println!("meaning  {}", finding.explanation);
    println!("so       {}", finding.conclusion.as_str());
    Ok(match finding.conclusion.works() {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => ExitCode::from(UNKNOWN),
    })
}
