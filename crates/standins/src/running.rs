//! All of them at once.

use std::time::Duration;

use crate::authority::Authority;
use crate::error::Error;
use crate::setting::Setting;
use crate::webhook::Webhook;
use crate::webpush::WebPush;
use crate::{apns, fcm};

/// How the stand-ins are to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every one is told. Its port is not used.
    pub setting: Setting,
    /// Their ports.
    pub ports: Ports,
    /// Names and addresses of this machine, beside loopback, under which they can be called.
    pub names: Vec<String>,
    /// The topics that Apple's key may push to. Empty: all.
    pub topics: Vec<String>,
    /// How far apart Apple wants provider tokens; zero lets everything pass.
    pub token_updates: Duration,
    /// The Firebase project.
    pub project_id: String,
    /// Whether webhooks are taken over TLS.
    pub webhook_tls: bool,
}

/// Where the stand-ins listen; 0 takes a free port.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Ports {
    pub apns: u16,
    pub fcm: u16,
    pub web_push: u16,
    pub webhook: u16,
}

impl Default for Options {
    fn default() -> Self {
        let apns::Options { setting, topics, token_updates } = apns::Options::default();
        let fcm::Options { project_id, .. } = fcm::Options::default();
        Self {
            setting,
            ports: Ports::default(),
            names: Vec::new(),
            topics,
            token_updates,
            project_id,
            webhook_tls: true,
        }
    }
}

/// The stand-ins at work, until this is dropped.
pub struct Running {
    /// Who signed their certificates.
    pub authority: Authority,
    /// Apple's push service.
    pub apns: apns::Apns,
    /// Google's push service.
    pub fcm: fcm::Fcm,
    /// A browser vendor's push service.
    pub web_push: WebPush,
    /// An application.
    pub webhook: Webhook,
}

/// Starts all of them.
///
/// # Errors
/// An address is taken, or a name cannot stand in a certificate.
pub async fn run(options: Options) -> Result<Running, Error> {
    let Options { setting, ports, names, topics, token_updates, project_id, webhook_tls } = options;
    let authority = Authority::new(&names)?;
    let at = |port| Setting { port, ..setting.clone() };

    let apns = apns::Options { setting: at(ports.apns), topics, token_updates };
    let fcm = fcm::Options { setting: at(ports.fcm), project_id, ..fcm::Options::default() };
    let apns = apns::Apns::start(&authority, apns).await?;
    let fcm = fcm::Fcm::start(&authority, fcm).await?;
    let web_push = WebPush::start(&authority, at(ports.web_push)).await?;
    let webhook = Webhook::start(webhook_tls.then_some(&authority), at(ports.webhook)).await?;
    Ok(Running { authority, apns, fcm, web_push, webhook })
}
