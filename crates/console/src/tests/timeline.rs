//! The timeline: filters, pages, exports and live lines; and the search.

use std::sync::Arc;

use countersign_domain::challenge::{Challenge, Details};
use countersign_domain::delivery::InitialState;
use countersign_domain::ending::{Ending, ErrorCode, StatusReason};
use countersign_domain::factor::FactorChange;
use countersign_domain::outcome::{AfterAttempt, Outcome};
use countersign_domain::presence::PresenceNumber;
use countersign_domain::presence_choice::PresenceWish;
use countersign_domain::service_protection::PresenceList;
use countersign_domain::settled::DeliveryEvent;
use countersign_domain::text::Message;
use countersign_verify::challenge_groups::Devices;
use countersign_verify::challenges::NewChallenge;
use http::{HeaderMap, Request, StatusCode};

use super::page::Page;
use super::scene::{Browser, Furnished, Scene};

impl Scene {
    /// A challenge with this question, a second later.
    async fn asked(&self, furnished: &Furnished, message: &str) -> Challenge {
        self.stage.pass(1);
        let challenge = self.stage.make.challenge(&furnished.factor);
        let details =
            Details { message: Message::parse(message).ok(), ..challenge.details.clone() };
        let challenge = Challenge { details, ..challenge };
        self.stage.open(&challenge, None).await;
        challenge
    }

    /// A push that a push service refused.
    async fn refused(&self, challenge: &Challenge) {
        let lease = self.stage.leased(challenge).await;
        let mut record = self.stage.record(Outcome::Acknowledged);
        record.platform = "fcm".to_owned();
        record.outcome = "gone".to_owned();
        record.code = Some(ErrorCode::NO_DESTINATION);
        let ending = Ending::failed(StatusReason::AddressGone, ErrorCode::NO_DESTINATION);
        let after = AfterAttempt::Done(ending);
        let what = DeliveryEvent::Attempted { record, after, forget: None };
        assert!(self.stage.settle(&lease, what).await);
    }
}

impl Scene {
    /// Another window of a browser.
    pub(super) fn window_of(&self, browser: &Browser) -> Browser {
        Browser { cookies: browser.cookies.clone(), ..self.browser() }
    }
}

impl Browser {
    /// The headers of a response whose body is not read.
    pub(super) async fn headers_of(&mut self, path: &str, headers: &[(&str, &str)]) -> HeaderMap {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request, String::new()).await.headers().clone()
    }
}

/// The challenges on a page, in its order.
fn lines(page: &Page) -> Vec<String> {
    let ids = page.text.split("id=\"line-").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The link of a neighbouring page.
fn link(page: &Page, rel: &str) -> Option<String> {
    let before = page.text.split(&format!("\" rel=\"{rel}\"")).next()?;
    if before.len() == page.text.len() {
        return None;
    }
    Some(before.rsplit("href=\"").next()?.replace("&#38;", "&"))
}

fn sids(challenges: &[Challenge]) -> Vec<String> {
    challenges.iter().map(|challenge| challenge.sid.to_string()).collect()
}

#[tokio::test]
async fn filters_are_in_the_address_and_keep_what_fits() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let login = scene.asked(&furnished, "Log in?").await;
    let payment = scene.asked(&furnished, "Pay 3 EUR?").await;
    scene.stage.answer(&login).await;
    scene.refused(&payment).await;
    let mut browser = scene.operator().await;
    let (service, now) = (furnished.service.sid, payment.created_at);
    for (query, expected) in [
        ("status=approved", vec![&login]),
        ("status=denied", vec![]),
        ("message=pay", vec![&payment]),
        ("platform=fcm&outcome=gone", vec![&payment]),
        ("platform=apn&outcome=gone", vec![]),
        ("code=52001", vec![&payment]),
        (&format!("service={service}&message=log+in%3F"), vec![&login]),
        (&format!("from={now}"), vec![&payment]),
        (&format!("to={now}"), vec![&login, &furnished.challenge]),
    ] {
        let page = browser.get(&format!("/console/timeline?{query}")).await;
        let expected: Vec<_> = expected.iter().map(|it| it.sid.to_string()).collect();
        assert_eq!((page.status, lines(&page)), (StatusCode::OK, expected), "{query}");
        page.shows("What is filtered");
    }
    let page = browser.get("/console/timeline?status=&message=Pay&from=").await;
    assert_eq!(page.location, "/console/timeline?message=Pay");
    let page = browser.get("/console/timeline?status=done&message=Pay").await;
    assert_eq!((page.status, lines(&page)), (StatusCode::BAD_REQUEST, vec![]));
    page.shows("Status must be pending, expired, approved or denied.");
    page.shows("value=\"Pay\"");
}

