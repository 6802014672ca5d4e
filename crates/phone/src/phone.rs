//! An enrolled phone, and the requests for its own factor.

use std::fmt;
use std::sync::Arc;

use reqwest::Method;
use url::Url;

use crate::clock::Clock;
use crate::error::PhoneError;
use crate::factor::{Factor, Platform, SDK_VERSION};
use crate::jwt::{Device, device_jwt};
use crate::key::DeviceKey;
use crate::registration::Registration;
use crate::server::{Call, Reply, Server};

/// An enrolled phone. Clones share their state.
#[derive(Clone)]
pub struct Phone {
    inner: Arc<Inner>,
}

struct Inner {
    server: Server,
    registration: Registration,
    key: DeviceKey,
    clock: Clock,
}

impl Phone {
    pub(crate) fn new(
        server: Server,
        registration: Registration,
        key: DeviceKey,
        clock: Clock,
    ) -> Self {
        let inner = Inner { server, registration, key, clock };
        Self { inner: Arc::new(inner) }
    }

    /// Proves possession of the key, which verifies the factor.
    pub async fn verify(&self) -> Result<(), PhoneError> {
        let proof = self.key().sign_der_base64(self.factor_sid().as_bytes())?;
        let answer = self.post(self.factor_url()?, &[("AuthPayload", &proof)]).await?;
        match Factor::parse(&answer.object()?)?.verified {
            true => Ok(()),
            false => Err(PhoneError::malformed("a verified factor that reads unverified")),
        }
    }

    /// Changes the platform for prompts.
    pub async fn update_push_token(&self, platform: &Platform) -> Result<(), PhoneError> {
        let mut form = vec![
            ("FriendlyName", self.registration().friendly_name.as_str()),
            ("Config.SdkVersion", SDK_VERSION),
            ("Config.AppId", &self.registration().app_id),
        ];
        form.extend(platform.form());
        let answer = self.post(self.factor_url()?, &form).await?;
        Factor::parse(&answer.object()?).map(|_| ())
    }

    /// Deletes the factor. As in the mobile SDKs, a factor that does not exist (404), or whose key is unknown to the server
    /// (401 twice), counts as deleted.
    pub async fn delete(&self) -> Result<(), PhoneError> {
        let call = Call { method: Method::DELETE, url: self.factor_url()?, form: &[] };
        match self.call(&call).await {
            Ok(_) => Ok(()),
            Err(PhoneError::Api(error)) if matches!(error.status, 401 | 404) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The phone's factor, `YF…`.
    pub fn factor_sid(&self) -> &str {
        &self.registration().factor_sid
    }

    /// The account of the factor, `AC…`.
    pub fn account_sid(&self) -> &str {
        &self.registration().account_sid
    }

    /// The service of the factor, `VA…`.
    pub fn service_sid(&self) -> &str {
        &self.registration().service_sid
    }

    /// The application's identifier of the person.
    pub fn identity(&self) -> &str {
        &self.registration().identity
    }

    /// The id of the phone's public key, `CR…`: the `kid` of its tokens.
    pub fn credential_sid(&self) -> &str {
        &self.registration().credential_sid
    }

    /// The phone's key.
    pub fn key(&self) -> &DeviceKey {
        &self.inner.key
    }

    /// The server of the enrolment.
    pub fn server(&self) -> &Server {
        &self.inner.server
    }

    /// Number of seconds by which the server's clock is ahead of the phone's.
    pub fn clock_offset(&self) -> i64 {
        self.inner.clock.offset()
    }

    /// A new device token: the password of a request with the user `token`.
    pub fn device_jwt(&self) -> Result<String, PhoneError> {
        self.signed_in(None)
    }

    pub(crate) fn signed_in(&self, nonce: Option<&str>) -> Result<String, PhoneError> {
        let device =
            Device { credential_sid: self.credential_sid(), account_sid: self.account_sid() };
        device_jwt(self.key(), device, self.inner.clock.now(), nonce)
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.inner.registration
    }

    pub(crate) fn correct_clock(&self, server_now: i64) {
        self.inner.clock.correct(server_now);
    }

    /// A URL below the phone's entity.
    pub(crate) fn entity_url(&self, below: &[&str]) -> Result<Url, PhoneError> {
        let entity = ["v2", "Services", self.service_sid(), "Entities", self.identity()];
        self.server().url(&[&entity, below].concat())
    }

    fn factor_url(&self) -> Result<Url, PhoneError> {
        self.entity_url(&["Factors", self.factor_sid()])
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Reply, PhoneError> {
        self.call(&Call { method: Method::GET, url, form: &[] }).await
    }

    pub(crate) async fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<Reply, PhoneError> {
        self.call(&Call { method: Method::POST, url, form }).await
    }

    /// Sends a request as this device. A 401 is attributed to a wrong clock: the phone corrects its clock by the `Date` header
    /// and retries once.
    async fn call(&self, call: &Call<'_>) -> Result<Reply, PhoneError> {
        let answer = self.server().send(call, ("token", &self.device_jwt()?)).await?;
        let (401, Some(server_now)) = (answer.status, answer.date) else {
            return answer.accepted();
        };
        self.correct_clock(server_now);
        let again = self.server().send(call, ("token", &self.device_jwt()?)).await?;
        again.accepted()
    }
}

/// Shows the phone's SIDs, never its key.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("server", &self.server().base_url().as_str())
            .field("registration", self.registration())
            .finish_non_exhaustive()
    }
}
