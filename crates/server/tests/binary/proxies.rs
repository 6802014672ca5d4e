//! nginx and Caddy in front, configured as documented: limits count each client separately.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use countersign_phone::{ServerOptions, Verdict};
use reqwest::header::{COOKIE, SET_COOKIE};
use rstest::rstest;

use crate::support::proxy::{CLUSTER, Documented, PROXIES, Proxy};
use crate::support::{ACCOUNT, Application, Running, Stage, TOKEN, free_port};

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OPERATOR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
/// A stream that does not sign in is ended after this time, and frees its place.
const SILENT_FOR: Duration = Duration::from_secs(5);
const TRUST: [&str; 2] = ["--set", "http.trusted_proxies=127.0.0.1"];

/// A server, and a proxy before it.
async fn stand(documented: Documented, settings: &[&str]) -> (Stage, Running, Proxy) {
    let stage = Stage::with_account();
    let port = free_port();
    let url = format!("https://localhost:{port}");
    let running = stage.serve(&[&["--public-url", &url], settings].concat()).await;
    let upstream = running.base.strip_prefix("http://").expect("plain http").to_owned();
    let proxy = Proxy::start(documented, &stage, port, &upstream).await;
    (stage, running, proxy)
}

/// An application at an address.
fn application(running: &Running, proxy: &Proxy, from: Ipv4Addr) -> Application {
    let (client, base) = (proxy.client(from), proxy.base.clone());
    Application { client, base, ..Application::of(running) }
}

/// A browser before the console's sign-in form.
struct Visitor {
    client: reqwest::Client,
    url: String,
    cookie: String,
    form_token: String,
}

impl Visitor {
    async fn of(proxy: &Proxy, from: Ipv4Addr) -> Self {
        let (client, url) = (proxy.client(from), format!("{}/console/sign-in", proxy.base));
        let page = client.get(&url).send().await.expect("a page");
        assert_eq!(page.status(), 200);
        let cookie = page.headers()[SET_COOKIE].to_str().expect("text");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        let page = page.text().await.expect("text");
        let token = page.split("name=\"form_token\" value=\"").nth(1).expect("a form");
        let form_token = token.split('"').next().expect("a token").to_owned();
        Self { client, url, cookie, form_token }
    }

    /// Signs in; the status. It names other addresses as its own, as everybody may.
    async fn signs_in(&self, user: &str, secret: &str, made_up: &str) -> u16 {
        let form = [("form_token", &*self.form_token), ("user", user), ("secret", secret)];
        let request = self.client.post(&self.url).header(COOKIE, &self.cookie).form(&form);
        let request = request
            .header("forwarded", format!("for={made_up}"))
            .header("x-forwarded-for", made_up)
            .header("x-real-ip", made_up);
        request.send().await.expect("an answer").status().as_u16()
    }
}

#[rstest]
#[case::nginx(Documented::Nginx(PROXIES))]
#[case::nginx_before_a_cluster(Documented::Nginx(CLUSTER))]
#[case::caddy(Documented::Caddy(PROXIES))]
#[case::caddy_of_the_compose_files(Documented::Compose)]
#[tokio::test]
async fn wrong_sign_ins_of_a_stranger_lock_nobody_else_out(#[case] documented: Documented) {
    let (_stage, running, proxy) = stand(documented, &TRUST).await;
    let stranger = Visitor::of(&proxy, STRANGER).await;
    let mut tries = 0;
    let user = |tries: u32| format!("AC{tries:032x}");
    while stranger.signs_in(&user(tries), "wrong", &format!("192.0.2.{tries}")).await != 429 {
        tries += 1;
        assert!(tries <= 50, "invented addresses are ignored");
    }
    let operator = Visitor::of(&proxy, OPERATOR).await;
    assert_eq!(operator.signs_in(ACCOUNT, TOKEN, "127.0.0.2").await, 303);
    assert_eq!(stranger.signs_in(ACCOUNT, TOKEN, "127.0.0.3").await, 429);
    assert_eq!(running.stop().await.code, Some(0));
}

#[rstest]
#[case::nginx(Documented::Nginx(PROXIES))]
#[case::nginx_before_a_cluster(Documented::Nginx(CLUSTER))]
#[case::caddy(Documented::Caddy(PROXIES))]
#[case::caddy_of_the_compose_files(Documented::Compose)]
#[tokio::test]
async fn forty_devices_behind_a_proxy_are_all_let_in(#[case] documented: Documented) {
    let path =
        format!("/v2/Services/VA{0}/Entities/alice-0001/Factors/YF{0}/Stream", "0".repeat(32));
    for (settings, same, expected) in
        [(&TRUST[..], false, 40), (&TRUST[..], true, 20), (&[][..], false, 20)]
    {
        let (_stage, running, proxy) = stand(documented, settings).await;
        let mut held = Vec::new();
        for number in 1..=40 {
            let from = Ipv4Addr::new(127, 0, 1, if same { 1 } else { number });
            let asked = Instant::now();
            let (status, stream) = proxy.upgrade(from, &path).await;
            assert!(matches!(status, 101 | 429), "{status}");
            held.extend((status == 101).then_some((asked, stream)));
            let places = held.iter().filter(|(asked, _)| asked.elapsed() < SILENT_FOR).count();
            assert!(places <= expected, "{settings:?}, one address: {same}: {places}");
        }
        assert!(held.len() >= expected, "{settings:?}, one address: {same}: {}", held.len());
        drop(held);
        running.stop().await;
    }
}

#[rstest]
#[case::nginx(Documented::Nginx(PROXIES))]
#[case::nginx_before_a_cluster(Documented::Nginx(CLUSTER))]
#[case::caddy(Documented::Caddy(PROXIES))]
#[case::caddy_of_the_compose_files(Documented::Compose)]
#[tokio::test]
async fn streams_and_long_polls_pass_through_a_proxy(#[case] documented: Documented) {
    let limit = ["--set", "limits.failed_credentials_per_address_per_minute=3"];
    let (_stage, running, proxy) = stand(documented, &[TRUST, limit].concat()).await;
    let application = application(&running, &proxy, OPERATOR);
    let ca_pem = Some(proxy.certificate.clone().into_bytes());
    let phone = application.phone(&ServerOptions { ca_pem, ..ServerOptions::default() }).await;
    let mut stream = phone.connect().await.expect("a stream");
    let path = application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    let (poll, poller) = (format!("{path}?WaitSeconds=50"), application.clone());
    let poll = tokio::spawn(async move { poller.get(&poll).await });
    let prompt = stream.next_prompt().await.expect("a prompt");
    phone.answer(&prompt.challenge_sid, Verdict::Approved).await.expect("it is taken");
    let (status, challenge) = poll.await.expect("no panic");
    assert_eq!((status, &challenge["status"]), (200, &"approved".into()));
    assert!(challenge["url"].as_str().expect("a URL").starts_with(&proxy.base));

    let stranger = self::application(&running, &proxy, STRANGER).with(ACCOUNT, &"0".repeat(32));
    for expected in [401, 401, 401, 429] {
        assert_eq!(stranger.get("/v2/Services").await.0, expected);
    }
    let new = self::application(&running, &proxy, Ipv4Addr::new(127, 0, 0, 4));
    assert_eq!(new.get("/v2/Services").await.0, 200);
    drop(stream);
    assert_eq!(running.stop().await.code, Some(0));
}