#[tokio::test]
async fn pages_lead_to_older_and_newer_ones_and_back() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut all = vec![furnished.challenge.clone()];
    for number in 0..120 {
        all.insert(0, scene.asked(&furnished, &format!("Question {number}?")).await);
    }
    let mut browser = scene.operator().await;
    let first = browser.get("/console/timeline?message=Quest").await;
    assert_eq!((lines(&first), link(&first, "prev")), (sids(&all[..50]), None));
    let older = link(&first, "next").unwrap();
    assert!(older.contains("message=Quest&"), "{older}");
    let second = browser.get(&older).await;
    assert_eq!(lines(&second), sids(&all[50..100]));
    let last = browser.get(&link(&second, "next").unwrap()).await;
    assert_eq!((lines(&last), link(&last, "next")), (sids(&all[100..120]), None));
    last.hides("timeline.js");
    let back = browser.get(&link(&last, "prev").unwrap()).await;
    assert_eq!(lines(&back), sids(&all[50..100]));
    let newest = browser.get(&link(&back, "prev").unwrap()).await;
    assert_eq!((lines(&newest), link(&newest, "prev")), (sids(&all[..50]), None));
    assert_eq!(browser.get("/console/timeline?before=x").await.status, StatusCode::NOT_FOUND);
}

/// Without scripts the page loads itself again, unless it is paused.
#[tokio::test]
async fn a_filtered_page_can_be_paused_without_scripts() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let page = browser.get("/console/timeline?message=Pay").await;
    page.shows("<meta http-equiv=\"refresh\"");
    page.shows("<a href=\"/console/timeline?message=Pay&#38;live=no\">Pause updates</a>");
    page.shows("data-stream=\"/console/timeline/live?message=Pay\"");
    let held = browser.get("/console/timeline?message=Pay&live=no").await;
    held.hides("http-equiv=\"refresh\"");
    held.hides("data-stream");
    held.shows("<a href=\"/console/timeline?message=Pay\">Resume updates</a>");
}

