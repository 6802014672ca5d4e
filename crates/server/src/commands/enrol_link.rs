//! `countersign enrol-link`: a link that enrols a browser as a device, as text and as a QR code. It works beside a
//! running server.

use std::io::IsTerminal as _;

use anyhow::{Context as _, anyhow};
use countersign_domain::access_token::TTL;
use countersign_domain::invitation::{Invitation, is_safe};
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::{AccountLabel, Identity};
use countersign_verify::access_tokens::NewAccessToken;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::{beside, lists};
use crate::cli::EnrolLink;
use crate::config::Config;
use crate::telemetry::may_be_coloured;
use crate::urls::public_url;

/// Creates an access token, and prints the link that carries it.
pub(super) async fn run(config: &Config, flags: EnrolLink) -> anyhow::Result<()> {
    let shown = &flags.service;
    let service: ServiceSid =
        shown.parse().with_context(|| format!("{shown} is not the SID of a service (VA…)"))?;
    let identity = Identity::parse(&flags.identity).map_err(|why| anyhow!("--identity {why}"))?;
    let account_label = flags.account_label.map(AccountLabel::written).transpose();
    let account_label = account_label.map_err(|why| anyhow!("--account-label {why}"))?;
    let server = public_url(config, config.http.listen)?;
    let (verify, _) = beside::open(config).await?;
    let account = lists::owner(&verify, service).await?;
    let new =
        NewAccessToken { identity, factor_friendly_name: None, account_label, ttl: *TTL.end() };
    let (token, text) = verify.create_access_token(account, service, new).await?;
    let push_key = verify.web_push_key(account, service).await?;
    let invitation = Invitation {
        service: &service.to_string(),
        identity: token.identity.as_str(),
        token: text.expose(),
        push_key: &push_key,
    };
    let link = invitation.link(server.as_str());
    println!("{link}");
    if std::io::stdout().is_terminal() {
        println!("\n{}", code(&link, may_be_coloured(&std::io::stdout()))?);
    }
    eprintln!("It enrols one device within {} seconds.", token.ttl);
    if !is_safe(&server) {
        eprintln!(
            "Browsers create keys only on https pages: set http.public_url to the https URL of this server."
        );
    }
    Ok(())
}

/// The link as a QR code: black on white, whatever the terminal's colours are. Without colours it is drawn for a dark
/// terminal.
fn code(link: &str, coloured: bool) -> anyhow::Result<String> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L)
        .context("the link is too long for a QR code")?;
    let mut drawing = code.render::<Dense1x2>();
    if !coloured {
        let drawing = drawing.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
        return Ok(drawing.build());
    }
    let picture = drawing.build();
    let lines = picture.lines().map(|line| format!("\x1b[30;47m{line}\x1b[0m"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_link_fits_into_a_code() {
        let picture = code(&"x".repeat(900), true).unwrap();
        assert!(picture.lines().all(|line| line.starts_with("\x1b[30;47m")), "{picture}");
        let plain = code(&"x".repeat(900), false).unwrap();
        assert!(!plain.contains('\x1b') && plain.lines().count() == picture.lines().count());
    }
}
