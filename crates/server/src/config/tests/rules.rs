//! Which settings are taken, which are refused, and which source wins.

use countersign_bus::nats::SealingKey;

use super::load;
use crate::config::*;

#[test]
fn every_setting_has_a_default() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.limits.notifications_per_challenge, 3);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "[limits]\nnotifications_per_challenge = 4\nchallenges_per_factor_per_hour = 5\npush_factors_per_entity = 6";
    let variables = [
        ("COUNTERSIGN_LIMITS__CHALLENGES_PER_FACTOR_PER_HOUR", "50"),
        ("COUNTERSIGN_LIMITS__PUSH_FACTORS_PER_ENTITY", "60"),
        ("COUNTERSIGN_ACCOUNT_SID", "AC-is-no-key"),
    ];
    let limits = load(file, &variables, &["limits.push_factors_per_entity=600"]).unwrap().limits;
    assert_eq!(limits.notifications_per_challenge, 4);
    assert_eq!(limits.challenges_per_factor_per_hour, 50);
    assert_eq!(limits.push_factors_per_entity, 600);
}

#[test]
fn the_settings_that_name_the_database_tell_their_origins() {
    let file = "data_dir = \"/srv/one\"";
    let variable = ("COUNTERSIGN_DATA_DIR", "/srv/two");
    let url = ("COUNTERSIGN_DATABASE__URL", "postgres://me:hunter2@a/b");
    let database_origin = |config: anyhow::Result<Config>| config.unwrap().database_origin();
    assert!(
        database_origin(Config::load(&Sources::default()))
            .contains("countersign-data, from the default")
    );
    let of_file = database_origin(load(file, &[], &[]));
    assert!(
        of_file.contains("/srv/one, from ") && of_file.contains("countersign.toml"),
        "{of_file}"
    );
    assert!(
        database_origin(load(file, &[variable], &[]))
            .contains("/srv/two, from COUNTERSIGN_DATA_DIR")
    );
    let flag = ["data_dir=/srv/three"];
    assert!(
        database_origin(load(file, &[variable], &flag))
            .contains("/srv/three, from the command line")
    );
    assert_eq!(
        database_origin(load("", &[url], &[])),
        "database.url is from COUNTERSIGN_DATABASE__URL"
    );
}

#[test]
fn a_list_is_written_as_one_or_with_commas() {
    let file = "[outgoing]\nallow = [\"10.0.0.0/8\", \"::1/128\"]";
    assert_eq!(load(file, &[], &[]).unwrap().outgoing.allow, ["10.0.0.0/8", "::1/128"]);
    let config = load(file, &[], &["outgoing.allow=127.0.0.0/8, 10.0.0.0/8"]).unwrap();
    assert_eq!(config.outgoing.allow, ["127.0.0.0/8", "10.0.0.0/8"]);
}

#[test]
fn a_bus_is_set_completely_or_not_at_all() {
    let right = [
        "bus.nats=nats://10.0.0.7:4222,tls://nats.example.com",
        "bus.user=countersign",
        "bus.password_file=p",
    ];
    let bus = load("", &[], &right).unwrap().bus;
    assert_eq!(bus.nats, ["nats://10.0.0.7:4222", "tls://nats.example.com"]);
    assert_eq!(bus.prefix, "countersign");

    let nats = "bus.nats=nats://127.0.0.1:4222";
    for (settings, named) in [
        (&["bus.user=countersign"][..], "bus.nats"),
        (&["bus.nats=127.0.0.1:4222"], "bus.nats"),
        (&["bus.nats=http://127.0.0.1:4222"], "bus.nats"),
        (&["bus.nats=nats://user:hunter2@127.0.0.1"], "bus.password_file"),
        (&[nats, "bus.prefix=a.b"], "bus.prefix"),
        (&[nats, "bus.user=countersign"], "bus.password_file"),
        (&[nats, "bus.password_file=p"], "bus.user"),
        (&[nats, "bus.token_file=t", "bus.nkey_file=n"], "bus.nkey_file"),
        (&[nats, "bus.tls_key=k"], "bus.tls_certificate"),
    ] {
        let error = format!("{:#}", load("", &[], settings).unwrap_err());
        assert!(error.contains(named) && !error.contains("hunter2"), "{settings:?}: {error}");
    }
}

#[test]
fn a_file_of_the_bus_that_cannot_be_read_is_named_with_its_setting() {
    let nats = "bus.nats=nats://127.0.0.1:4222";
    for key in ["bus.token_file", "bus.nkey_file", "bus.credentials_file", "bus.roots"] {
        let file = format!("{key}=/nonexistent/file");
        let bus = load("", &[], &[nats, &file]).unwrap().bus;
        let error = bus.options(SealingKey::new(&[0; 32])).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(key) && error.contains("/nonexistent/file"), "{error}");
    }
}