#[tokio::test]
async fn an_export_holds_what_the_filter_keeps_and_no_formula() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let formula = scene.asked(&furnished, "=HYPERLINK(\"x\")").await;
    scene.refused(&formula).await;
    for number in 0..250 {
        scene.asked(&furnished, &format!("Question {number}?")).await;
    }
    let mut browser = scene.operator().await;
    let csv = browser.get("/console/timeline/export.csv?message=Quest").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"challenges.csv\"");
    assert_eq!(csv.text.lines().count(), 251, "with a head");
    assert!(csv.text.starts_with("\"sid\",\"date_created\","));
    let csv = browser.get("/console/timeline/export.csv?code=52001").await;
    csv.shows("\"'=HYPERLINK(\"\"x\"\")\",\"1\",\"failed\",\"fcm\",\"gone\",\"52001\"");
    assert_eq!(csv.text.lines().count(), 2);
    let json = browser.get("/console/timeline/export.json?code=52001").await;
    let value: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    let one = &value["challenges"][0];
    assert_eq!(one["sid"], formula.sid.to_string());
    assert_eq!(one["message"], "=HYPERLINK(\"x\")");
    assert_eq!(one["notifications"][0]["attempts"][0]["error_code"], 52_001);
    assert_eq!(
        (&value["cut_at"], value["challenges"].as_array().unwrap().len()),
        (&serde_json::Value::Null, 1)
    );
    let all = browser.get("/console/timeline/export.json").await;
    let all: serde_json::Value = serde_json::from_str(&all.text).unwrap();
    assert_eq!(all["challenges"].as_array().unwrap().len(), 252);
    let wrong = browser.get("/console/timeline/export.csv?status=x").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_two_exports_are_written_at_a_time() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let permits = Arc::clone(&scene.console.exports);
    let held = permits.acquire_many_owned(2).await.unwrap();
    let path = "/console/timeline/export.csv";
    assert_eq!(browser.get(path).await.status, StatusCode::TOO_MANY_REQUESTS);
    drop(held);
    assert_eq!(browser.get(path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stream_sends_new_lines_until_the_session_ends() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let mut browser = scene.operator().await;
    let first = browser.get("/console/timeline/live?message=Pay").await;
    assert_eq!(first.header("content-type"), "text/event-stream");
    assert_eq!(first.header("cache-control"), "no-cache");
    first.shows("event: lines");
    first.shows("There is no challenge here.");
    scene.asked(&furnished, "Log in?").await;
    let payment = scene.asked(&furnished, "Pay 3 EUR?").await;
    let next = browser.event().await.unwrap();
    assert!(next.contains(&format!("line-{}", payment.sid)), "{next}");
    assert!(!next.contains("Log in?"), "{next}");
    // Signed out in another window.
    let mut other = scene.window_of(&browser);
    other.post("/console/services", "/console/sign-out", &[]).await;
    assert!(browser.event().await.unwrap().contains("event: over"));
    assert_eq!(browser.event().await, None);
}

#[tokio::test]
async fn a_stream_ends_with_the_server_and_a_session_has_few_of_them() {
    let scene = Scene::new().await;
    let mut browser = scene.operator().await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = scene.window_of(&browser);
        assert_eq!(other.get("/console/timeline/live").await.status, StatusCode::OK);
        others.push(other);
    }
    let refused = browser.get("/console/timeline/live").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    scene.shutdown.cancel();
    for mut other in others {
        assert_eq!(other.event().await, None);
    }
}

#[tokio::test]
async fn the_search_finds_resources_by_their_first_characters() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let payment = scene.asked(&furnished, "Pay 3 EUR?").await;
    scene.asked(&furnished, "pay 4 EUR?").await;
    let mut browser = scene.operator().await;
    let person = furnished.person();
    let people = browser.get("/console/search?q=sam-").await;
    people.shows(&format!("<a href=\"{person}\">"));
    people.shows("of Harbour Bank");
    people.shows("value=\"sam-\"");
    browser.get("/console/search?q=am-porter").await.shows("Nothing in this account is called");
    let name = furnished.factor.friendly_name.as_str().to_uppercase();
    let devices = browser.get(&format!("/console/search?q={}", name.replace(' ', "+"))).await;
    devices.shows(&format!("{person}#{}", furnished.factor.sid));
    let questions = browser.get("/console/search?q=PAY").await;
    assert_eq!(questions.text.matches(" EUR?</bdi>").count(), 2);
    questions.shows("/console/timeline?message=PAY");
    let factor = furnished.factor.sid.to_string();
    let page = browser.get(&format!("/console/search?q={}", &factor[..30])).await;
    assert_eq!(page.location, format!("{person}#{factor}"));
    let entity = furnished.factor.owner.entity.to_string();
    assert_eq!(browser.get(&format!("/console/search?q={entity}")).await.location, person);
    let service = furnished.service.sid.to_string();
    let page = browser.get(&format!("/console/search?q={}", &service[..33])).await;
    assert_eq!(page.location, format!("/console/services/{service}"));
    let sid = payment.sid.to_string();
    let both = browser.get(&format!("/console/search?q={}", &sid[..8])).await;
    assert_eq!(both.text.matches("id=\"row-").count(), 3);
    let one = browser.get(&format!("/console/search?q={sid}")).await;
    assert_eq!(one.location, format!("/console/challenges/{sid}"));
}

