//! Tests a credential for the console without showing anything on a device.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_console::CredentialTester;
use countersign_domain::credential::Credential;
use countersign_domain::text::{AppId, Message};
use countersign_providers::test_push::{TestPush, send_test_push};
use countersign_providers::{Guard, Outgoing, ProviderTokens};
use countersign_verify::Verify;

use super::secrets::opened;
use crate::world::World;

/// Tests credentials as `countersign push-test` does without `--send`.
pub(crate) struct CredentialTrial {
    pub(super) verify: Arc<Verify>,
    pub(super) outgoing: Outgoing,
    /// The guard of real pushes.
    pub(super) guard: Guard,
    /// The provider tokens of real pushes.
    pub(super) apple: Arc<ProviderTokens>,
    pub(super) world: World,
}

/// A registration token that Google cannot know: its response shows whether it accepts the credential.
const NOBODY: &str = "countersign-tries-a-credential-for-nobody";

#[async_trait]
impl CredentialTester for CredentialTrial {
    async fn try_credential(
        &self,
        credential: &Credential,
        app_id: &str,
    ) -> Result<countersign_console::TestResult, String> {
        let found = self.verify.opened_credential(credential.sid).await;
        let found = found.map_err(|_| "The credential cannot be read.".to_owned())?;
        let found = found.ok_or("The credential was removed meanwhile.")?;
        let app_id = if app_id.is_empty() { "com.example.app" } else { app_id };
        let test = TestPush {
            account: credential.account,
            credential: opened(&found.0, &found.1),
            token: Some(NOBODY.to_owned()),
            app_id: AppId::parse(app_id).map_err(|why| format!("The app id {why}."))?,
            message: Message::parse("A test").map_err(|why| why.to_string())?,
            is_dry_run: true,
        };
        let (outgoing, clock) = (self.outgoing.clone(), Arc::clone(&self.world.clock));
        let apple = Arc::clone(&self.apple);
        let (guard, entropy) = (&self.guard, &*self.world.entropy);
        let finding = send_test_push(test, outgoing, guard, apple, clock, entropy).await;
        let finding = finding.map_err(|why| format!("It cannot be tried: {why}."))?;
        let attempt = finding.attempt;
        Ok(countersign_console::TestResult {
            works: finding.conclusion.works(),
            conclusion: finding.conclusion.as_str().into(),
            status: attempt.provider_status,
            reason: attempt.provider_reason,
            explanation: finding.explanation,
        })
    }
}
