//! Random requests against every route: each response is one of the API's, and none is a 5xx.

use countersign_testkit::SeededEntropy;
use reqwest::Method;

use crate::support::{Caller, Home, Reply, TestApp};

const REQUESTS: usize = 700;

/// Draws from a sequence that repeats with its seed.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, most: usize) -> usize {
        usize::try_from(self.0.next() % most as u64).expect("it is below")
    }

    fn one<'a, T: ?Sized>(&self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Bytes as a form may hold them, escaped or not.
    fn noise(&self) -> Vec<u8> {
        let length = self.below(40);
        let byte = |_| match self.below(4) {
            0 => b"%&=+;{}[]\"\\/.:"[self.below(14)],
            1 => u8::try_from(self.below(256)).expect("a byte"),
            _ => b'a' + u8::try_from(self.below(26)).expect("a letter"),
        };
        (0..length).map(byte).collect()
    }
}

const NAMES: [&str; 41] = [
    "FriendlyName",
    "friendlyname",
    "Identity",
    "FactorType",
    "FactorSid",
    "Binding.PublicKey",
    "Binding.Alg",
    "Config.AppId",
    "Config.SdkVersion",
    "Config.NotificationPlatform",
    "Config.NotificationToken",
    "Config.TimeStep",
    "Metadata",
    "Details.Message",
    "Details.Fields",
    "HiddenDetails",
    "ExpirationDate",
    "AuthPayload",
    "Ttl",
    "EventTypes",
    "WebhookUrl",
    "Status",
    "Version",
    "Kind",
    "Aliases",
    "Networks",
    "Radius.Mode",
    "Type",
    "Sandbox",
    "Secret",
    "KeyId",
    "CodeLength",
    "Push.IncludeDate",
    "Push.ApnCredentialSid",
    "PageSize",
    "Page",
    "PageToken",
    "Order",
    "Totp.Skew",
    "Passkeys.RelyingParty.Origins",
    "",
];

const VALUES: [&str; 35] = [
    "",
    "push",
    "totp",
    "fcm",
    "apn",
    "stream",
    "none",
    "webpush",
    "pending",
    "asc",
    "*",
    "true",
    "FALSE",
    "0",
    "1",
    "60",
    "-1",
    "300",
    "18446744073709551616",
    "1e9",
    "NaN",
    "{}",
    "[]",
    "%7B%22a%22%3A%22b%22%7D",
    "%7B%22label%22%3A%22a%22%2C%22value%22%3A%22b%22%7D",
    "%7B%22a%22%3A%7B%7D%7D",
    "null",
    "ES256",
    "2026-01-01T12:30:00Z",
    "9999-99-99T99:99:99Z",
    "-262144-01-01T00:00:00Z",
    "https://a.example",
    "file:///etc/passwd",
    "%00",
    "%F0%9F%A6%89",
];

/// A form that is valid for the path, so that some requests get past validation.
fn right(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        "Entities" => "Identity=carol-0001",
        "AccessTokens" => "Identity=carol-0001&FactorType=push",
        "Credentials" => "Type=fcm",
        "Webhooks" => "FriendlyName=a&EventTypes=*&WebhookUrl=https://a.example",
        "Integrations" => "FriendlyName=a&Kind=duo",
        "Notifications" => "Ttl=0",
        _ => "FriendlyName=a&Metadata=%7B%22a%22%3A%22b%22%7D",
    }
}

/// A path of parts that exist and parts that do not.
fn path(dice: &Dice, home: &Home) -> String {
    let mut paths: Vec<String> = home.instances().map(|(path, _)| path).to_vec();
    paths.extend(home.lists().map(|(path, _)| path));
    paths.push(format!("{}/Stream", home.factor_path()));
    paths.extend(["/v2/Forms/form-push", "/healthz", "/readyz"].map(str::to_owned));
    let mut path = paths.swap_remove(dice.below(paths.len()));
    if dice.below(3) == 0 {
        let mut parts: Vec<&str> = path.split('/').collect();
        let at = 1 + dice.below(parts.len() - 1);
        let other =
            ["Challenges", "..", "", "VA1", "%2e%2e", "%00", "%ff", "*", "alice-0002", "v2"];
        let sid = format!("YF{}", "0".repeat(32));
        parts[at] = if dice.below(4) == 0 { &sid } else { dice.one(&other) };
        path = parts.join("/");
    }
    path + dice.one(&["", "", "", ".json", "/", "//", ".xml"])
}

fn form(dice: &Dice) -> Vec<u8> {
    let mut form = Vec::new();
    for _ in 0..dice.below(9) {
        form.extend(dice.one(&NAMES).as_bytes());
        form.push(b'=');
        if dice.below(4) == 0 {
            form.extend(dice.noise());
        } else {
            form.extend(dice.one(&VALUES).as_bytes());
        }
        form.push(b'&');
    }
    if dice.below(10) == 0 { dice.noise() } else { form }
}

#[tokio::test]
async fn no_request_is_answered_by_a_fault_of_ours() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("FUZZ_SEED={seed}");
    let dice = Dice(SeededEntropy::new(seed));
    let app = TestApp::start().await;
    let home = Home::furnish(&app, app.api(), "alice-0001").await;
    let (api, device) = (app.api(), app.device(&home.phone));
    let token = app.access_token("alice-0001").await;
    let holder: Caller = api.with("token", &token);
    let nobody = api.with(&String::from_utf8_lossy(&dice.noise()), "x");
    let methods = [&Method::GET, &Method::GET, &Method::PUT, &Method::OPTIONS];
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for number in 0..REQUESTS {
        let path = path(&dice, &home);
        // Rarely, and never the home itself, so that later requests still find something.
        let deletes = dice.below(20) == 0 && !path.contains(&home.service);
        let method = match dice.below(2) {
            _ if deletes => &Method::DELETE,
            0 => &Method::POST,
            _ => dice.one(&methods),
        };
        let caller = [&api, &api, &api, &device, &holder, &nobody][dice.below(6)];
        let query = form(&dice);
        let body = if dice.below(4) == 0 { right(&path).as_bytes().to_vec() } else { form(&dice) };
        let query = String::from_utf8_lossy(&query).replace('#', "");
        let request = caller.request(method.clone(), &format!("{path}?{query}"));
        let request = if *method == Method::POST { request.body(body.clone()) } else { request };
        let reply = Reply::of(request).await;
        let what =
            || format!("{number}: {method} {path}?{query} {}", String::from_utf8_lossy(&body));
        assert!(reply.status < 500, "{}: {reply:?}", what());
        *statuses.entry(reply.status).or_default() += 1;
    }
    println!("{statuses:?}");
    assert!([200, 201, 400, 401, 403, 404, 405].iter().all(|one| statuses.contains_key(one)));
    assert_eq!(api.get("/readyz").await.status, 200);
    home.phone.challenge(&home.challenge).await.expect("the phone is still served");
}