/// Every page has the search; a page that is made for one request is compressed.
#[tokio::test]
async fn pages_are_compressed_and_have_a_search() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    scene.stage.notify(&furnished.challenge, 0, InitialState::Ended(Ending::DELIVERED)).await;
    let mut browser = scene.operator().await;
    for path in furnished.pages() {
        browser.get(&path).await.shows("<input id=\"find\" name=\"q\" type=\"search\"");
        let packed = browser.headers_of(&path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(packed["content-encoding"], "gzip");
    }
}

/// Whether a word is in the text of a page, outside of its tags.
fn has_word(page: &Page, word: &str) -> bool {
    let texts = page.text.split('<').filter_map(|tag| tag.split_once('>'));
    texts
        .into_iter()
        .any(|(_, text)| text.split(|c: char| !c.is_alphanumeric()).any(|it| it == word))
}

/// No page shows the number, in any state of the challenge.
#[tokio::test]
async fn a_challenge_names_its_group_and_presence_but_not_the_number() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let service = furnished.service.sid;
    let tablet = scene.stage.factor_of(&furnished.service, &furnished.identity).await;
    for factor in [&furnished.factor, &tablet] {
        let change = FactorChange { takes_numbers: Some(true), ..FactorChange::default() };
        let (entity, now) = (factor.owner.entity, scene.stage.now());
        scene.stage.store.update_factor(entity, factor.sid, &change, now).await.unwrap();
    }
    let answer = PresenceNumber::new(77);
    let presence = PresenceWish { modes: PresenceList::parse("number").ok(), answer, label: None };
    let new = NewChallenge {
        expires_at: None,
        message: Message::parse("Log in?").ok(),
        fields: Vec::new(),
        hidden_details: None,
        code: None,
        presence,
    };
    let verify = scene.verify();
    let group = verify.create_challenge_group(
        scene.account,
        service,
        &furnished.identity,
        &Devices::All,
        &new,
    );
    let group = group.await.unwrap();
    let mut browser = scene.operator().await;
    let all: Vec<_> = group.challenges().collect();
    for (this, other) in [(all[0], all[1]), (all[1], all[0])] {
        let page = browser.get(&format!("/console/challenges/{}", this.sid)).await;
        page.shows(&group.sid().to_string());
        page.shows(&format!("href=\"/console/challenges/{}\"", other.sid));
        page.hides(&format!("href=\"/console/challenges/{}\"", this.sid));
        page.shows("number: shown on the page that asked, typed on the device");
        assert!(!has_word(&page, "77"));
    }
    let person = browser.get(&furnished.person()).await;
    person.shows("on 2 devices at once");
    assert!(!has_word(&person, "77"));
    let found = browser.get(&format!("/console/search?q={}", group.sid())).await;
    assert_eq!(found.location, format!("/console/challenges/{}", all[0].sid));
}

#[tokio::test]
async fn a_challenge_is_drawn_in_milliseconds_and_written_as_a_command() {
    let scene = Scene::new().await;
    let furnished = scene.furnish().await;
    let asked = scene.asked(&furnished, "It's <me>?").await;
    scene.refused(&asked).await;
    scene.stage.pass(8);
    scene.stage.answer(&asked).await;
    let mut browser = scene.operator().await;
    let page = browser.get(&format!("/console/challenges/{}", asked.sid)).await;
    page.shows("<th scope=\"row\">Attempt over fcm:");
    page.shows("<th scope=\"row\">Person approved</th><td>0.0</td><td>8000</td>");
    page.shows("&#39;Details.Message=It&#39;\\&#39;&#39;s &#60;me&#62;?&#39;");
    page.shows("$AUTH_TOKEN");
}
