//! `countersign enrol-link`: a link that makes a browser a device, as text and as a code to scan. It works beside a running
//! server.

use std::io::IsTerminal as _;

use anyhow::{Context as _, anyhow};
use countersign_domain::access_token::TTL;
use countersign_domain::sid::ServiceSid;
use countersign_domain::text::Identity;
use countersign_verify::access_tokens::NewAccessToken;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use url::{Host, Url};

use super::accounts;
use crate::cli::EnrolLink;
use crate::config::Config;
use crate::wiring::public_url;

/// What a link tells the browser; all of it stands in the fragment, which is sent to no server.
pub(super) struct Invitation<'a> {
    /// The service, `VA…`.
    pub(super) service: &'a str,
    /// The application's name for the person.
    pub(super) identity: &'a str,
    /// The access token.
    pub(super) token: &'a str,
    /// What the application calls itself.
    pub(super) name: &'a str,
    /// The service's public key for Web Push.
    pub(super) push_key: &'a str,
}

impl Invitation<'_> {
    /// The link, at a server.
    pub(super) fn link(&self, server: &Url) -> String {
        let mut fragment = url::form_urlencoded::Serializer::new(String::new());
        fragment
            .append_pair("service", self.service)
            .append_pair("identity", self.identity)
            .append_pair("token", self.token)
            .append_pair("name", self.name)
            .append_pair("push", self.push_key);
        let server = server.as_str().trim_end_matches('/');
        format!("{server}/authenticator#{}", fragment.finish())
    }
}

/// Makes an access token, and prints the link that carries it.
pub(super) async fn run(config: &Config, flags: EnrolLink) -> anyhow::Result<()> {
    let shown = &flags.service;
    let service: ServiceSid =
        shown.parse().with_context(|| format!("{shown} is no service's SID (VA…)"))?;
    let identity = Identity::parse(&flags.identity).map_err(|why| anyhow!("--identity {why}"))?;
    let server = public_url(config, config.http.listen)?;
    let verify = accounts::open(config).await?;
    let account = accounts::owner(&verify, service).await?;
    let found = verify.service(account, service).await?;
    let new = NewAccessToken { identity, factor_friendly_name: None, ttl: *TTL.end() };
    let (token, text) = verify.create_access_token(account, service, new).await?;
    let push_key = verify.web_push_key(account, service).await?;
    let invitation = Invitation {
        service: &service.to_string(),
        identity: token.identity.as_str(),
        token: text.expose(),
        name: flags.name.as_deref().unwrap_or(found.settings.friendly_name.as_str()),
        push_key: &push_key,
    };
    let link = invitation.link(&server);
    println!("{link}");
    if std::io::stdout().is_terminal() {
        println!("\n{}", code(&link)?);
    }
    eprintln!("It adds one device, within {} seconds.", token.ttl);
    if !is_safe(&server) {
        eprintln!(
            "Browsers make keys for pages of https only: set http.public_url to the https URL of this server."
        );
    }
    Ok(())
}

/// The link as a code: black on white, whatever the terminal's colours are.
fn code(link: &str) -> anyhow::Result<String> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L)
        .context("the link is too long for a code")?;
    let picture = code.render::<Dense1x2>().build();
    let lines = picture.lines().map(|line| format!("\x1b[30;47m{line}\x1b[0m"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Whether a browser trusts the page with a key.
fn is_safe(server: &Url) -> bool {
    let is_here = match server.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_here || server.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_everything_behind_the_fragment_sign() {
        let invitation = Invitation {
            service: "VA1",
            identity: "sam-porter",
            token: "a..b-c_",
            name: "Owl & Co",
            push_key: "BK",
        };
        for server in ["https://verify.example.com", "https://verify.example.com/"] {
            assert_eq!(
                invitation.link(&Url::parse(server).unwrap()),
                "https://verify.example.com/authenticator#service=VA1&identity=sam-porter&token=a..b-c_&name=Owl+%26+Co&push=BK"
            );
        }
    }

    #[test]
    fn a_long_link_fits_into_a_code() {
        let picture = code(&"x".repeat(900)).unwrap();
        assert!(picture.lines().all(|line| line.starts_with("\x1b[30;47m")), "{picture}");
    }

    #[test]
    fn a_browser_makes_keys_on_this_machine_and_over_https() {
        for (url, safe) in [
            ("https://verify.example.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://10.0.0.7:8080", false),
            ("http://verify.example.com", false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).unwrap()), safe, "{url}");
        }
    }
}
