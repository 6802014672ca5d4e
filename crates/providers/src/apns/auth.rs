//! Who we are to Apple: a provider token signed with a `.p8` key, shared by all that push with that key; or a
//! certificate, which is part of the connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_domain::invalid::Invalid;
use countersign_domain::monotonic::Monotonic;
use countersign_domain::world::Clock;
use serde_json::json;

use crate::jwt::{CannotSign, Signed, SigningKey};
use crate::wards::lock;

/// From this age on a token is replaced.
const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);
/// At this age Apple refuses it.
const USELESS_AFTER: Duration = Duration::from_secs(60 * 60);
/// Apple does not like new tokens sooner than so long after the last.
const NOT_WITHIN: Duration = Duration::from_secs(20 * 60);
/// Keys that nobody uses are let go when there are this many.
const MANY: usize = 1_024;

/// One key's token.
pub(super) struct ProviderToken {
    key: SigningKey,
    key_id: String,
    team_id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Minted>,
    previous: Option<Minted>,
    /// When Apple last made us mint one that was not due.
    forced_at: Option<Monotonic>,
    /// Apple saw new ones too often: until then none is made while the present one can be used.
    rest_until: Option<Monotonic>,
}

#[derive(Clone)]
struct Minted {
    text: Arc<str>,
    signed: Signed,
}

impl ProviderToken {
    fn new(key: SigningKey, key_id: &str, team_id: &str) -> Self {
        let (key_id, team_id) = (key_id.to_owned(), team_id.to_owned());
        Self { key, key_id, team_id, state: Mutex::default() }
    }

    /// The token to use now.
    pub(super) fn current(&self, clock: &dyn Clock) -> Result<Arc<str>, CannotSign> {
        let mut state = lock(&self.state);
        if let Some(current) = &state.current {
            let resting = state.rest_until.is_some_and(|until| clock.monotonic() < until);
            let limit = if resting { USELESS_AFTER } else { RENEW_AFTER };
            if current.signed.is_within(limit, clock) {
                return Ok(Arc::clone(&current.text));
            }
        }
        self.mint(&mut state, clock)
    }

    /// Apple finds `used` too old. A fresh one, if that can be one: another was made meanwhile, or this is the first
    /// such answer for a while. If even a fresh one is too old, the clock is wrong and more of them would not help, until it
    /// is put right.
    pub(super) fn refresh(
        &self,
        used: &str,
        clock: &dyn Clock,
    ) -> Result<Option<Arc<str>>, CannotSign> {
        let now = clock.monotonic();
        let mut state = lock(&self.state);
        if let Some(current) = &state.current
            && *current.text != *used
        {
            return Ok(Some(Arc::clone(&current.text)));
        }
        let was_behind = state.current.as_ref().is_some_and(|used| used.signed.was_behind(clock));
        let was_forced = state.forced_at.is_some_and(|forced| now.since(forced) < NOT_WITHIN);
        if was_forced && !was_behind {
            return Ok(None);
        }
        state.forced_at = Some(now);
        self.mint(&mut state, clock).map(Some)
    }

    /// Apple saw new tokens too often: the one before `used` is used again while it can be.
    pub(super) fn step_back(&self, used: &str, clock: &dyn Clock) {
        let mut state = lock(&self.state);
        if state.current.as_ref().is_none_or(|current| *current.text != *used) {
            return;
        }
        state.rest_until = Some(clock.monotonic() + NOT_WITHIN);
        let usable = |minted: &Minted| minted.signed.is_within(USELESS_AFTER, clock);
        if let Some(previous) = state.previous.take_if(|previous| usable(previous)) {
            state.previous = state.current.replace(previous);
        }
    }

    fn mint(&self, state: &mut State, clock: &dyn Clock) -> Result<Arc<str>, CannotSign> {
        let signed = Signed::now(clock);
        let claims = json!({ "iss": self.team_id, "iat": signed.issued_at.as_seconds() });
        let text: Arc<str> = self.key.sign(json!({ "kid": self.key_id }), &claims)?.into();
        state.previous = state.current.replace(Minted { text: Arc::clone(&text), signed });
        Ok(text)
    }
}

/// The tokens of Apple's keys. Whoever pushes with the same key shares its token, whatever the credential is called, and
/// so does who only tries it: Apple refuses a second new one within twenty minutes.
#[derive(Default)]
pub struct ProviderTokens {
    held: Mutex<HashMap<[u8; 32], Arc<ProviderToken>>>,
}

impl ProviderTokens {
    /// The token of a key.
    pub(super) fn of(
        &self,
        pem: &str,
        key_id: &str,
        team_id: &str,
    ) -> Result<Arc<ProviderToken>, Invalid> {
        let key = SigningKey::p256(pem)?;
        let name = [key.point(), key_id.as_bytes(), b"/", team_id.as_bytes()].concat();
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, &name).as_ref());
        let mut held = lock(&self.held);
        if held.len() >= MANY {
            held.retain(|_, token| Arc::strong_count(token) > 1);
        }
        let fresh = || Arc::new(ProviderToken::new(key, key_id, team_id));
        Ok(Arc::clone(held.entry(id).or_insert_with(fresh)))
    }
}

#[cfg(test)]
mod tests;
