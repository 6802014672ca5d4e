use countersign_domain::address::Address;
use countersign_domain::service_protection::UserVerification;
use countersign_domain::sid::AccountSid;
use countersign_domain::text::AppId;

use super::*;

fn of_service(service: u8) -> Target {
    Target { service: ServiceSid::from_bytes([service; 16]), ..target(Platform::Stream, 0) }
}

fn on_stream(permits: usize, waiting: usize) -> AttemptLimits {
    AttemptLimits::new(permits, 256, waiting)
}

/// All permits that a service gets.
fn all_of(limits: &AttemptLimits, service: u8) -> Vec<AttemptPermit> {
    let limit = limits.of(&of_service(service));
    std::iter::from_fn(|| limit.try_acquire()).collect()
}

#[tokio::test]
async fn a_service_on_the_stream_leaves_as_many_permits_as_it_takes() {
    let limits = on_stream(10_000, 1);
    let first = all_of(&limits, 1);
    assert_eq!(first.len(), 5_000);
    let others: Vec<_> = (2..12).map(|service| all_of(&limits, service)).collect();
    let halves: Vec<_> = others.iter().map(Vec::len).collect();
    assert_eq!(halves, [2_500, 1_250, 625, 313, 156, 78, 39, 20, 10, 5]);
    assert!(limits.of(&of_service(1)).try_acquire().is_none(), "the first has had its share");
    drop(first);
    assert_eq!(all_of(&limits, 1).len(), 2_502, "half of the free permits");
}

#[tokio::test]
async fn a_dropped_permit_wakes_a_waiting_task() {
    let limits = on_stream(4, 8);
    let (mut one, two) = (all_of(&limits, 1), all_of(&limits, 2));
    let three = all_of(&limits, 3);
    assert_eq!((one.len(), two.len(), three.len()), (2, 1, 1));
    let wait = |service| {
        let limit = limits.of(&of_service(service));
        tokio::spawn(async move { limit.acquire().await.ok() })
    };
    let (first_again, newcomer) = (wait(1), wait(4));
    let is_waiting = |service| lock(&limits.of(&of_service(service)).usage).is_listed;
    while !is_waiting(1) || !is_waiting(4) {
        tokio::task::yield_now().await;
    }
    drop(three);
    let permit = newcomer.await.expect("no panic");
    assert!(
        permit.is_some() && !first_again.is_finished(),
        "the service with fewer permits comes first"
    );
    one.clear();
    assert!(first_again.await.expect("no panic").is_some());
    drop((two, permit));
    assert_eq!(lock(&limits.stream.state).free, 4);
}

/// A task that waits for a permit, and returns whether it got one.
async fn waiting_task(limit: &Arc<AttemptLimit>) -> tokio::task::JoinHandle<bool> {
    let task = tokio::spawn({
        let limit = Arc::clone(limit);
        async move { limit.acquire().await.is_ok() }
    });
    while lock(&limit.usage).waiters == 0 {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test]
async fn a_cancelled_task_leaves_the_queue() {
    let limits = on_stream(1, 8);
    let limit = limits.of(&of_service(1));
    let permit = limit.try_acquire().expect("free");
    let task = waiting_task(&limit).await;
    task.abort();
    let _ = task.await;
    drop(permit);
    assert!(limit.try_acquire().is_some() && lock(&limits.stream.state).waiting.is_empty());
}

fn target(platform: Platform, credential: u8) -> Target {
    Target {
        account: AccountSid::from_bytes([1; 16]),
        service: ServiceSid::from_bytes([2; 16]),
        address: Address::from_stored(platform, None),
        app_id: AppId::parse("com.example.app").expect("an app id"),
        credential: Some(CredentialSid::from_bytes([credential; 16])),
        user_verification: UserVerification::None,
    }
}

fn small_limits() -> AttemptLimits {
    AttemptLimits::new(1, 2, 1)
}

#[tokio::test]
async fn credentials_and_services_have_separate_limits() {
    let limits = small_limits();
    let busy = limits.of(&target(Platform::Fcm, 3));
    let (one, _two) = (busy.try_acquire().expect("free"), busy.try_acquire().expect("free"));
    assert!(limits.of(&target(Platform::Fcm, 3)).try_acquire().is_none());
    assert!(limits.of(&target(Platform::Fcm, 4)).try_acquire().is_some());
    assert!(limits.of(&target(Platform::Apn, 3)).try_acquire().is_some());
    drop(one);
    assert!(limits.of(&target(Platform::Fcm, 3)).try_acquire().is_some());

    let of = |service| Target {
        service: ServiceSid::from_bytes([service; 16]),
        credential: None,
        ..target(Platform::WebPush, 0)
    };
    let busy = (limits.of(&of(1)).try_acquire(), limits.of(&of(1)).try_acquire());
    assert!(busy.1.is_some() && limits.of(&of(1)).try_acquire().is_none());
    assert!(limits.of(&of(2)).try_acquire().is_some());
}

#[tokio::test]
async fn the_queue_of_a_destination_is_bounded() {
    let limit = small_limits().of(&target(Platform::Stream, 3));
    let permit = limit.try_acquire().expect("free");
    let task = waiting_task(&limit).await;
    assert!(limit.acquire().await.is_err());
    drop(permit);
    assert!(task.await.expect("no panic"));
}

#[tokio::test]
async fn unused_limits_are_removed() {
    let limits = small_limits();
    for n in 0..u16::try_from(SWEEP_AT_LEAST * 2).expect("small") {
        let [high, low] = n.to_be_bytes();
        let mut target = target(Platform::Fcm, 0);
        let mut sid = [0; 16];
        (sid[0], sid[1]) = (high, low);
        target.credential = Some(CredentialSid::from_bytes(sid));
        assert!(limits.of(&target).try_acquire().is_some());
    }
    assert!(lock(&limits.known).limits.len() <= SWEEP_AT_LEAST);
}
