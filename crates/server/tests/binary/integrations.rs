//! `countersign integrations`: beside a running server, as the API does.

use serde_json::Value;

use crate::support::{Application, Done, Stage};

fn json(done: &Done) -> Value {
    assert_eq!(done.code, Some(0), "{done:?}");
    serde_json::from_str(done.stdout.trim()).expect("a line of JSON")
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().expect(name)
}

#[tokio::test]
async fn an_integration_is_managed_beside_a_running_server() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let app = Application::of(&running);
    let made = app.create("/v2/Services", &[("FriendlyName", "owlbank")]).await;
    let service = text(&made, "sid");
    let run = |arguments: &[&str]| stage.run(&[&["integrations"], arguments].concat());
    let none = run(&["list"]);
    assert!(none.code == Some(0) && none.stderr.contains("no integrations"), "{none:?}");

    let flags = ["--kind", "duo", "--name", "ssh", "--alias", "root=alice-0001", "--json"];
    let created = json(&run(&[&["create", "--service", service], &flags[..]].concat()));
    let (sid, secret) = (text(&created, "sid"), text(&created, "secret"));
    let path = format!("/v2/Services/{service}/Integrations/{sid}");
    let (status, seen) = app.get(&path).await;
    assert_eq!((status, &seen["key"]), (200, &created["key"]), "{seen}");
    assert_eq!(seen["aliases"]["root"], "alice-0001");

    let which = [sid, "--service", service];
    let back = ["--redirect-uri", "https://portal.example/duo"];
    let update = ["update", "--network", "192.0.2.0/24", "--prompt-life", "30", "--json"];
    let update = [&update[..], &back].concat();
    let updated = json(&run(&[&update[..], &which].concat()));
    assert_eq!((&updated["prompt_life"], &updated["aliases"]), (&30.into(), &seen["aliases"]));
    assert_eq!(updated["redirect_uris"], serde_json::json!(back[1..]));
    let listed = json(&run(&["list", "--json"]));
    assert_eq!(listed, updated);
    assert_eq!(json(&run(&[&["show", "--json"], &which[..]].concat())), updated);
    let who = run(&[&["show", "--user", "ROOT"], &which[..]].concat());
    assert_eq!(who.stdout.trim(), "alice-0001", "{who:?}");
    let shown = run(&[&["show"], &which[..]].concat());
    assert!(shown.stdout.contains("networks=[\"192.0.2.0/24\"]"), "{shown:?}");

    let rotated = run(&[&["rotate"], &which[..]].concat());
    let fresh = rotated.stdout.split("secret=").nth(1).expect("a secret").trim();
    assert!(fresh.len() == 40 && fresh != secret, "{rotated:?}");
    let lists = format!("{:?}{:?}{listed}{updated}", run(&["list"]), shown);
    assert!(!lists.contains(secret) && !lists.contains(fresh), "no secret: {lists}");

    assert_eq!(run(&[&["delete"], &which[..]].concat()).code, Some(0));
    for command in ["show", "rotate", "delete", "update"] {
        let done = run(&[&[command], &which[..]].concat());
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains(&format!("there is no {sid} in {service}")), "{done:?}");
    }
}

#[tokio::test]
async fn an_invalid_value_of_an_integration_is_named_by_its_flag() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let made = Application::of(&running).create("/v2/Services", &[("FriendlyName", "a")]).await;
    let create =
        ["integrations", "create", "--service", text(&made, "sid"), "--name", "a", "--kind"];
    for (flags, code, words) in [
        (&["radius"][..], 1, "--network is required for radius"),
        (&["radius", "--network", "10.0.0.1/8"], 1, "--network must have no bits"),
        (&["radius", "--network", "10.0.0.1", "--legacy", "true"], 1, "--legacy is for"),
        (&["duo", "--radius-mode", "wait"], 1, "--radius-mode is for"),
        (&["duo", "--alias", "ann"], 1, "--alias must have the form"),
        (&["duo", "--presence", "face"], 1, "--presence must be"),
        (&["fax"], 2, "must be duo, radius, openid, keycloak or forward_auth"),
        (&["duo", "--ciba", "poll"], 1, "--ciba is for"),
        (&["openid", "--ciba", "ping"], 1, "--notification-endpoint is required"),
        (&["openid", "--redirect-uri", "http://shop.example"], 1, "--redirect-uri must be"),
        (&["duo", "--redirect-uri", "http://shop.example"], 1, "--redirect-uri must be"),
        (&["radius", "--redirect-uri", "https://a.example"], 1, "of the kinds openid and duo only"),
        (&["keycloak"], 1, "--issuer is required"),
        (&["forward_auth"], 1, "--site is required for forward_auth"),
        (&["forward_auth", "--site", "https://a.example/b"], 1, "--site must be sites"),
        (&["forward_auth", "--session-life", "9"], 2, "300..=2592000"),
        (&["duo", "--site", "https://a.example"], 1, "--site is for"),
        (&["duo", "--user-rule", "upper"], 2, "must be hashed"),
        (&["duo", "--prompt-life", "9"], 2, "10..=600"),
    ] {
        let done = stage.run(&[&create[..], flags].concat());
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(done.stderr.contains(words), "{done:?}");
    }
}
