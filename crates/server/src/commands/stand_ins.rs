//! `countersign stand-ins`: push services on this machine that speak the real protocols.

use std::path::Path;

use anyhow::Context as _;
use countersign_standins::{CommonOptions, Faults, Options, Running};

use super::arrivals;
use crate::cli::StandIns;
use crate::{folder, secret_file};

pub(super) async fn run(flags: &StandIns) -> anyhow::Result<()> {
    let faults = flags.faults.map_or_else(Faults::none, Faults::from_seed);
    println!("{faults}");
    let common = CommonOptions { faults, ..CommonOptions::default() };
    let running = countersign_standins::run(Options { common, ..Options::default() }).await?;
    write_files(&running, &flags.folder)?;
    print_instructions(&running, &flags.folder);
    tokio::select! {
        () = arrivals::print(&running) => Ok(()),
        interrupt = tokio::signal::ctrl_c() => interrupt.context("cannot wait for an interrupt"),
    }
}

/// Writes the certificate authority, the keys and the settings for a server.
fn write_files(running: &Running, folder: &Path) -> anyhow::Result<()> {
    folder::make(folder)?;
    let key = running.apns.key();
    let ca = std::path::absolute(folder.join("ca.pem"))?;
    let settings = format!(
        "[outgoing]\napns_url = \"{}\"\napns_sandbox_url = \"{}\"\nfcm_url = \"{}\"\nroots = [{:?}]\nallow = [\"127.0.0.0/8\"]\n",
        running.apns.url(),
        running.apns.url(),
        running.fcm.url(),
        ca,
    );
    let files = [
        ("ca.pem", running.authority.pem().to_owned()),
        ("apns.p8", key.pem.clone()),
        ("fcm.json", running.fcm.service_account().to_string()),
        ("countersign.toml", settings),
    ];
    for (name, text) in files {
        // Keys and addresses change at every start.
        secret_file::replace(&folder.join(name), &text)?;
    }
    Ok(())
}

fn print_instructions(running: &Running, folder: &Path) {
    let (key, folder) = (running.apns.key(), folder.display());
    println!(
        "\n  Apple     {}\n  Google    {}\n  browsers  {}   (POST /subscribe creates a subscription)\n  webhook   {}\n",
        running.apns.url(),
        running.fcm.url(),
        running.web_push.url(),
        running.webhook.url(),
    );
    println!(
        "A server that pushes to them:\n\n  countersign serve --config {folder}/countersign.toml\n"
    );
    println!(
        "Credentials for it, with SID and TOKEN of its account:\n\n  \
         curl -u \"$SID:$TOKEN\" http://127.0.0.1:8080/v1/Credentials -d Type=apn -d KeyId={} -d TeamId={} -d Topic={} --data-urlencode PrivateKey@{folder}/apns.p8\n  \
         curl -u \"$SID:$TOKEN\" http://127.0.0.1:8080/v1/Credentials -d Type=fcm --data-urlencode Secret@{folder}/fcm.json\n",
        key.key_id,
        key.team_id,
        key.topics.first().map_or("", String::as_str),
    );
    println!(
        "Name their SIDs as Push.ApnCredentialSid and Push.FcmCredentialSid of a service. Ctrl-C ends the stand-ins. Calls that arrive are shown below, one per line:\n"
    );
}
