//! The participants: an application with its account, a service, a person, and the person's phone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use countersign_domain::secret::Secret;
use countersign_domain::sid::AccountSid;
use countersign_phone::{Authority, Enrolment, Phone, Server, ServerOptions};
use serde::Deserialize;

use super::application::{Application, Call};
use super::response::Created;
use super::timeline::millis;
use super::timeout::within;
use crate::commands::phone::screen::Paint;

/// The application's name for the person.
pub(super) const IDENTITY: &str = "sam-porter";
pub(super) const SERVICE: &str = "Harbour Bank";

/// Everything that the demonstration needs.
pub(super) struct Participants {
    pub(super) app: Application,
    pub(super) phone: Phone,
    pub(super) paint: Paint,
    /// The person's URL.
    entity: String,
    /// The service's SID.
    pub(super) service: String,
}

#[derive(Deserialize)]
struct AccessToken {
    token: String,
}

impl Participants {
    /// Creates the service, enrols the phone, and reports it.
    pub(super) async fn set(
        address: SocketAddr,
        (account, token): (AccountSid, Secret),
        ready_in: Duration,
    ) -> anyhow::Result<Self> {
        let paint = Paint::of_stdout();
        let base = format!("http://{}", reachable(address));
        let app = Application::new(base, account.to_string(), token)?;
        let line = |what: &str, value: String| {
            println!("  {}  {value}", paint.dim(format_args!("{what:8}")));
        };
        println!(
            "{}",
            paint.bold("Countersign: a server, an application and a phone, all on this machine")
        );
        println!();
        line(
            "server",
            format!("{}, ready in {}, with an empty database", app.base, millis(ready_in)),
        );
        line("account", app.account.clone());

        let services =
            Call::post(format!("{}/v2/Services", app.base), &[("FriendlyName", SERVICE)]);
        let service = app.expect(&services, 201).await?.read::<Created>()?.sid;
        line("service", format!("{service}, {SERVICE}"));

        let began = Instant::now();
        let phone = within("the phone to enrol", enrol(&app, &service)).await?;
        let took = millis(began.elapsed());
        line("phone", format!("{}, {}’s", phone.factor_sid(), phone.identity()));
        line("", format!("enrolled with an access token and a P-256 key of its own, in {took}"));
        let entity = format!("{}/v2/Services/{service}/Entities/{IDENTITY}", app.base);
        Ok(Self { app, phone, paint, entity, service })
    }

    /// The call that creates a challenge for the phone.
    pub(super) fn challenge(&self, message: &str, more: &[(&'static str, &str)]) -> Call {
        self.challenge_on(self.phone.factor_sid(), message, more)
    }

    /// The call that creates a challenge for one of the person's devices.
    pub(super) fn challenge_on(
        &self,
        factor: &str,
        message: &str,
        more: &[(&'static str, &str)],
    ) -> Call {
        let mut form = vec![("FactorSid", factor), ("Details.Message", message)];
        form.extend(more);
        Call::post(format!("{}/Challenges", self.entity), &form)
    }

    /// The call that lists the person's devices.
    pub(super) fn factors(&self) -> Call {
        Call::get(format!("{}/Factors", self.entity))
    }

    /// The URL of a challenge.
    pub(super) fn challenge_url(&self, challenge: &str) -> String {
        format!("{}/Challenges/{challenge}", self.entity)
    }

    /// The call that reads the number that the page shows.
    pub(super) fn presence(&self, challenge: &str) -> Call {
        Call::get(format!("{}/Presence", self.challenge_url(challenge)))
    }

    /// The call that pushes a challenge again, as in the API reference.
    pub(super) fn notify(&self, challenge: &str, ttl: u16) -> Call {
        let url = format!("{}/Notifications", self.challenge_url(challenge));
        Call::post(url, &[("Ttl", &ttl.to_string())])
    }

    /// The call that reads a challenge's notifications.
    pub(super) fn notifications(&self, challenge: &str) -> Call {
        Call::get(format!("{}/Notifications", self.challenge_url(challenge)))
    }

    /// The call that reads one notification.
    pub(super) fn notification(&self, challenge: &str, sid: &str) -> Call {
        Call::get(format!("{}/Notifications/{sid}", self.challenge_url(challenge)))
    }
}

/// Creates an access token for the person with the longest lifetime.
pub(super) async fn access_token(app: &Application, service: &str) -> anyhow::Result<String> {
    let url = format!("{}/v2/Services/{service}/AccessTokens", app.base);
    let form = [("Identity", IDENTITY), ("FactorType", "push"), ("Ttl", "300")];
    let AccessToken { token } = app.expect(&Call::post(url, &form), 201).await?.read()?;
    Ok(token)
}

/// Enrols the phone with an access token.
async fn enrol(app: &Application, service: &str) -> anyhow::Result<Phone> {
    let token = access_token(app, service).await?;
    let options = ServerOptions { insecure_http: true, ..ServerOptions::default() };
    let server = Server::new(&app.base, &options)?;
    let enrolment = Enrolment {
        friendly_name: "Sam’s phone".to_owned(),
        takes_numbers: true,
        ..Enrolment::new(service, IDENTITY, Authority::AccessToken(token))
    };
    Phone::enrol(&server, &enrolment).await.context("the phone cannot enrol")
}

/// The address by which callers on this machine reach a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
