//! Calls a webhook for the console with an event of its own.

use std::time::Duration;

use async_trait::async_trait;
use countersign_console::{WebhookTestResult, WebhookTester};
use countersign_domain::event::{CallId, test_form};
use countersign_domain::node::NodeId;
use countersign_domain::webhook::Webhook;
use countersign_domain::webhook_call::{CallLease, CallOutcome};
use countersign_domain::world::random;
use countersign_providers::webhook::{WebhookCaller as _, WebhookClient};

use crate::world::World;

/// How long a test may take, which is more than the client's own bound.
const LONGEST: Duration = Duration::from_secs(10);

/// Makes one call as the engine does, and stores nothing.
pub(crate) struct WebhookTrial {
    pub(super) client: WebhookClient,
    pub(super) world: World,
    pub(super) node: NodeId,
}

#[async_trait]
impl WebhookTester for WebhookTrial {
    async fn try_webhook(&self, webhook: &Webhook) -> WebhookTestResult {
        let id = CallId::of_test(random::<16>(&*self.world.entropy));
        let until = self.world.clock.now() + LONGEST;
        let lease = CallLease {
            id,
            webhook: webhook.clone(),
            parameters: test_form(id, webhook),
            attempts: 0,
            deadline: until,
            node: self.node,
            until,
        };
        let began = self.world.clock.monotonic();
        let outcome = self.client.call(&lease).await;
        let took = self.world.clock.monotonic().since(began);
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match outcome {
            CallOutcome::Taken(status) => WebhookTestResult {
                taken: true,
                said: format!("The application took the test event with status {status}."),
                headers: Vec::new(),
                body: String::new(),
                millis,
            },
            CallOutcome::Refused(response) => WebhookTestResult {
                taken: false,
                said: format!(
                    "The application responded with status {}, and only 2xx takes an event.",
                    response.status
                ),
                headers: response.headers,
                body: response.body,
                millis,
            },
            CallOutcome::Unanswered(why) => WebhookTestResult {
                taken: false,
                said: format!("There was no response: {why}."),
                headers: Vec::new(),
                body: String::new(),
                millis,
            },
        }
    }
}