#[test]
fn nats_on_another_machine_needs_a_login_or_tls_unless_that_is_allowed() {
    for open in ["nats://10.0.0.7:4222", "nats://nats.example.com", "nats://[fd00::7]:4222"] {
        let nats = format!("bus.nats=nats://127.0.0.1:4222,{open}");
        let error = format!("{:#}", load("", &[], &[&nats]).unwrap_err());
        assert!(error.contains("bus.insecure") && error.contains(open), "{error}");
        load("", &[], &[&nats, "bus.insecure=true"]).unwrap();
        load("", &[], &[&nats, "bus.token_file=t"]).unwrap();
    }
    for closed in ["tls://10.0.0.7", "nats://127.1.2.3", "nats://[::1]:4222", "nats://localhost"] {
        load("", &[], &[&format!("bus.nats={closed}")]).unwrap();
    }
    let error = load("", &[], &["bus.insecure=true"]).unwrap_err();
    assert!(format!("{error:#}").contains("bus.nats"), "{error:#}");
}

#[test]
fn a_quota_that_cannot_be_enforced_is_rejected() {
    for name in ["services", "credentials", "api_keys"] {
        let set = |most: u32| format!("limits.{name}_per_account={most}");
        for most in [0, 50_000] {
            assert!(load("", &[], &[&set(most)]).is_ok(), "{name} {most}");
        }
        let error = format!("{:#}", load("", &[], &[&set(50_001)]).unwrap_err());
        assert!(error.contains(&format!("limits.{name}_per_account")), "{error}");
    }
}

#[test]
fn the_console_moves_to_the_operators_listener_only_if_there_is_one() {
    let moved = ["console.listen=admin", "admin.listen=127.0.0.1:9090"];
    assert_eq!(load("", &[], &moved).unwrap().console.listen, ConsoleListener::Admin);
    for (settings, named) in [
        (&moved[..1], "admin.listen"),
        (&["console.listen=elsewhere"], "console.listen"),
        (&["console.public_url=ftp://a"], "console.public_url"),
        (&["console.public_url=https://a/?b"], "console.public_url"),
    ] {
        let error = format!("{:#}", load("", &[], settings).unwrap_err());
        assert!(error.contains(named), "{settings:?}: {error}");
    }
}

#[test]
fn a_trusted_proxy_is_an_address_or_a_network_and_never_every_address() {
    let settings = ["http.trusted_proxies=10.0.0.7, 10.1.2.3/16,fd00::/8,::ffff:192.0.2.0/120"];
    let http = load("", &[], &settings).unwrap().http;
    let networks = http.trusted_networks().unwrap().into_iter().map(|net| net.to_string());
    let expected = ["10.0.0.7/32", "10.1.2.3/16", "fd00::/8", "192.0.2.0/24"];
    assert_eq!(networks.collect::<Vec<_>>(), expected);
    for (settings, named) in [
        (&["http.trusted_proxies=proxy.example.com"][..], "proxy.example.com"),
        (&["http.trusted_proxies=10.0.0.0/33"], "10.0.0.0/33"),
        (&["http.trusted_proxies=10.0.0.7:80"], "10.0.0.7:80"),
        (&["http.trusted_proxies=0.0.0.0/0"], "every address"),
        (&["http.trusted_proxies=::/0"], "every address"),
        (&["http.proxy_protocol=true"], "http.trusted_proxies"),
        (&["http.proxy_header=via"], "http.proxy_header"),
    ] {
        let error = format!("{:#}", load("", &[], settings).unwrap_err());
        assert!(error.contains(named), "{settings:?}: {error}");
    }
}

#[test]
fn a_certificate_needs_its_key() {
    let error = load("[http]\ntls_certificate = \"a.pem\"", &[], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("http.tls_key"), "{error:#}");
}

#[test]
fn a_witness_is_a_url_and_the_key_of_a_witness() {
    let key = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
    let one = format!("transparency.witnesses=https://witness.example {key}");
    let config = load("", &[], &[&one]).unwrap();
    let (url, read) = config.transparency.witnesses().unwrap().remove(0);
    assert_eq!((url.as_str(), read.to_string().as_str()), ("https://witness.example/", key));
    let of_a_log =
        "countersign.example/audit+6e47d7f4+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    for wrong in [
        key.to_owned(),
        format!("ftp://w {key}"),
        format!("https://w {of_a_log}"),
        "https://w".to_owned(),
    ] {
        let setting = format!("transparency.witnesses={wrong}");
        let error = format!("{:#}", load("", &[], &[&setting]).unwrap_err());
        assert!(error.contains("transparency.witnesses"), "{error}");
    }
    assert!(load("", &[], &["transparency.origin=verify example"]).is_err());
}
