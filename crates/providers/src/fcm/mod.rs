//! Google's push service, FCM, over its HTTP v1 API (firebase.google.com: "Send messages", "ErrorCode").

mod auth;
mod payload;
pub(crate) mod response;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::world::Clock;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use crate::check;
use crate::codes;
use crate::connections::{ConnectionPool, PooledConnection};
use crate::credential_provider::{PushService, refused};
use crate::exchange::{exchange, without_url};
use crate::fcm::auth::AccessTokens;
use crate::fcm::payload::RecentChallenges;
use crate::fcm::response::Remedy;
use crate::guard::Guard;
use crate::outgoing::{HttpVersion, Outgoing};
use crate::source::OpenedCredential;

/// Challenges that are remembered as pushed before.
const RECENT: usize = 8_192;

/// Google's push service.
pub(crate) struct Fcm {
    outgoing: Outgoing,
    guard: Guard,
    clock: Arc<dyn Clock>,
    recent: RecentChallenges,
    is_dry_run: bool,
}

/// The client of one credential.
pub(crate) struct Client {
    tokens: AccessTokens,
    pool: ConnectionPool,
}

impl Fcm {
    pub(crate) fn new(outgoing: Outgoing, guard: Guard, clock: Arc<dyn Clock>) -> Self {
        Self { outgoing, guard, clock, recent: RecentChallenges::new(RECENT), is_dry_run: false }
    }

    /// A service whose pushes Google only validates.
    pub(crate) fn dry_run(self) -> Self {
        Self { is_dry_run: true, ..self }
    }

    fn request(
        &self,
        client: &Client,
        push: &Push,
        (connection, access): (&PooledConnection<'_>, &str),
        is_repeat: bool,
    ) -> Result<RequestBuilder, Attempt> {
        const TOKEN: &str = "the registration token cannot be sent";
        let token = push.target.address.token().ok_or_else(|| refused(codes::FCM_TOKEN, TOKEN))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {access}"))
            .map_err(|_| refused(codes::FCM_UNAUTHORIZED, "the access token cannot be sent"))?;
        bearer.set_sensitive(true);
        let path = ["v1", "projects", client.tokens.project(), "messages:send"];
        let body =
            payload::payload(push, token.expose(), is_repeat, self.clock.now(), self.is_dry_run);
        let request = connection.client.post(client.pool.url(&path));
        Ok(request
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(body))
    }
}

#[async_trait]
impl PushService for Fcm {
    const KIND: CredentialType = CredentialType::Fcm;
    const UNUSABLE: ErrorCode = codes::FCM_SECRET;
    type Client = Client;

    fn client(&self, credential: &OpenedCredential) -> Result<Client, Invalid> {
        let account = check::fcm(credential).map_err(|bad| bad.why)?;
        // Google's token endpoint is called like FCM itself; every other one passes the guard.
        let google = (account.token_uri.as_str() == check::GOOGLE_TOKEN)
            .then(|| {
                self.outgoing.push_service_client(&account.token_uri, HttpVersion::Either, None)
            })
            .transpose()?;
        let clock = Arc::clone(&self.clock);
        Ok(Client {
            tokens: AccessTokens::new(account, google, self.guard.clone(), clock),
            pool: ConnectionPool::new(
                &self.outgoing,
                &self.outgoing.fcm,
                HttpVersion::Either,
                None,
            )?,
        })
    }

    async fn send(&self, client: &Client, push: &Push) -> Attempt {
        let mut is_repeat = self.recent.note(push.challenge);
        let (mut fresh_token, mut other_connection) = (false, false);
        let mut connection = client.pool.get();
        loop {
            let access = match client.tokens.token(push.target.account).await {
                Ok(access) => access,
                Err(attempt) => return attempt,
            };
            // Requesting a token takes time, and no attempt may start at or after the deadline.
            if self.clock.now() >= push.expires_at {
                return overdue();
            }
            let response = match self.request(client, push, (&connection, &access), is_repeat) {
                Ok(request) => without_url(exchange(request, &*self.clock).await),
                Err(attempt) => return attempt,
            };
            let now = self.clock.now();
            let (attempt, remedy) = match &response {
                Ok(response) => response::judge(response, now, push.expires_at),
                Err(error) => response::unanswered(error),
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
                // Google may have accepted the first request.
                is_repeat = true;
                connection = client.pool.get_other(&connection);
            }
        }
    }
}

/// The attempt of a push whose deadline passed while a token was requested.
fn overdue() -> Attempt {
    Attempt {
        provider_reason: Some("the deadline passed while an access token was asked for".to_owned()),
        ..Attempt::plain(Outcome::Later { not_before: None }, Some(ErrorCode::TTL_PASSED))
    }
}
