//! Sessions of operators that ended before they expired.

use std::time::Duration;

use countersign_domain::session::SessionId;

use super::fixture::Fixture;
use crate::seam::{Inserted, Retention};

/// In its own account only; ending it again changes nothing.
pub async fn a_session_that_was_ended_has_ended(fixture: &Fixture) {
    let (account, other) = (fixture.account().await.sid, fixture.account().await.sid);
    let [first, second] = [1, 2].map(|byte| SessionId([byte; 16]));
    let store = &fixture.store;
    let (now, until) = (fixture.now(), fixture.later(60));
    assert_eq!(store.has_session_ended(account, first).await, Ok(false));
    for _ in 0..2 {
        assert_eq!(store.end_session(account, first, until, 5, now).await, Ok(Inserted::Done));
        assert_eq!(store.has_session_ended(account, first).await, Ok(true));
    }
    assert_eq!(store.has_session_ended(account, second).await, Ok(false));
    assert_eq!(store.has_session_ended(other, first).await, Ok(false));
}

/// Sessions that would have expired do not count, and are removed.
pub async fn an_account_ends_only_so_many_sessions(fixture: &Fixture) {
    let account = fixture.account().await.sid;
    let store = &fixture.store;
    let end = async |byte: u8, seconds| {
        let id = SessionId([byte; 16]);
        store.end_session(account, id, fixture.later(seconds), 2, fixture.now()).await.unwrap()
    };
    assert_eq!((end(1, 60).await, end(2, 120).await), (Inserted::Done, Inserted::Done));
    assert_eq!(end(3, 60).await, Inserted::TooMany);
    assert_eq!(end(2, 120).await, Inserted::Done, "that session has ended already");
    fixture.pass(60);
    assert_eq!(end(3, 60).await, Inserted::Done);
    let retention = Retention { challenges: Duration::from_secs(3_600) };
    assert_eq!(store.clean(fixture.now(), retention, 100).await, Ok(1));
    for (byte, has_ended) in [(1, false), (2, true), (3, true)] {
        let id = SessionId([byte; 16]);
        assert_eq!(store.has_session_ended(account, id).await, Ok(has_ended), "{byte}");
    }
}
