//! Who we are to Apple: a provider token signed with a `.p8` key, shared by all that push with that key; or a
//! certificate, which is part of the connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_domain::invalid::Invalid;
use countersign_domain::time::Instant;
use serde_json::json;

use crate::jwt::{CannotSign, SigningKey};
use crate::wards::lock;

/// From this age on a token is replaced.
const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);
/// At this age Apple refuses it.
const USELESS_AFTER: Duration = Duration::from_secs(60 * 60);
/// Apple does not like new tokens sooner than so long after the last.
const NOT_WITHIN: Duration = Duration::from_secs(20 * 60);
/// Keys that nobody uses are looked for when there are this many.
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
    forced_at: Option<Instant>,
    /// Apple saw new ones too often: until then none is made while the present one can be used.
    rest_until: Option<Instant>,
}

#[derive(Clone)]
struct Minted {
    text: Arc<str>,
    at: Instant,
}

impl ProviderToken {
    fn new(key: SigningKey, key_id: &str, team_id: &str) -> Self {
        let (key_id, team_id) = (key_id.to_owned(), team_id.to_owned());
        Self { key, key_id, team_id, state: Mutex::default() }
    }

    /// The token to use now.
    pub(super) fn at(&self, now: Instant) -> Result<Arc<str>, CannotSign> {
        let mut state = lock(&self.state);
        if let Some(current) = &state.current {
            let age = now.since(current.at);
            let resting = state.rest_until.is_some_and(|until| now < until);
            if age < RENEW_AFTER || (resting && age < USELESS_AFTER) {
                return Ok(Arc::clone(&current.text));
            }
        }
        self.mint(&mut state, now)
    }

    /// Apple finds `used` too old. A fresh one, if that can be one: another was made meanwhile, or this is the first
    /// such answer for a while. If even a fresh one is too old, the clock is wrong and more of them would not help.
    pub(super) fn refresh(&self, used: &str, now: Instant) -> Result<Option<Arc<str>>, CannotSign> {
        let mut state = lock(&self.state);
        if let Some(current) = &state.current
            && *current.text != *used
        {
            return Ok(Some(Arc::clone(&current.text)));
        }
        if state.forced_at.is_some_and(|forced| now.since(forced) < NOT_WITHIN) {
            return Ok(None);
        }
        state.forced_at = Some(now);
        self.mint(&mut state, now).map(Some)
    }

    /// Apple saw new tokens too often: the one before `used` is used again while it can be.
    pub(super) fn step_back(&self, used: &str, now: Instant) {
        let mut state = lock(&self.state);
        if state.current.as_ref().is_none_or(|current| *current.text != *used) {
            return;
        }
        state.rest_until = Some(now + NOT_WITHIN);
        let usable = |minted: &Minted| now.since(minted.at) < USELESS_AFTER;
        if let Some(previous) = state.previous.take_if(|previous| usable(previous)) {
            state.previous = state.current.replace(previous);
        }
    }

    fn mint(&self, state: &mut State, now: Instant) -> Result<Arc<str>, CannotSign> {
        let claims = json!({ "iss": self.team_id, "iat": now.as_seconds() });
        let text: Arc<str> = self.key.sign(json!({ "kid": self.key_id }), &claims)?.into();
        state.previous = state.current.replace(Minted { text: Arc::clone(&text), at: now });
        Ok(text)
    }
}

/// The tokens of all keys in use. Credentials that hold the same key share its token, whatever they are called.
#[derive(Default)]
pub(super) struct ProviderTokens {
    held: Mutex<HashMap<[u8; 32], Weak<ProviderToken>>>,
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
            held.retain(|_, token| token.strong_count() > 0);
        }
        let known = held.entry(id).or_default();
        Ok(known.upgrade().unwrap_or_else(|| {
            let token = Arc::new(ProviderToken::new(key, key_id, team_id));
            *known = Arc::downgrade(&token);
            token
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    const NOON: Instant = Instant::from_seconds(1_767_268_800);

    fn minutes(minutes: u64) -> Instant {
        NOON + Duration::from_secs(minutes * 60)
    }

    fn token() -> Arc<ProviderToken> {
        ProviderTokens::default().of(fixtures::p256_pem(), "KEY1234567", "TEAM123456").unwrap()
    }

    #[test]
    fn it_says_who_we_are_and_since_when() {
        let text = token().at(NOON).unwrap();
        let (header, claims) = fixtures::read_jwt(&text);
        assert_eq!(header, json!({ "alg": "ES256", "kid": "KEY1234567" }));
        assert_eq!(claims, json!({ "iss": "TEAM123456", "iat": 1_767_268_800 }));
    }

    #[test]
    fn one_is_used_for_fifty_minutes() {
        let token = token();
        let first = token.at(NOON).unwrap();
        for minute in [1, 20, 49] {
            assert_eq!(token.at(minutes(minute)).unwrap(), first, "{minute}");
        }
        let second = token.at(minutes(50)).unwrap();
        assert_ne!(second, first);
        assert_eq!(token.at(minutes(99)).unwrap(), second);
        assert_ne!(token.at(minutes(100)).unwrap(), second);
        assert_ne!(token.at(minutes(1_000)).unwrap(), second);
    }

    #[test]
    fn an_expired_one_is_replaced_once_in_twenty_minutes() {
        let token = token();
        let first = token.at(NOON).unwrap();
        let second = token.refresh(&first, minutes(1)).unwrap().unwrap();
        assert_ne!(first, second);
        let late = token.refresh(&first, minutes(1)).unwrap();
        assert_eq!(late, Some(Arc::clone(&second)), "whoever comes late takes what is there");
        assert_eq!(token.refresh(&second, minutes(20)).unwrap(), None);
        assert_eq!(token.at(minutes(20)).unwrap(), second);
        assert!(token.refresh(&second, minutes(21)).unwrap().is_some());
    }

    #[test]
    fn too_many_bring_the_previous_one_back_while_it_lives() {
        let token = token();
        let first = token.at(NOON).unwrap();
        let second = token.at(minutes(50)).unwrap();
        token.step_back(&first, minutes(50));
        assert_eq!(token.at(minutes(50)).unwrap(), second, "it was not this one");
        token.step_back(&second, minutes(51));
        assert_eq!(token.at(minutes(59)).unwrap(), first);
        let third = token.at(minutes(60)).unwrap();
        assert_ne!(third, first, "an hour is the end");
        token.step_back(&third, minutes(61));
        assert_eq!(token.at(minutes(70)).unwrap(), third, "there is none before it of any use");
    }

    #[test]
    fn a_key_has_one_token_however_many_credentials_hold_it() {
        let tokens = ProviderTokens::default();
        let of = |key, team| tokens.of(fixtures::p256_pem(), key, team).unwrap();
        let one = of("KEY1234567", "TEAM123456");
        assert!(Arc::ptr_eq(&one, &of("KEY1234567", "TEAM123456")));
        assert!(!Arc::ptr_eq(&one, &of("KEY1234567", "TEAM123457")));
        assert!(!Arc::ptr_eq(&one, &of("KEY1234568", "TEAM123456")));
    }
}
