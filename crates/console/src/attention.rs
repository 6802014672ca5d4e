//! A condition that needs attention, as a row with a link to the page where it can be fixed.

use countersign_domain::attention::{Attention, Matter};

use crate::rates;
use crate::views::{Timestamp, isolated};

/// A row.
pub(crate) struct Item {
    /// Its id on the page.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) cause: String,
    pub(crate) since: Option<Timestamp>,
    /// The URL and the name of the page that fixes it, or that has details.
    pub(crate) link: Option<(String, &'static str)>,
}

impl Item {
    pub(crate) fn of(attention: Attention, base: &str) -> Self {
        let Attention { matter, since } = attention;
        let (subject, link) = match &matter {
            Matter::CredentialRefused { credential, .. }
            | Matter::PushServiceFails { credential, .. } => {
                let page = format!("{base}/credentials#credential-{credential}");
                (credential.to_string(), Some((page, "Credentials")))
            }
            Matter::BrowserServiceFails { service, .. } => {
                let page = format!("{base}/services/{service}");
                (service.to_string(), Some((page, "The service")))
            }
            Matter::WebhookCalls { service, webhook, .. } => {
                let page = format!("{base}/webhooks/{service}/{webhook}");
                (webhook.to_string(), Some((page, "The webhook and its calls")))
            }
            Matter::PushesFail(rates) => {
                let code = rates.code.map(|code| format!("&code={}", code.0)).unwrap_or_default();
                let platform = rates::filter(rates.platform);
                let page = format!("{base}/timeline?from={}{platform}{code}", rates.since);
                (rates.platform.as_str().to_owned(), Some((page, "The timeline of these pushes")))
            }
            Matter::DiskNearlyFull(_)
            | Matter::DatabaseSlow(_)
            | Matter::DatabaseAway(_)
            | Matter::NodesApart
            | Matter::ClockOff(_) => (String::new(), None),
        };
        Self {
            id: format!("attention-{}-{subject}", matter.as_str()),
            title: isolated(&matter.title()),
            cause: isolated(&matter.cause()),
            since: since.map(Timestamp),
            link,
        }
    }
}
