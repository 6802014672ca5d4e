//! The door for clients of the Duo Auth API, by a client that signs its requests itself.

mod client;
mod denials;
mod enrolment;
mod logins;
mod numbers;
mod refusals;

pub use client::Duo;

use countersign_phone::Phone;

use crate::support::TestApp;

/// The person whom the client knows as `ann`.
pub const ANN: &str = "alice-0001";
/// A challenge to all devices, without further parameters.
pub const PUSH: [(&str, &str); 3] = [("username", "ann"), ("factor", "push"), ("device", "auto")];

/// An integration that knows Ann, and its client.
pub async fn integrate(app: &TestApp, more: &[(&str, &str)]) -> Duo {
    let own = [("FriendlyName", "Owl ssh"), ("Kind", "duo"), ("Aliases", "ann=alice-0001")];
    let form = [&own[..], more].concat();
    let path = format!("/v2/Services/{}/Integrations", app.service);
    let made = app.api().post(&path, &form).await.expect(201);
    Duo::new(app, made["key"].as_str().expect("a key"), made["secret"].as_str().expect("a secret"))
}

/// The only pending challenge of a phone.
pub async fn prompt_of(phone: &Phone) -> countersign_phone::Challenge {
    let pending = Some(countersign_phone::ChallengeStatus::Pending);
    let mut pending = phone.challenges(pending).await.expect("its challenges");
    assert_eq!(pending.len(), 1);
    pending.remove(0)
}

/// Waits until a phone has a prompt.
pub async fn next_prompt(phone: &Phone) -> countersign_phone::Challenge {
    let pending = Some(countersign_phone::ChallengeStatus::Pending);
    while phone.challenges(pending).await.expect("its challenges").is_empty() {
        tokio::task::yield_now().await;
    }
    prompt_of(phone).await
}
