//! `countersign status`: asks the running server of these settings what needs an operator's attention.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::ready::{client, reached};
use crate::cli::Listing;
use crate::config::Config;

/// The response of `/status`.
#[derive(Debug, Deserialize)]
struct Status {
    date_checked: String,
    attention: Vec<Attention>,
}

#[derive(Debug, Deserialize)]
struct Attention {
    title: String,
    cause: String,
    since: Option<String>,
    sid: Option<String>,
}

/// Prints what needs attention. The exit code is 0 if nothing does, and 1 otherwise.
pub(super) async fn run(config: &Config, listing: Listing) -> anyhow::Result<ExitCode> {
    let listen = config.admin.listen.context(
        "the operator's listener is off: set `admin.listen`, such as 127.0.0.1:9090, and restart the server",
    )?;
    let url = format!("http://{}/status", reached(listen));
    let response = client()?.get(&url).send().await;
    let response = response.with_context(|| format!("no server answers at {url}"))?;
    let (code, body) = (response.status(), response.text().await.unwrap_or_default());
    ensure!(code.is_success(), "the server at {url} answers {code}: {}", body.trim_end());
    let status: Status =
        serde_json::from_str(&body).with_context(|| format!("no Countersign is at {url}"))?;
    if listing.json {
        println!("{}", body.trim_end());
    } else {
        print!("{}", words(&status));
    }
    Ok(if status.attention.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(status: &Status) -> String {
    let Status { date_checked, attention } = status;
    if attention.is_empty() {
        return format!("All is well. Checked at {date_checked}.\n");
    }
    let mut text = String::new();
    for Attention { title, cause, since, sid } in attention {
        let sid = sid.as_ref().map(|sid| format!(" ({sid})")).unwrap_or_default();
        let since = since.as_ref().map(|since| format!(" Since {since}.")).unwrap_or_default();
        text.push_str(&format!("{title}{sid}\n  {cause}{since}\n"));
    }
    text.push_str(&format!("Checked at {date_checked}.\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matter_has_its_cause_its_beginning_and_the_resource_that_it_is_about() {
        let status = |attention| Status { date_checked: "2026-01-31T12:00:00Z".into(), attention };
        assert_eq!(words(&status(vec![])), "All is well. Checked at 2026-01-31T12:00:00Z.\n");
        let refused = Attention {
            title: "The push credential “app” is refused".into(),
            cause: "Apple says InvalidProviderToken.".into(),
            since: Some("2026-01-31T11:00:00Z".into()),
            sid: Some("CR1".into()),
        };
        assert_eq!(
            words(&status(vec![refused])),
            "The push credential “app” is refused (CR1)\n  Apple says InvalidProviderToken. Since 2026-01-31T11:00:00Z.\n\
             Checked at 2026-01-31T12:00:00Z.\n"
        );
    }
}
