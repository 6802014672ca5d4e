//! Google's push service, by FCM's HTTP v1 interface (wire reference §5.3).

mod auth;
mod payload;
mod reply;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::Attempt;
use countersign_domain::prospect::Push;
use countersign_domain::world::Clock;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use crate::check;
use crate::codes;
use crate::connections::{Connections, Held};
use crate::exchange::{exchange, told};
use crate::fcm::auth::AccessTokens;
use crate::fcm::payload::Recent;
use crate::fcm::reply::Remedy;
use crate::guard::Guard;
use crate::keyed::{Vendor, refused};
use crate::outgoing::{Outgoing, Speaks};
use crate::source::OpenedCredential;

/// So many challenges are remembered as pushed before.
const RECENT: usize = 8_192;

/// Google.
pub(crate) struct Fcm {
    outgoing: Outgoing,
    guard: Guard,
    clock: Arc<dyn Clock>,
    recent: Recent,
    dry: bool,
}

/// What is made of one credential.
pub(crate) struct Client {
    tokens: AccessTokens,
    connections: Connections,
}

impl Fcm {
    pub(crate) fn new(outgoing: Outgoing, guard: Guard, clock: Arc<dyn Clock>) -> Self {
        Self { outgoing, guard, clock, recent: Recent::new(RECENT), dry: false }
    }

    /// One whose pushes Google only looks at.
    pub(crate) fn dry(self) -> Self {
        Self { dry: true, ..self }
    }

    fn request(
        &self,
        client: &Client,
        push: &Push,
        (held, access): (&Held<'_>, &str),
        again: bool,
    ) -> Result<RequestBuilder, Attempt> {
        const TOKEN: &str = "the registration token cannot be sent";
        let token = push.target.address.token().ok_or_else(|| refused(codes::FCM_TOKEN, TOKEN))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {access}"))
            .map_err(|_| refused(codes::FCM_UNAUTHORIZED, "the access token cannot be sent"))?;
        bearer.set_sensitive(true);
        let path = ["v1", "projects", client.tokens.project(), "messages:send"];
        let body = payload::payload(push, token.expose(), again, self.clock.now(), self.dry);
        let request = held.client.post(client.connections.url(&path));
        Ok(request
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(body))
    }
}

#[async_trait]
impl Vendor for Fcm {
    const KIND: CredentialType = CredentialType::Fcm;
    const UNUSABLE: ErrorCode = codes::FCM_SECRET;
    type Client = Client;

    fn client(&self, credential: &OpenedCredential) -> Result<Client, Invalid> {
        let account = check::fcm(credential).map_err(|bad| bad.why)?;
        // Google's token endpoint is called as Google's FCM is; every other one is a stranger's address.
        let google = (account.token_uri.as_str() == check::GOOGLE_TOKEN)
            .then(|| self.outgoing.vendor(&account.token_uri, Speaks::Either, None))
            .transpose()?;
        let clock = Arc::clone(&self.clock);
        Ok(Client {
            tokens: AccessTokens::new(account, google, self.guard.clone(), clock),
            connections: Connections::new(
                &self.outgoing,
                &self.outgoing.fcm,
                Speaks::Either,
                None,
            )?,
        })
    }

    async fn send(&self, client: &Client, push: &Push) -> Attempt {
        let mut again = self.recent.note(push.challenge);
        let (mut fresh_token, mut other_connection) = (false, false);
        let mut held = client.connections.hold();
        loop {
            let access = match client.tokens.token(push.target.account).await {
                Ok(access) => access,
                Err(attempt) => return attempt,
            };
            // Getting a token takes its time, and nothing may start at or after the deadline.
            if self.clock.now() >= push.expires_at {
                return overdue();
            }
            let answer = match self.request(client, push, (&held, &access), again) {
                Ok(request) => told(exchange(request, &*self.clock).await),
                Err(attempt) => return attempt,
            };
            let now = self.clock.now();
            let (attempt, remedy) = match &answer {
                Ok(reply) => reply::judge(reply, now, push.expires_at),
                Err(fault) => reply::unanswered(fault),
            };
            let repeat = match remedy {
                Some(Remedy::FreshToken) => !std::mem::replace(&mut fresh_token, true),
                Some(Remedy::OtherConnection) => !std::mem::replace(&mut other_connection, true),
                None => false,
            };
            if remedy == Some(Remedy::FreshToken) {
                client.tokens.forget(&access);
            }
            if !repeat || now >= push.expires_at {
                return attempt;
            }
            if remedy == Some(Remedy::OtherConnection) {
                // Google may have taken the first one.
                again = true;
                held = client.connections.hold_other(&held);
            }
        }
    }
}

/// The time was spent on getting a token.
fn overdue() -> Attempt {
    Attempt {
        provider_reason: Some("the deadline passed while an access token was asked for".to_owned()),
        ..Attempt::plain(
            countersign_domain::outcome::Outcome::Later { not_before: None },
            Some(ErrorCode::TTL_PASSED),
        )
    }
}
