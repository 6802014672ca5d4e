//! The contents of the database before a measurement: entities with a verified stream device each, and challenges.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use countersign_phone::{DeviceKey, Verdict, jwt, system_time};
use serde_json::Value;

use crate::calls::{KeptResponse, each};
use crate::http::{form, get, post};
use crate::load::Requests;
use crate::server::Server;

/// Connections that create them.
const MAKERS: usize = 32;
/// The lifetime of a challenge, less the time to create all.
const LIFETIME: Duration = Duration::from_secs(59 * 60);
/// Challenges that expire sooner are replaced before a run.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// The entities of one service. They share one key, which saves time.
pub(crate) struct Population {
    service: String,
    account_sid: String,
    key: DeviceKey,
    pub(crate) devices: Vec<Device>,
}

/// A person's device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    identity: String,
    pub(crate) factor_sid: String,
    credential_sid: String,
}

/// Challenges, which expire.
pub(crate) struct Challenges {
    /// The path of each, and its device.
    pub(crate) all: Vec<(String, usize)>,
    expire: Instant,
}

impl Population {
    /// Enrols entities on the stream.
    pub(crate) async fn enrol(server: &Server, account_sid: &str, count: usize) -> Result<Self> {
        let service = form(&[("FriendlyName", "bench")]);
        Self::enrol_in(server, account_sid, count, &service, None).await
    }

    /// Enrols Apple devices in a service with that credential.
    pub(crate) async fn enrol_apple(
        server: &Server,
        account_sid: &str,
        count: usize,
        credential: &str,
    ) -> Result<Self> {
        let service = form(&[("FriendlyName", "bench"), ("Push.ApnCredentialSid", credential)]);
        Self::enrol_in(server, account_sid, count, &service, Some(device_token)).await
    }

    async fn enrol_in(
        server: &Server,
        account_sid: &str,
        count: usize,
        service: &str,
        token: Option<fn(usize) -> String>,
    ) -> Result<Self> {
        let service = server.post("/v2/Services", service);
        let service = text(&json(&each(server.target, vec![service], 201, 1).await?[0])?, "sid")?;
        let key = DeviceKey::generate()?;
        let public_key = key.public_key_base64()?;
        let enrolment = |number| {
            let token = token.map(|token| token(number));
            let mut fields = vec![
                ("FriendlyName", "bench"),
                ("FactorType", "push"),
                ("Binding.PublicKey", &*public_key),
                ("Binding.Alg", "ES256"),
                ("Config.SdkVersion", "1.0.0"),
                ("Config.AppId", "countersign.bench"),
            ];
            match &token {
                None => fields.push(("Config.NotificationPlatform", "stream")),
                Some(token) => fields.extend([
                    ("Config.NotificationPlatform", "apn"),
                    ("Config.NotificationToken", token.as_str()),
                ]),
            }
            form(&fields)
        };
        let identities: Vec<_> = (0..count).map(identity).collect();
        let factors =
            |identity: &str| format!("/v2/Services/{service}/Entities/{identity}/Factors");
        let wire = identities.iter().enumerate();
        let wire = wire.map(|(number, id)| server.post(&factors(id), &enrolment(number))).collect();
        let enrolled = each(server.target, wire, 201, MAKERS).await.context("enrolment")?;

        let mut devices = Vec::with_capacity(count);
        let mut proofs = Vec::with_capacity(count);
        for (identity, reply) in identities.into_iter().zip(&enrolled) {
            let body = json(reply)?;
            let factor_sid = text(&body, "sid")?;
            let proof = key.sign_der_base64(factor_sid.as_bytes())?;
            let path = format!("{}/{factor_sid}", factors(&identity));
            proofs.push(server.post(&path, &form(&[("AuthPayload", &proof)])));
            let credential_sid = text(&body["config"], "credential_sid")?;
            devices.push(Device { identity, factor_sid, credential_sid });
        }
        each(server.target, proofs, 200, MAKERS).await.context("verification")?;
        Ok(Self { service, account_sid: account_sid.to_owned(), key, devices })
    }

    /// Creates `count` challenges for the devices in turn.
    pub(crate) async fn challenge(&self, server: &Server, count: usize) -> Result<Challenges> {
        let expire = Instant::now() + LIFETIME;
        let seconds = i64::try_from(LIFETIME.as_secs())?;
        let date = jiff::Timestamp::from_second(system_time() + seconds)?.to_string();
        let (mut wire, mut of) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for number in 0..count {
            let device = number % self.devices.len();
            let Device { factor_sid, .. } = &self.devices[device];
            let path = self.challenges_path(&self.devices[device]);
            let question = form(&[
                ("FactorSid", factor_sid),
                ("ExpirationDate", &date),
                ("Details.Message", "Log in from Lisbon?"),
            ]);
            wire.push(server.post(&path, &question));
            of.push((path, device));
        }
        let made = each(server.target, wire, 201, MAKERS).await.context("challenges")?;
        let sid_of = |reply| json(reply).and_then(|body| text(&body, "sid"));
        let all = made
            .iter()
            .zip(of)
            .map(|(reply, (path, device))| Ok((format!("{path}/{}", sid_of(reply)?), device)));
        Ok(Challenges { all: all.collect::<Result<_>>()?, expire })
    }

