//! Connections to Apple's stand-in.

use std::error::Error as _;

use super::apple::{Apple, device};
use super::client;
use crate::Action;

#[tokio::test]
async fn all_pushes_share_one_connection() {
    let apple = Apple::start().await;
    assert_eq!(apple.push(&device('a')).await.status, 200);
    let requests = (0..100).map(|_| tokio::spawn(apple.request(&device('b')).send()));
    for request in requests.collect::<Vec<_>>() {
        let response = request.await.unwrap().unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
    }
    assert_eq!(apple.apns.pushes().total(), 101);
    assert_eq!((apple.apns.connections().opened(), apple.apns.connections().open()), (1, 1));
}

#[tokio::test]
async fn only_http2_is_served() {
    let apple = Apple::start().await;
    let old = client::builder(&apple.authority).http1_only().build().unwrap();
    let request = apple.request(&device('a')).build().unwrap();
    assert!(old.execute(request).await.unwrap_err().is_connect());
    assert_eq!(apple.apns.connections().opened(), 0);
}

#[tokio::test]
async fn a_client_must_trust_the_authority() {
    let apple = Apple::start().await;
    let stranger = client::client(&crate::Authority::new(&[]).unwrap());
    let request = apple.request(&device('a')).build().unwrap();
    assert!(stranger.execute(request).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn after_goaway_a_push_in_flight_succeeds_and_the_next_reconnects() {
    let apple = Apple::start().await;
    let script = apple.apns.script();
    script.next_to(&device('a'), Action::Stall);
    let stalled = tokio::spawn(apple.request(&device('a')).send());
    apple.apns.pushes().wait_for(1).await;

    script.next(Action::GoAway);
    assert_eq!(apple.push(&device('b')).await.status, 200);
    // The graceful shutdown reaches the client some time after its response.
    while apple.apns.connections().opened() == 1 {
        assert_eq!(apple.push(&device('c')).await.status, 200);
    }
    script.release();
    assert_eq!(stalled.await.unwrap().unwrap().status(), 200);
    apple.apns.connections().wait_for_open(1).await;

    apple.apns.connections().go_away();
    apple.apns.connections().wait_for_open(0).await;
    assert_eq!(apple.push(&device('d')).await.status, 200);
    assert_eq!(apple.apns.connections().opened(), 3);
}

#[tokio::test]
async fn a_cut_connection_ends_all_its_requests() {
    let apple = Apple::start().await;
    let script = apple.apns.script();
    script.next_to(&device('a'), Action::Stall);
    script.next_to(&device('b'), Action::Drop);
    let stalled = tokio::spawn(apple.request(&device('a')).send());
    apple.apns.pushes().wait_for(1).await;
    apple.request(&device('b')).send().await.unwrap_err();
    stalled.await.unwrap().unwrap_err();
    assert_eq!(apple.last().status, None);
    assert_eq!(apple.push(&device('a')).await.status, 200);
    assert_eq!(apple.apns.connections().opened(), 2);
}

#[tokio::test]
async fn a_reset_stream_leaves_the_connection_open() {
    let apple = Apple::start().await;
    for (turn, reason) in
        [(Action::Refuse, h2::Reason::REFUSED_STREAM), (Action::Reset, h2::Reason::INTERNAL_ERROR)]
    {
        apple.apns.script().next(turn);
        let error = apple.request(&device('a')).send().await.unwrap_err();
        let mut source = error.source();
        while let Some(inner) = source.filter(|inner| !inner.is::<h2::Error>()) {
            source = inner.source();
        }
        let found = source.and_then(|inner| inner.downcast_ref::<h2::Error>());
        assert_eq!(found.and_then(h2::Error::reason), Some(reason));
    }
    assert_eq!(apple.push(&device('a')).await.status, 200);
    assert_eq!(apple.apns.connections().opened(), 1);
}

#[tokio::test]
async fn a_service_that_is_down_accepts_no_connection() {
    let apple = Apple::start().await;
    assert_eq!(apple.push(&device('a')).await.status, 200);
    apple.apns.connections().shut();
    apple.request(&device('a')).send().await.unwrap_err();
    apple.apns.connections().wait_for_open(0).await;
    apple.apns.connections().reopen();
    assert_eq!(apple.push(&device('a')).await.status, 200);
    assert_eq!(apple.apns.connections().opened(), 2);
}

#[tokio::test]
async fn a_dropped_stand_in_stops_listening() {
    let Apple { apns, client, .. } = Apple::start().await;
    let (url, connections) = (apns.url().to_owned(), apns.connections().clone());
    client.post(format!("{url}/3/device/")).send().await.unwrap();
    drop(apns);
    connections.wait_for_open(0).await;
    client.post(url).send().await.unwrap_err();
}
