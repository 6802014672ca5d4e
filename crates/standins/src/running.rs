//! Runs all stand-ins.

use std::time::Duration;

use crate::authority::Authority;
use crate::common_options::CommonOptions;
use crate::error::Error;
use crate::webhook::Webhook;
use crate::webpush::WebPush;
use crate::{apns, fcm};

/// The options of all stand-ins.
#[derive(Debug, Clone)]
pub struct Options {
    /// The common options; the port is not used.
    pub common: CommonOptions,
    /// Their ports.
    pub ports: Ports,
    /// Names and addresses for the certificates, besides those of loopback.
    pub names: Vec<String>,
    /// The topics that Apple's key may push to; empty: all.
    pub topics: Vec<String>,
    /// The shortest time between two provider tokens of one key; zero: no limit.
    pub token_updates: Duration,
    /// The Firebase project.
    pub project_id: String,
    /// Whether the webhook uses TLS.
    pub webhook_tls: bool,
}

/// The ports of the stand-ins; 0 chooses a free one.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "each field is the port of the stand-in of that name")]
pub struct Ports {
    pub apns: u16,
    pub fcm: u16,
    pub web_push: u16,
    pub webhook: u16,
}

impl Default for Options {
    fn default() -> Self {
        let apns::Options { common, topics, token_updates } = apns::Options::default();
        let fcm::Options { project_id, .. } = fcm::Options::default();
        Self {
            common,
            ports: Ports::default(),
            names: Vec::new(),
            topics,
            token_updates,
            project_id,
            webhook_tls: true,
        }
    }
}

/// The running stand-ins. Dropping this stops them.
pub struct Running {
    /// The authority that signed their certificates.
    pub authority: Authority,
    /// Apple's push service.
    pub apns: apns::Apns,
    /// Google's push service.
    pub fcm: fcm::Fcm,
    /// A browser vendor's push service.
    pub web_push: WebPush,
    /// An application's webhook.
    pub webhook: Webhook,
}

/// Starts all stand-ins.
///
/// # Errors
/// A port is taken, or a name is not valid in a certificate.
pub async fn run(options: Options) -> Result<Running, Error> {
    let Options { common, ports, names, topics, token_updates, project_id, webhook_tls } = options;
    let authority = Authority::new(&names)?;
    let at = |port| CommonOptions { port, ..common.clone() };

    let apns = apns::Options { common: at(ports.apns), topics, token_updates };
    let fcm = fcm::Options { common: at(ports.fcm), project_id, ..fcm::Options::default() };
    let apns = apns::Apns::start(&authority, apns).await?;
    let fcm = fcm::Fcm::start(&authority, fcm).await?;
    let web_push = WebPush::start(&authority, at(ports.web_push)).await?;
    let webhook = Webhook::start(webhook_tls.then_some(&authority), at(ports.webhook)).await?;
    Ok(Running { authority, apns, fcm, web_push, webhook })
}