    /// Replaces challenges that are about to expire.
    pub(crate) async fn renew_expiring(
        &self,
        server: &Server,
        challenges: &mut Challenges,
    ) -> Result<()> {
        if challenges.expire.saturating_duration_since(Instant::now()) < FRESH {
            *challenges = self.challenge(server, challenges.all.len()).await?;
        }
        Ok(())
    }

    /// The path of the service.
    pub(crate) fn service_path(&self) -> String {
        format!("/v2/Services/{}", self.service)
    }

    /// The path of a device's challenges.
    pub(crate) fn challenges_path(&self, device: &Device) -> String {
        format!("{}/Entities/{}/Challenges", self.service_path(), device.identity)
    }

    /// A request that creates a challenge for a device, with the default lifetime.
    pub(crate) fn question(&self, server: &Server, device: &Device) -> Vec<u8> {
        self.question_with(server, device, &[])
    }

    /// The same, with an end of the challenge's life.
    pub(crate) fn question_until(&self, server: &Server, device: &Device, end: &str) -> Vec<u8> {
        self.question_with(server, device, &[("ExpirationDate", end)])
    }

    fn question_with(&self, server: &Server, device: &Device, more: &[(&str, &str)]) -> Vec<u8> {
        let path = self.challenges_path(device);
        let question = [("FactorSid", &*device.factor_sid), ("Details.Message", "Log in?")];
        server.post(&path, &form(&[&question, more].concat()))
    }

    /// The path of a device's stream.
    pub(crate) fn stream_path(&self, device: &Device) -> String {
        let Device { identity, factor_sid, .. } = device;
        format!("/v2/Services/{}/Entities/{identity}/Factors/{factor_sid}/Stream", self.service)
    }

    /// A device's JWT; on a stream it holds the server's nonce.
    pub(crate) fn token(&self, device: &Device, nonce: Option<&str>) -> Result<String> {
        let who =
            jwt::Device { credential_sid: &device.credential_sid, account_sid: &self.account_sid };
        Ok(jwt::device_jwt(&self.key, who, system_time(), nonce)?)
    }

    /// The signed requests that answer each challenge.
    pub(crate) async fn answers(
        &self,
        server: &Server,
        challenges: &Challenges,
    ) -> Result<Requests> {
        let tokens = self
            .devices
            .iter()
            .map(|device| Ok(crate::http::basic("token", &self.token(device, None)?)));
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        let host = server.target.address;
        let read = challenges.all.iter().map(|(path, device)| get(host, path, &tokens[*device]));
        let replies = each(server.target, read.collect(), 200, MAKERS).await.context("reading")?;
        let mut wire = Vec::with_capacity(replies.len());
        for (reply, (path, device)) in replies.iter().zip(&challenges.all) {
            let payload = self.signed_answer(&reply.head, &reply.body, Verdict::Approved)?;
            wire.push(post(host, path, &tokens[*device], &form(&[("AuthPayload", &payload)])));
        }
        Ok(Requests { wire, expected: 200, may_shed: false })
    }

    /// The signed answer to a challenge that a device has read.
    pub(crate) fn signed_answer(
        &self,
        head: &[u8],
        body: &[u8],
        verdict: Verdict,
    ) -> Result<String> {
        let fields = crate::http::header(head, "Twilio-Verify-Signature-Fields");
        let fields = fields.context("a challenge without the list of fields to sign")?;
        let fields: Vec<_> = fields.split(',').map(str::to_owned).collect();
        let body = serde_json::from_slice(body).context("a challenge that is no object")?;
        Ok(jwt::answer_jwt(&self.key, &body, &fields, verdict)?)
    }
}

impl Challenges {
    /// The same challenges from a different start.
    pub(crate) fn rotated(&self, by: usize) -> Self {
        let mut all = self.all.clone();
        all.rotate_left(by);
        Self { all, expire: self.expire }
    }

    /// A request that creates a notification for each challenge.
    pub(crate) fn notify(&self, server: &Server, ttl: u32) -> Arc<Requests> {
        let form = form(&[("Ttl", &ttl.to_string())]);
        let wire =
            |(path, _): &(String, usize)| server.post(&format!("{path}/Notifications"), &form);
        Arc::new(Requests {
            wire: self.all.iter().map(wire).collect(),
            expected: 201,
            may_shed: false,
        })
    }
}

/// A device token like Apple's.
fn device_token(number: usize) -> String {
    format!("{:064x}", number + 1)
}

/// An identity; they are spread over the alphabet.
fn identity(number: usize) -> String {
    let spread = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{spread:016x}-bench-{number:07}")
}

fn json(reply: &KeptResponse) -> Result<Value> {
    serde_json::from_slice(&reply.body).context("an answer that is not JSON")
}

fn text(value: &Value, name: &str) -> Result<String> {
    let text = value[name].as_str();
    Ok(text.with_context(|| format!("an answer without {name}"))?.to_owned())
}
