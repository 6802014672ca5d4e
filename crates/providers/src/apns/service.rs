//! Sends pushes to APNs, and applies the remedies that its responses allow.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_domain::credential::CredentialType;
use countersign_domain::ending::ErrorCode;
use countersign_domain::invalid::Invalid;
use countersign_domain::outcome::{Attempt, Outcome};
use countersign_domain::prospect::Push;
use countersign_domain::world::Clock;

use super::auth::TokenError;
use super::client::{Auth, Client, Tried};
use super::environments::{conclude, keep_token};
use super::request::{self, RequestParts};
use super::response::{self, Remedy};
use super::tokens::ProviderTokens;
use crate::check;
use crate::codes;
use crate::credential_provider::{PushService, refused};
use crate::exchange::{exchange, without_url};
use crate::outgoing::Outgoing;
use crate::reasons;
use crate::source::OpenedCredential;

/// Apple's push service.
pub(crate) struct Apns {
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
    tokens: Arc<ProviderTokens>,
}

impl Apns {
    pub(crate) fn new(
        outgoing: Outgoing,
        clock: Arc<dyn Clock>,
        tokens: Arc<ProviderTokens>,
    ) -> Self {
        Self { outgoing, clock, tokens }
    }

    /// Sends one request; returns the attempt as it would end now, and the remedy that the response allows.
    async fn send_once(
        &self,
        push: &Push,
        topic: &str,
        parts: &RequestParts<'_>,
    ) -> (Attempt, Option<Remedy>) {
        let request = match request::request(push, topic, parts) {
            Ok(request) => request,
            Err(attempt) => return (attempt, None),
        };
        match without_url(exchange(request, &*self.clock).await) {
            Ok(response) => response::judge(&response),
            Err(error) => response::unanswered(&error),
        }
    }
}

#[async_trait]
impl PushService for Apns {
    const KIND: CredentialType = CredentialType::Apn;
    const UNUSABLE: ErrorCode = codes::APNS_CREDENTIALS;
    type Client = Client;

    fn client(&self, credential: &OpenedCredential) -> Result<Client, Invalid> {
        let auth = match check::apns(credential).map_err(|bad| bad.why)? {
            check::ApnsSecrets::Token { pem, key_id, team_id } => {
                Auth::Token(self.tokens.of(pem, key_id, team_id)?)
            }
            check::ApnsSecrets::Certificate(identity) => Auth::Certificate(identity),
        };
        Client::new(&self.outgoing, auth, credential.topic.clone(), credential.sandbox)
    }

    async fn send(&self, client: &Client, push: &Push) -> Attempt {
        let topic = client.topic.as_deref().unwrap_or(push.target.app_id.as_str());
        let mut tried = Tried::default();
        // The response of the own environment, while the other one is asked.
        let mut own = None;
        let mut pool = client.own();
        let mut connection = pool.get();
        loop {
            let bearer = match client.bearer(&mut tried, &*self.clock).await {
                Ok(bearer) => bearer,
                Err(why) => return no_token(why),
            };
            let parts = RequestParts {
                pool,
                connection: &connection,
                bearer: bearer.as_deref(),
                is_short: tried.shorter,
                now: self.clock.now(),
            };
            let (attempt, remedy) = self.send_once(push, topic, &parts).await;
            let Some(remedy) = remedy else { return conclude(client, attempt, own) };
            let repeat = client.apply(remedy, &mut tried, (pool, &connection), &*self.clock).await;
            // A repeat is a start too, and none may start at or after the deadline.
            let is_in_time = self.clock.now() < push.expires_at;
            match remedy {
                Remedy::OtherEnvironment if repeat => {
                    if !is_in_time {
                        return conclude(client, keep_token(attempt), own);
                    }
                    let Ok(other) = client.other(&self.outgoing) else {
                        return keep_token(attempt);
                    };
                    own = Some(attempt);
                    pool = other;
                    connection = pool.get();
                }
                _ if !repeat || !is_in_time => return conclude(client, attempt, own),
                Remedy::OtherConnection => connection = pool.get_other(&connection),
                _ => {}
            }
        }
    }
}

/// The attempt of a push for which there is no provider token.
fn no_token(why: TokenError) -> Attempt {
    match why {
        TokenError::CannotSign(why) => refused(codes::INTERNAL, &why.to_string()),
        TokenError::Unavailable(why) => Attempt {
            provider_reason: reasons::clean(&format!("no provider token: {why}")),
            ..Attempt::plain(Outcome::Later { not_before: None }, Some(codes::INTERNAL))
        },
    }
}
