//! The provider token of one `.p8` key (developer.apple.com: "Establishing a token-based connection to APNs"). All servers of a
//! database share it, over their restarts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_domain::monotonic::Monotonic;
use countersign_domain::provider_token::KeyFingerprint;
use countersign_domain::secret::Secret;
use countersign_domain::time::Instant;
use countersign_domain::world::Clock;
use serde_json::json;

use crate::jwt::{CannotSign, IssueTime, SigningKey};
use crate::lock::lock;
use crate::source::{SharedToken, TokenStore, Unavailable};

/// The age at which a token is replaced.
const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);
/// The age at which Apple rejects a token.
const EXPIRES_AFTER: Duration = Duration::from_secs(60 * 60);
/// Apple rejects a new token within this time after the last new one.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(20 * 60);

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// The token cannot be signed.
    #[error(transparent)]
    CannotSign(#[from] CannotSign),
    /// The shared token cannot be read or stored now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// One key's token.
pub(super) struct ProviderToken {
    key: SigningKey,
    key_id: String,
    team_id: String,
    print: KeyFingerprint,
    store: Arc<dyn TokenStore>,
    state: Mutex<State>,
    /// Held while the shared token is read, so that waiting callers read it once.
    renewal: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<Cached>,
    previous: Option<Cached>,
    /// Apple has seen new tokens too often: until then the present one is used for as long as it is valid.
    no_renewal_until: Option<Monotonic>,
}

#[derive(Clone)]
struct Cached {
    text: Arc<str>,
    signed: IssueTime,
    version: i64,
}

impl ProviderToken {
    /// The token of a key. `print` identifies the key.
    pub(super) fn new(
        key: SigningKey,
        (key_id, team_id): (&str, &str),
        print: KeyFingerprint,
        store: Arc<dyn TokenStore>,
    ) -> Self {
        let (key_id, team_id) = (key_id.to_owned(), team_id.to_owned());
        let (state, renewal) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { key, key_id, team_id, print, store, state, renewal }
    }

    /// The token to use now.
    pub(super) async fn current(&self, clock: &dyn Clock) -> Result<Arc<str>, TokenError> {
        if let Some(text) = self.cached(clock) {
            return Ok(text);
        }
        let _renewal = self.renewal.lock().await;
        if let Some(text) = self.cached(clock) {
            return Ok(text);
        }
        let shared = self.store.token(self.print).await?;
        match shared.as_ref().and_then(|shared| self.adopt(shared, clock)) {
            Some(text) => Ok(text),
            None => self.renew(shared.as_ref(), None, clock).await,
        }
    }

    /// The token in memory, unless it is due for renewal.
    fn cached(&self, clock: &dyn Clock) -> Option<Arc<str>> {
        let state = lock(&self.state);
        let current = state.current.as_ref()?;
        let is_paused = state.no_renewal_until.is_some_and(|until| clock.monotonic() < until);
        let limit = if is_paused { EXPIRES_AFTER } else { RENEW_AFTER };
        current.signed.is_within(limit, clock).then(|| Arc::clone(&current.text))
    }

    /// Returns a fresh token after Apple has rejected `used` as too old: one that was made meanwhile, or a new one if this is the
    /// first such rejection within [`RENEWAL_INTERVAL`]. `None`: a fresh token was rejected too, so the clock is wrong, and more
    /// tokens would not help until it is corrected.
    pub(super) async fn refresh(
        &self,
        used: &str,
        clock: &dyn Clock,
    ) -> Result<Option<Arc<str>>, TokenError> {
        let _renewal = self.renewal.lock().await;
        let current = lock(&self.state).current.clone();
        if let Some(current) = current.as_ref().filter(|current| *current.text != *used) {
            return Ok(Some(Arc::clone(&current.text)));
        }
        let shared = self.store.token(self.print).await?;
        if let Some(text) = shared.as_ref().and_then(|shared| self.adopt(shared, clock)) {
            return Ok(Some(text));
        }
        let now = clock.now();
        let was_behind = current.is_some_and(|current| current.signed.was_behind(clock));
        let forced_at = shared.as_ref().and_then(|shared| shared.forced_at);
        let was_forced =
            forced_at.is_some_and(|forced| forced <= now && now.since(forced) < RENEWAL_INTERVAL);
        if was_forced && !was_behind {
            return Ok(None);
        }
        self.renew(shared.as_ref(), Some(now), clock).await.map(Some)
    }

    /// Returns to the token before `used`, while that is valid: Apple has seen new tokens too often.
    pub(super) fn step_back(&self, used: &str, clock: &dyn Clock) {
        let mut state = lock(&self.state);
        if state.current.as_ref().is_none_or(|current| *current.text != *used) {
            return;
        }
        state.no_renewal_until = Some(clock.monotonic() + RENEWAL_INTERVAL);
        let is_valid = |cached: &Cached| cached.signed.is_within(EXPIRES_AFTER, clock);
        if let Some(previous) = state.previous.take_if(|previous| is_valid(previous)) {
            state.previous = state.current.replace(previous);
        }
    }

    /// Caches the shared token, if it differs from the one in memory and is young enough.
    fn adopt(&self, shared: &SharedToken, clock: &dyn Clock) -> Option<Arc<str>> {
        let signed = IssueTime::at(shared.signed_at, clock);
        let mut state = lock(&self.state);
        let is_known =
            state.current.as_ref().is_some_and(|current| current.version == shared.version);
        (!is_known && signed.is_within(RENEW_AFTER, clock)).then(|| state.cache(shared, signed))
    }

    /// Signs a token and shares it, unless another server was faster. Returns the token that is shared then.
    async fn renew(
        &self,
        shared: Option<&SharedToken>,
        forced_at: Option<Instant>,
        clock: &dyn Clock,
    ) -> Result<Arc<str>, TokenError> {
        let signed = IssueTime::now(clock);
        let claims = json!({ "iss": self.team_id, "iat": signed.issued_at.as_seconds() });
        let text = Secret::new(self.key.sign(json!({ "kid": self.key_id }), &claims)?);
        let new = SharedToken {
            version: shared.map_or(0, |shared| shared.version) + 1,
            text,
            signed_at: signed.issued_at,
            forced_at: forced_at.or(shared.and_then(|shared| shared.forced_at)),
        };
        let there = self.store.renew(self.print, new).await?;
        let signed = IssueTime::at(there.signed_at, clock);
        Ok(lock(&self.state).cache(&there, signed))
    }
}

impl State {
    fn cache(&mut self, shared: &SharedToken, signed: IssueTime) -> Arc<str> {
        let text: Arc<str> = shared.text.expose().into();
        let cached = Cached { text: Arc::clone(&text), signed, version: shared.version };
        self.previous = self.current.replace(cached);
        text
    }
}

#[cfg(test)]
mod tests;
