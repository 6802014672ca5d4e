//! Who we are to Apple: a provider token signed with a `.p8` key, shared by all that push with that key, on all servers of a
//! database and over their restarts; or a certificate, which is part of the connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::provider_token::KeyFingerprint;
use countersign_domain::secret::Secret;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use serde_json::json;

use crate::jwt::{CannotSign, Signed, SigningKey};
use crate::source::{SharedToken, TokenKeeper, Unavailable};
use crate::wards::lock;

/// From this age on a token is replaced.
const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);
/// At this age Apple refuses it.
const USELESS_AFTER: Duration = Duration::from_secs(60 * 60);
/// Apple does not like new tokens sooner than so long after the last.
const NOT_WITHIN: Duration = Duration::from_secs(20 * 60);

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    /// It cannot be signed.
    #[error(transparent)]
    CannotSign(#[from] CannotSign),
    /// The one that all servers share cannot be read or kept now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// One key's token.
pub(super) struct ProviderToken {
    key: SigningKey,
    key_id: String,
    team_id: String,
    print: KeyFingerprint,
    keeper: Arc<dyn TokenKeeper>,
    state: Mutex<State>,
    /// Held while the shared token is looked at, so that all who wait for it look once.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<Held>,
    previous: Option<Held>,
    /// Apple saw new ones too often: until then none is made while the present one can be used.
    rest_until: Option<Monotonic>,
}

#[derive(Clone)]
struct Held {
    text: Arc<str>,
    signed: Signed,
    version: i64,
}

impl ProviderToken {
    /// The token of a key, whose print is `print`.
    pub(super) fn new(
        key: SigningKey,
        (key_id, team_id): (&str, &str),
        print: KeyFingerprint,
        keeper: Arc<dyn TokenKeeper>,
    ) -> Self {
        let (key_id, team_id) = (key_id.to_owned(), team_id.to_owned());
        let (state, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { key, key_id, team_id, print, keeper, state, turn }
    }

    /// The token to use now.
    pub(super) async fn current(&self, clock: &dyn Clock) -> Result<Arc<str>, NoToken> {
        if let Some(text) = self.held(clock) {
            return Ok(text);
        }
        let _turn = self.turn.lock().await;
        if let Some(text) = self.held(clock) {
            return Ok(text);
        }
        let shared = self.keeper.token(self.print).await?;
        match shared.as_ref().and_then(|shared| self.adopt(shared, clock)) {
            Some(text) => Ok(text),
            None => self.renew(shared.as_ref(), None, clock).await,
        }
    }

    /// The token in memory, unless it is time for another.
    fn held(&self, clock: &dyn Clock) -> Option<Arc<str>> {
        let state = lock(&self.state);
        let current = state.current.as_ref()?;
        let resting = state.rest_until.is_some_and(|until| clock.monotonic() < until);
        let limit = if resting { USELESS_AFTER } else { RENEW_AFTER };
        current.signed.is_within(limit, clock).then(|| Arc::clone(&current.text))
    }

    /// Apple finds `used` too old. A fresh one, if that can be one: another was made meanwhile, or this is the first
    /// such answer for a while. If even a fresh one is too old, the clock is wrong and more of them would not help, until it
    /// is put right.
    pub(super) async fn refresh(
        &self,
        used: &str,
        clock: &dyn Clock,
    ) -> Result<Option<Arc<str>>, NoToken> {
        let _turn = self.turn.lock().await;
        let current = lock(&self.state).current.clone();
        if let Some(current) = current.as_ref().filter(|current| *current.text != *used) {
            return Ok(Some(Arc::clone(&current.text)));
        }
        let shared = self.keeper.token(self.print).await?;
        if let Some(text) = shared.as_ref().and_then(|shared| self.adopt(shared, clock)) {
            return Ok(Some(text));
        }
        let now = clock.now();
        let was_behind = current.is_some_and(|current| current.signed.was_behind(clock));
        let forced_at = shared.as_ref().and_then(|shared| shared.forced_at);
        let was_forced =
            forced_at.is_some_and(|forced| forced <= now && now.since(forced) < NOT_WITHIN);
        if was_forced && !was_behind {
            return Ok(None);
        }
        self.renew(shared.as_ref(), Some(now), clock).await.map(Some)
    }

    /// Apple saw new tokens too often: the one before `used` is used again while it can be.
    pub(super) fn step_back(&self, used: &str, clock: &dyn Clock) {
        let mut state = lock(&self.state);
        if state.current.as_ref().is_none_or(|current| *current.text != *used) {
            return;
        }
        state.rest_until = Some(clock.monotonic() + NOT_WITHIN);
        let usable = |held: &Held| held.signed.is_within(USELESS_AFTER, clock);
        if let Some(previous) = state.previous.take_if(|previous| usable(previous)) {
            state.previous = state.current.replace(previous);
        }
    }

    /// Takes the shared token, if it is another than the one in memory and young enough.
    fn adopt(&self, shared: &SharedToken, clock: &dyn Clock) -> Option<Arc<str>> {
        let signed = Signed::at(shared.signed_at, clock);
        let mut state = lock(&self.state);
        let is_known =
            state.current.as_ref().is_some_and(|current| current.version == shared.version);
        (!is_known && signed.is_within(RENEW_AFTER, clock)).then(|| state.hold(shared, signed))
    }

    /// Signs a token and shares it, unless another server was faster; the one that is shared then.
    async fn renew(
        &self,
        shared: Option<&SharedToken>,
        forced_at: Option<Instant>,
        clock: &dyn Clock,
    ) -> Result<Arc<str>, NoToken> {
        let signed = Signed::now(clock);
        let claims = json!({ "iss": self.team_id, "iat": signed.issued_at.as_seconds() });
        let text = Secret::new(self.key.sign(json!({ "kid": self.key_id }), &claims)?);
        let new = SharedToken {
            version: shared.map_or(0, |shared| shared.version) + 1,
            text,
            signed_at: signed.issued_at,
            forced_at: forced_at.or(shared.and_then(|shared| shared.forced_at)),
        };
        let there = self.keeper.renew(self.print, new).await?;
        let signed = Signed::at(there.signed_at, clock);
        Ok(lock(&self.state).hold(&there, signed))
    }
}

impl State {
    fn hold(&mut self, shared: &SharedToken, signed: Signed) -> Arc<str> {
        let text: Arc<str> = shared.text.expose().into();
        let held = Held { text: Arc::clone(&text), signed, version: shared.version };
        self.previous = self.current.replace(held);
        text
    }
}

#[cfg(test)]
mod tests;
