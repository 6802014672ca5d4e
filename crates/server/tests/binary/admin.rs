//! The operator's listener, TLS, and what a machine asks.

use countersign_phone::{ServerOptions, Verdict};

use crate::support::{ACCOUNT, Application, Stage, TOKEN, client, free_port};

async fn status(url: &str) -> u16 {
    client().get(url).send().await.expect("it answers").status().as_u16()
}

#[tokio::test]
async fn health_is_on_the_main_listener_until_there_is_another() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    for (path, expected) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 404)] {
        assert_eq!(status(&format!("{}{path}", running.base)).await, expected, "{path}");
    }
    running.stop().await;

    let admin = format!("127.0.0.1:{}", free_port());
    let running = stage.serve(&["--set", &format!("admin.listen={admin}")]).await;
    let application = Application::of(&running);
    let phone = application.phone(&ServerOptions::default()).await;
    application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    for (path, on_main, on_admin) in [
        ("/healthz", 404, 200),
        ("/readyz", 404, 200),
        ("/metrics", 404, 200),
        ("/status", 404, 200),
        ("/v2/Services", 401, 404),
    ] {
        assert_eq!(status(&format!("{}{path}", running.base)).await, on_main, "{path}");
        assert_eq!(status(&format!("http://{admin}{path}")).await, on_admin, "{path}");
    }
    let answer = client().get(format!("http://{admin}/metrics")).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let metrics = answer.text().await.unwrap();
    for name in [
        "countersign_http_request_seconds",
        "countersign_store_commit_seconds",
        "countersign_push_circuits_open{platform=\"apn\"} 0",
        "countersign_push_circuit_openings_total{platform=\"webpush\"} 0",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    for secret in [ACCOUNT, TOKEN, "alice-0001", phone.factor_sid()] {
        assert!(!metrics.contains(secret), "no series of one tenant's: {secret}");
    }
    let status = client().get(format!("http://{admin}/status")).send().await.unwrap();
    let status: serde_json::Value = status.json().await.unwrap();
    assert!(status["date_checked"].is_string(), "{status}");
    let found = status["attention"].as_array().unwrap();
    let word = if found.is_empty() { "well" } else { "needs_attention" };
    assert_eq!(status["status"], word, "{status}");
    // A busy machine may write slowly.
    assert!(found.iter().all(|it| it["matter"] == "database_slow"), "{status}");
    let listen = format!("admin.listen={admin}");
    let told = stage.run(&["status", "--json", "--set", &listen]);
    let json: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    let is_well = json["status"] == "well";
    assert_eq!(told.code, Some(i32::from(!is_well)), "{told:?}");
    let told = stage.run(&["status", "--set", &listen]);
    assert!(told.stdout.contains("hecked at "), "{told:?}");
    let told = stage.run(&["status"]);
    assert!(told.code == Some(1) && told.stderr.contains("set `admin.listen`"), "{told:?}");
    let done = running.stop().await;
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[tokio::test]
async fn over_tls_all_routes_behave_the_same() {
    let stage = Stage::with_account();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let chain = stage.write("chain.pem", &made.cert.pem());
    let key = stage.write("key.pem", &made.signing_key.serialize_pem());
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    let base = format!("https://localhost:{}", free_port());
    let (chain, key) = (format!("http.tls_certificate={chain}"), format!("http.tls_key={key}"));
    let address = base.replace("https://localhost", "127.0.0.1");
    let settings = ["--public-url", &base, "--set", &chain, "--set", &key];
    let running = stage.begin(&address, "https", &settings);
    running.answers(&client, &format!("{base}/healthz"), &settings).await;

    let application = Application { client, base: base.clone(), ..Application::of(&running) };
    let options =
        ServerOptions { ca_pem: Some(made.cert.pem().into_bytes()), ..ServerOptions::default() };
    let phone = application.phone(&options).await;
    let mut stream = phone.connect().await.unwrap();
    let path = application.challenge(&phone, &[("Details.Message", "Log in?")]).await;
    let prompt = stream.next_prompt().await.unwrap();
    phone.answer(&prompt.challenge_sid, Verdict::Approved).await.unwrap();
    let (_, challenge) = application.get(&path).await;
    assert_eq!(challenge["status"], "approved");
    assert!(challenge["url"].as_str().unwrap().starts_with(&base));
    let url = format!("{base}/healthz");
    let answer = application.client.get(url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    drop(stream);
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn asking_whether_it_is_ready_writes_nothing() {
    let stage = Stage::with_account();
    let running = stage.serve(&[]).await;
    let database = rusqlite::Connection::open(stage.data().join("countersign.db")).unwrap();
    let pulse = || -> i64 {
        database.query_row("SELECT pulse FROM installation", (), |row| row.get(0)).unwrap()
    };
    let before = pulse();
    for _ in 0..20 {
        assert_eq!(status(&format!("{}/readyz", running.base)).await, 200);
    }
    assert_eq!(pulse(), before);
}
