//! All stand-ins at once.

use super::client;
use crate::{Options, run};

#[tokio::test]
async fn all_stand_ins_start_under_one_authority() {
    let running = run(Options { names: vec!["standins.local".into()], ..Options::default() });
    let running = running.await.unwrap();
    let client = client::client(&running.authority);
    let urls =
        [running.apns.url(), running.fcm.url(), running.web_push.url(), running.webhook.url()];
    let mut said = Vec::new();
    for url in urls {
        said.push(client.get(url).send().await.unwrap().status().as_u16());
    }
    assert_eq!(said, [404, 404, 404, 200]);
    let account = running.fcm.service_account();
    assert_eq!(account["token_uri"], format!("{}/token", running.fcm.url()));

    let port = url::Url::parse(running.apns.url()).unwrap().port().unwrap();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let client = client::builder(&running.authority).resolve("standins.local", address);
    let url = format!("https://standins.local:{port}");
    assert_eq!(client.build().unwrap().get(url).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_name_that_is_invalid_in_a_certificate_is_rejected() {
    let error = crate::Authority::new(&["ü".into()]).err().unwrap();
    assert_eq!(error.to_string(), "cannot make a certificate");
}
